"""Measures against hand-computed values, a slow second implementation, published code and both real ground truths."""

from __future__ import annotations

import math
import pickle
from pathlib import Path
from typing import Any

import ir_measures
import numpy as np
import pytest

from dinosearch.evaluation.dataset import Dataset, Judgement, LabelTruth, ListedTruth, Setup
from dinosearch.evaluation.measures import find, measure, needed_depth
from dinosearch.evaluation.result import Scores
from dinosearch.evaluation.scoring import interpolated_precision, ranking_depth, score, verdicts
from tests.evaluation import slow

MEASURES = ("mAP", "mP@1", "mP@5", "mP@10")


def rows(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int64)


def value(name: str, ranking: np.ndarray, relevant: np.ndarray, junk: np.ndarray | None = None) -> float:
    return measure(name)(find(ranking, Judgement(relevant, rows() if junk is None else junk)))


def test_values_computed_by_hand() -> None:
    ranking, relevant = rows(4, 0, 7, 1, 9), rows(0, 1, 2)
    # right at ranks 2 and 4 of 5, one of three not found
    assert value("mAP", ranking, relevant) == pytest.approx(((0 + 1 / 2) + (1 / 3 + 2 / 4)) / 6, abs=1e-15)
    assert value("mAP-rectangular", ranking, relevant) == pytest.approx((1 / 2 + 2 / 4) / 3, abs=1e-15)
    assert value("mAP@2", ranking, relevant) == pytest.approx((1 / 2) / 2, abs=1e-15)
    assert value("mAP-trapezoid@2", ranking, relevant) == pytest.approx((0 + 1 / 2) / 6, abs=1e-15)
    assert value("P@5", ranking, relevant) == 2 / 5
    assert value("recall@4", ranking, relevant) == 2 / 3
    assert (value("hit@1", ranking, relevant), value("hit@2", ranking, relevant)) == (0, 1)
    assert value("N-S@4", ranking, relevant) == 2
    gain = 1 / math.log2(3) + 1 / math.log2(5)
    assert value("nDCG@5", ranking, relevant) == pytest.approx(gain / (1 + 1 / math.log2(3) + 1 / 2), abs=1e-15)


def test_junk_leaves_the_ranking() -> None:
    assert value("mAP", rows(5, 0, 6, 1), rows(0, 1), rows(5, 6)) == 1
    assert value("mP@1", rows(5, 0), rows(0, 1), rows(5)) == 1


def test_a_row_that_is_relevant_and_junk_is_junk() -> None:
    """As revisitop's evaluate.py has it: such a row leaves the ranking and is not missed."""
    assert value("mAP", rows(5, 0, 1), rows(0, 1, 5), rows(5)) == 1
    assert value("recall@2", rows(0, 5, 1), rows(0, 1, 5), rows(5)) == 1


def test_precision_shrinks_to_the_last_relevant_rank_only_when_all_are_found() -> None:
    assert value("mP@10", rows(0, 1, 2, 3), rows(0, 1)) == 1
    assert value("mP@10", rows(0, 2, 3), rows(0, 1)) == 1 / 10
    assert value("mP@10", rows(2, 3), rows(0, 1)) == 0


@pytest.mark.parametrize("name", ["map", "mAP@0", "mP", "P@-1", "recall@x", ""])
def test_unknown_measures_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="there is no measure"):
        measure(name)


def test_depth_that_measures_need() -> None:
    assert needed_depth(("mP@5", "recall@100")) == 100
    assert needed_depth(("mAP", "mP@5")) is None
    assert needed_depth(()) == 1


def random_case(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    images = int(rng.integers(5, 60))
    order = rng.permutation(images)
    relevant, junk = int(rng.integers(1, images // 2 + 1)), int(rng.integers(0, images // 3 + 1))
    judged = rng.permutation(images)
    cut = order[: int(rng.integers(0, images + 1))] if seed % 2 else order
    return cut, np.sort(judged[:relevant]), np.sort(judged[relevant : relevant + junk])


@pytest.mark.parametrize("seed", range(60))
def test_random_and_cut_rankings_agree_with_the_slow_implementation(seed: int) -> None:
    ranking, relevant, junk = random_case(seed)
    plain = ranking.tolist(), set(relevant.tolist()), set(junk.tolist())
    assert value("mAP", ranking, relevant, junk) == pytest.approx(slow.trapezoid(*plain), abs=1e-12)
    assert value("mAP-rectangular", ranking, relevant, junk) == pytest.approx(slow.rectangular(*plain), abs=1e-12)
    for k in (1, 5, 10):
        expected = {
            f"mAP@{k}": slow.rectangular(*plain, k=k),
            f"mP@{k}": slow.revisited_precision(*plain, k=k),
            f"P@{k}": slow.hits(*plain, k=k) / k,
            f"recall@{k}": slow.hits(*plain, k=k) / len(relevant),
            f"hit@{k}": float(slow.hits(*plain, k=k) > 0),
            f"N-S@{k}": slow.hits(*plain, k=k),
            f"nDCG@{k}": slow.ndcg(*plain, k=k),
        }
        for name, wanted in expected.items():
            assert value(name, ranking, relevant, junk) == pytest.approx(wanted, abs=1e-12), name


@pytest.mark.parametrize("seed", range(20))
def test_agrees_with_ir_measures(seed: int) -> None:
    ranking, relevant, _ = random_case(seed)
    if not len(ranking):
        pytest.skip("trec_eval has no value for an empty ranking")
    run = [ir_measures.ScoredDoc("q", str(row), float(-rank)) for rank, row in enumerate(ranking.tolist())]
    qrels = [ir_measures.Qrel("q", str(row), 1) for row in relevant.tolist()]
    theirs = {
        "mAP-rectangular": ir_measures.AP,
        "P@5": ir_measures.P @ 5,
        "recall@5": ir_measures.R @ 5,
        "nDCG@10": ir_measures.nDCG @ 10,
        "hit@5": ir_measures.Success @ 5,
    }
    found = ir_measures.calc_aggregate(list(theirs.values()), qrels, run)
    for name, other in theirs.items():
        assert value(name, ranking, relevant) == pytest.approx(found[other], abs=1e-12), name


def test_interpolated_precision_is_the_best_from_this_recall_on() -> None:
    curve = interpolated_precision(find(rows(4, 0, 1, 7), Judgement(rows(0, 1, 2, 3))))
    # precision 1/2 at recall 1/4, 2/3 at recall 1/2, nothing beyond
    assert curve[0] == curve[25] == curve[26] == curve[50] == 2 / 3
    assert curve[51] == curve[100] == 0


def test_queries_without_relevant_images_are_left_out_and_without_results_are_zero() -> None:
    truth = ListedTruth([[0], [], [1]])
    dataset = Dataset("d", "D", Path(), ("a", "b"), ("q", "r", "s"), (Setup("all", truth, ("mAP",)),))
    (scores,) = score(dataset, [rows(0, 1), rows(0, 1), rows()])
    assert scores.values[:, 0].tolist() == [1.0, pytest.approx(math.nan, nan_ok=True), 0.0]
    assert (scores.mean("mAP").value, scores.mean("mAP").queries) == (0.5, 2)


def test_labels_leave_the_query_out_unless_it_counts() -> None:
    labels = ["a", "a", "b", "a"]
    alone = LabelTruth(labels, labels, own=[0, 1, 2, 3])
    assert (alone[0].relevant.tolist(), alone[0].junk.tolist()) == ([1, 3], [0])
    assert alone[2].relevant.tolist() == []
    counted = LabelTruth(labels, labels, own=[0, 1, 2, 3], counts_itself=True)
    assert (counted[0].relevant.tolist(), counted[0].junk.tolist()) == ([0, 1, 3], [])


def test_wrong_numbers_of_rankings_and_rows_twice_are_refused() -> None:
    dataset = Dataset("d", "D", Path(), ("a", "b"), ("q",), (Setup("all", ListedTruth([[0]]), ("mAP",)),))
    with pytest.raises(ValueError, match="more rankings than the 1 queries"):
        score(dataset, [rows(0), rows(0)])
    with pytest.raises(ValueError, match="0 rankings for 1 queries"):
        score(dataset, [])
    with pytest.raises(ValueError, match="twice"):
        score(dataset, [rows(0, 0)])


def test_verdicts_and_depth() -> None:
    setup = Setup("all", ListedTruth([[0]], [[1, 2]]), ("mP@10",))
    assert verdicts(setup, 0, rows(2, 0, 5)) == ["junk", "relevant", "wrong"]
    dataset = Dataset("d", "D", Path(), ("a", "b"), ("q",), (setup,))
    assert ranking_depth(dataset) == 12


# The real ground truths, read here without our loader.
@pytest.fixture(scope="module", params=["roxford5k", "rparis6k"])
def revisited(request: pytest.FixtureRequest, shared_data: Path) -> tuple[str, Dataset]:
    path = shared_data / "ground_truth" / "revisitop" / f"gnd_{request.param}.pkl"
    truth: dict[str, Any] = pickle.loads(path.read_bytes())
    queries = truth["gnd"]
    parts = {
        "easy": (["easy"], ["junk", "hard"]),
        "medium": (["easy", "hard"], ["junk"]),
        "hard": (["hard"], ["junk", "easy"]),
    }
    setups = tuple(
        Setup(
            name,
            ListedTruth(*([sum((list(q[key]) for key in keys), []) for q in queries] for keys in keyed)),
            MEASURES,
        )
        for name, keyed in parts.items()
    )
    return request.param, Dataset(
        request.param, request.param, Path(), tuple(truth["imlist"]), tuple(truth["qimlist"]), setups
    )


def means(scores: tuple[Scores, ...]) -> dict[tuple[str, str], float]:
    return {(one.setup, name): one.mean(name).value for one in scores for name in one.measures}


def oracle(dataset: Dataset, setup: Setup) -> list[np.ndarray]:
    everything = np.arange(len(dataset.images))
    return [
        np.concatenate([setup.truth[q].relevant, np.setdiff1d(everything, setup.truth[q].relevant)])
        for q in range(len(dataset.queries))
    ]


def test_oracle_ranking_is_perfect_on_real_ground_truth(revisited: tuple[str, Dataset]) -> None:
    name, dataset = revisited
    for place, setup in enumerate(dataset.setups):
        found = score(dataset, oracle(dataset, setup))[place]
        assert all(found.mean(measure_name).value == pytest.approx(1, abs=1e-12) for measure_name in MEASURES)
    easy = score(dataset, oracle(dataset, dataset.setups[0]))[0]
    assert easy.mean("mAP").queries == (68 if name == "roxford5k" else 70)


def test_real_ground_truth_agrees_with_the_slow_implementation(revisited: tuple[str, Dataset]) -> None:
    """Reversed, 50 random and truncated rankings; each checked on a few queries, all of them over the run."""
    _, dataset = revisited
    images, count = len(dataset.images), len(dataset.queries)
    rng = np.random.default_rng(7)
    shuffled = [rng.permutation(images) for _ in range(50)]
    cases = [np.arange(images)[::-1], *shuffled, *(ranking[: 10 ** (1 + i % 3)] for i, ranking in enumerate(shuffled))]
    for number, ranking in enumerate(cases):
        found = score(dataset, [ranking] * count)
        for query in {(7 * number + step) % count for step in (0, 23)}:
            for scores, setup in zip(found, dataset.setups, strict=True):
                judgement = setup.truth[query]
                plain = ranking.tolist(), set(judgement.relevant.tolist()), set(judgement.junk.tolist())
                if not plain[1]:
                    assert np.isnan(scores.values[query]).all()
                    continue
                expected = [slow.trapezoid(*plain), *(slow.revisited_precision(*plain, k=k) for k in (1, 5, 10))]
                assert scores.values[query].tolist() == pytest.approx(expected, abs=1e-12)
