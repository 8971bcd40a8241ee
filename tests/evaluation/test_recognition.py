"""k-NN, Met and GLDv2 recognition against values computed by hand and a slow implementation from the definitions.

The definitions: facebookresearch/dino eval_knn.py (k-NN), nikosips/met (GAP, GAP-, ACC and the grid), and
tensorflow/models google_landmarks_dataset/metrics.py (GLDv2).
"""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from dinosearch.evaluation.dataset import Recognition
from dinosearch.evaluation.recognition import (
    MET_NEIGHBOURS,
    MET_TEMPERATURES,
    Prediction,
    depth,
    global_average_precision,
    recognise,
)

GRID_K = (1, 2, 3, 5, 7, 10, 15, 20, 50)
GRID_T = (0.01, 0.1, 1, 5, 10, 15, 20, 25, 30, 50, 100, 500)

Found = list[tuple[list[int], list[float]]]
"""Rows and cosines for each query, best first."""


def part(
    labels: list[int],
    truth: list[set[int]],
    method: str,
    queries: list[int] | None = None,
    tuned_on: Recognition | None = None,
) -> Recognition:
    asked = np.arange(len(truth)) if queries is None else np.array(queries, np.int64)
    return Recognition("test", np.array(labels, np.int64), asked, tuple(map(frozenset, truth)), method, tuned_on)


def figures(judged: Recognition, found: Found) -> dict[str, float]:
    scores, _ = recognise(judged, lambda query: (np.array(found[query][0], np.int64), np.array(found[query][1])))
    return {name: scores.mean(name).value for name in scores.measures}


def settings(judged: Recognition, found: Found) -> dict[str, float]:
    return recognise(judged, lambda query: (np.array(found[query][0], np.int64), np.array(found[query][1])))[1]


class World:
    """Random unit vectors around class centres; every fourth query is a distractor."""

    def __init__(self, seed: int, classes: int = 12, images: int = 90, queries: int = 40, noise: float = 1.3) -> None:
        rng = np.random.default_rng(seed)
        centres = rng.standard_normal((classes, 8))
        # classes 1000, 1007 ...: neither dense nor from 0
        names = 1000 + 7 * np.arange(classes)
        own, asked = rng.integers(0, classes, images), rng.integers(0, classes, queries)
        database = self._unit(centres[own] + noise * rng.standard_normal((images, 8)))
        self.labels: list[int] = names[own].tolist()
        self.truth = [set() if i % 4 == 3 else {int(names[label])} for i, label in enumerate(asked.tolist())]
        cosines = self._unit(centres[asked] + noise * rng.standard_normal((queries, 8))) @ database.T
        self.found: Found = []
        for row in cosines:
            best = np.argsort(-row)[:50]
            self.found.append((best.tolist(), row[best].tolist()))

    @staticmethod
    def _unit(rows: np.ndarray) -> np.ndarray:
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def slow_gap(predictions: list[tuple[int, float]], truth: list[set[int]]) -> float:
    """Sum over right predictions of the precision at their rank, by counting for each who stands before it."""
    total = 0.0
    for i, (label, confidence) in enumerate(predictions):
        if label not in truth[i]:
            continue
        ahead = [
            j for j, (_, value) in enumerate(predictions) if value > confidence or (value == confidence and j <= i)
        ]
        total += sum(predictions[j][0] in truth[j] for j in ahead) / len(ahead)
    return total / sum(1 for classes in truth if classes)


def slow_met(world: World, queries: list[int], k: int, temperature: float) -> list[tuple[int, float]]:
    """Per class the largest cosine among k neighbours, 0 for classes not among them; softmax over all classes."""
    every = sorted(set(world.labels))
    predictions = []
    for query in queries:
        rows, cosines = world.found[query]
        similarity = dict.fromkeys(every, 0.0)
        seen = {world.labels[row] for row in rows[:k]}
        for label in seen:
            similarity[label] = max(c for r, c in zip(rows[:k], cosines[:k], strict=True) if world.labels[r] == label)
        denominator = math.fsum(math.exp(temperature * similarity[label]) for label in every)
        best = max(seen, key=lambda label: similarity[label])
        predictions.append((best, math.exp(temperature * similarity[best]) / denominator))
    return predictions


# k-NN
@pytest.mark.parametrize("seed", range(6))
def test_knn_agrees_with_a_slow_vote(seed: int) -> None:
    world = World(seed)
    right, answered = 0, 0
    for (rows, cosines), classes in zip(world.found, world.truth, strict=True):
        if not classes:
            continue
        votes: dict[int, float] = {}
        for row, cosine in list(zip(rows, cosines, strict=True))[:20]:
            votes[world.labels[row]] = votes.get(world.labels[row], 0.0) + math.exp(cosine / 0.07)
        answered += 1
        right += max(votes, key=lambda label: votes[label]) in classes
    assert 0 < right < answered, "the case must be able to tell right from wrong"
    judged = part(world.labels, world.truth, "knn")
    assert figures(judged, world.found)["top-1"] == pytest.approx(right / answered, abs=1e-12)
    scores, _ = recognise(judged, lambda query: tuple(map(np.array, world.found[query])))  # type: ignore[arg-type]
    assert np.isnan(scores.values[:, 0]).tolist() == [not classes for classes in world.truth]


def test_knn_weighs_by_cosine_and_sums_over_a_class() -> None:
    labels = [1, 2, 2, 2]
    # 0.1 nearer weighs exp(0.1 / 0.07) = 4.17 votes, more than three; 0.07 nearer weighs e = 2.72, fewer than three
    assert figures(part(labels, [{1}], "knn"), [([0, 1, 2, 3], [0.90, 0.80, 0.80, 0.80])]) == {"top-1": 1}
    assert figures(part(labels, [{1}], "knn"), [([0, 1, 2, 3], [0.87, 0.80, 0.80, 0.80])]) == {"top-1": 0}


def test_knn_looks_at_twenty_neighbours() -> None:
    labels = [1] + [2] * 25
    # one at 0.9 against those at 0.68: each weighs exp(-0.22 / 0.07) = 0.0432, so 19 weigh 0.82 and 24 would weigh 1.04
    assert figures(part(labels, [{1}], "knn"), [(list(range(25)), [0.9] + [0.68] * 24)]) == {"top-1": 1}
    assert depth(part(labels, [{1}], "knn")) == 20


def test_knn_without_neighbours_is_wrong_and_distractors_do_not_count() -> None:
    judged = part([1, 2], [{1}, {1}, set(), {2, 9}], "knn")
    found: Found = [([], []), ([0], [0.5]), ([0], [0.9]), ([1], [0.1])]
    assert figures(judged, found)["top-1"] == pytest.approx(2 / 3, abs=1e-15)
    assert math.isnan(figures(part([1], [set()], "knn"), [([0], [0.5])])["top-1"])


def test_queries_are_positions_in_the_data_set() -> None:
    found: Found = [([0], [0.5]), ([1], [0.5]), ([0], [0.5])]
    for method, measure in (("knn", "top-1"), ("met", "ACC"), ("gldv2", "GAP")):
        assert figures(part([1, 2], [{2}], method, queries=[1]), found)[measure] == 1, method
        assert figures(part([1, 2], [{2}], method, queries=[2]), found)[measure] == 0, method


# GAP
def test_gap_by_hand() -> None:
    # by confidence: right 0.9, distractor 0.8, right 0.7, wrong 0.6; one more query has a class but no prediction
    predictions = [Prediction(5, 0.7), Prediction(3, 0.8), Prediction(4, 0.9), Prediction(1, 0.6), Prediction(-1, 0.0)]
    truth = [frozenset(classes) for classes in ({5, 6}, set(), {4}, {2}, {7})]
    assert global_average_precision(predictions, truth) == pytest.approx((1 / 1 + 2 / 3) / 4, abs=1e-15)


def test_gap_breaks_ties_by_name_then_order() -> None:
    predictions = [Prediction(1, 0.5), Prediction(2, 0.5), Prediction(3, 0.5)]
    truth = [frozenset[int](), frozenset({2}), frozenset({3})]
    assert global_average_precision(predictions, truth) == pytest.approx((1 / 2 + 2 / 3) / 2, abs=1e-15)
    assert global_average_precision(predictions, truth, names=[30, 20, 10]) == pytest.approx(1, abs=1e-15)
    # one name twice: the smaller class stands first, whatever the order given
    twice = [Prediction(9, 0.5), Prediction(1, 0.5)]
    assert global_average_precision(twice, [frozenset({9}), frozenset()], names=[4, 4]) == 1 / 2
    assert global_average_precision(twice, [frozenset(), frozenset({1})], names=[4, 4]) == 1


def test_gap_without_answerable_queries_is_not_a_number() -> None:
    assert math.isnan(global_average_precision([Prediction(1, 0.5)], [frozenset()]))
    assert global_average_precision([Prediction(-1, 0.0)], [frozenset({1})]) == 0


@pytest.mark.parametrize("seed", range(20))
def test_gap_of_random_predictions_agrees_with_counting(seed: int) -> None:
    rng = np.random.default_rng(seed)
    count = int(rng.integers(2, 40))
    # few different confidences, so that most are tied
    predictions = [(int(rng.integers(0, 3)), float(rng.integers(0, 6)) / 6) for _ in range(count)]
    truth = [set(rng.integers(0, 3, rng.integers(0, 3)).tolist()) for _ in range(count)]
    truth[0].add(0)
    found = global_average_precision([Prediction(*p) for p in predictions], [frozenset(t) for t in truth])
    assert found == pytest.approx(slow_gap(predictions, truth), abs=1e-12)


# Met
def test_met_by_hand_without_a_validation_part() -> None:
    judged = part([1, 1, 2, 3], [{1}, set(), {3}, {2}], "met")
    found: Found = [([0, 2], [0.9, 0.8]), ([2], [0.95]), ([3], [0.2]), ([1], [0.6])]
    # one neighbour, temperature 1: confidence grows with its cosine; in order: distractor, right, wrong, right
    expected = {"GAP": (1 / 2 + 2 / 4) / 3, "GAP-": (1 / 1 + 2 / 3) / 3, "ACC": 2 / 3}
    assert figures(judged, found) == pytest.approx(expected, abs=1e-15)
    assert settings(judged, found) == {"neighbours": 1, "temperature": 1}


def test_met_tuning_finds_neighbours_and_temperature_that_put_a_contested_distractor_last() -> None:
    # Query 0, a distractor: 0.9, but another class has 0.85. Query 1, right: 0.6, its second neighbour at 0. One
    # neighbour cannot tell: the distractor is surer, or both are as sure as float64 goes and keep their order.
    labels, truth, found = list(range(100)), [set[int](), {1}], [([3, 4], [0.9, 0.85]), ([1, 2], [0.6, 0.0])]

    def second_looks_surer(temperature: float) -> bool:
        lone, best, other = (math.exp(temperature * cosine) for cosine in (0.6, 0.9, 0.85))
        return best / (best + other + 98) > lone / (lone + 99)

    assert [t for t in GRID_T if second_looks_surer(t)] == [0.01, 0.1, 1, 5]
    untuned = part(labels, truth, "met")
    assert figures(untuned, found)["GAP"] == 1 / 2
    judged = part(labels, truth, "met", tuned_on=untuned)
    assert figures(judged, found)["GAP"] == 1
    chosen = settings(judged, found)
    assert chosen["neighbours"] >= 2
    assert chosen["temperature"] >= 10


@pytest.mark.parametrize("seed", range(5))
def test_met_agrees_with_a_slow_implementation_and_its_grid(seed: int) -> None:
    world = World(seed)
    tuned, asked = list(range(16)), list(range(16, 40))
    validation = part(world.labels, world.truth[:16], "met", queries=tuned)
    judged = part(world.labels, world.truth[16:], "met", queries=asked, tuned_on=validation)
    chosen = settings(judged, world.found)
    k, temperature = int(chosen["neighbours"]), chosen["temperature"]
    gaps = {
        (k, t): slow_gap(slow_met(world, tuned, k, t), world.truth[:16]) for k, t in itertools.product(GRID_K, GRID_T)
    }
    assert len({round(gap, 9) for gap in gaps.values()}) > 3, "the grid must matter"
    assert gaps[k, temperature] == pytest.approx(max(gaps.values()), abs=1e-12)
    predictions, truth = slow_met(world, asked, k, temperature), world.truth[16:]
    known = [i for i, classes in enumerate(truth) if classes]
    expected = {
        "GAP": slow_gap(predictions, truth),
        "GAP-": slow_gap([predictions[i] for i in known], [truth[i] for i in known]),
        "ACC": sum(predictions[i][0] in truth[i] for i in known) / len(known),
    }
    assert figures(judged, world.found) == pytest.approx(expected, abs=1e-12)


def test_met_tunes_on_the_validation_part_only() -> None:
    worlds = [World(seed) for seed in (0, 0)]
    worlds[1].truth[16:] = [set() for _ in worlds[1].truth[16:39]] + [{worlds[1].labels[0]}]
    chosen = []
    for world in worlds:
        validation = part(world.labels, world.truth[:16], "met", queries=list(range(16)))
        judged = part(world.labels, world.truth[16:], "met", queries=list(range(16, 40)), tuned_on=validation)
        chosen.append(settings(judged, world.found))
    assert chosen[0] == chosen[1]


def test_met_queries_without_neighbours_are_wrong() -> None:
    judged = part([1, 2], [{1}, {2}, set()], "met")
    found: Found = [([0], [0.5]), ([], []), ([], [])]
    assert figures(judged, found) == {"GAP": 1 / 2, "GAP-": 1 / 2, "ACC": 1 / 2}
    assert depth(judged) == 50


def test_met_with_distractors_alone_has_no_figures() -> None:
    assert all(math.isnan(value) for value in figures(part([1], [set()], "met"), [([0], [0.5])]).values())


# GLDv2
def test_gldv2_by_hand() -> None:
    judged = part([10, 20, 30], [{10}, set(), {99}, {20, 30}, {10}], "gldv2")
    found: Found = [([0, 1], [0.5, 0.4]), ([1], [0.9]), ([2], [0.8]), ([2, 0], [0.7, 0.6]), ([], [])]
    # in order: distractor, wrong, right (0.7), right (0.5); the last has no neighbour; four have a class
    assert figures(judged, found)["GAP"] == pytest.approx((1 / 3 + 2 / 4) / 4, abs=1e-15)
    assert settings(judged, found) == {"neighbours": 1}
    assert depth(judged) == 1


def test_gldv2_ties_go_by_the_order_of_the_queries() -> None:
    found: Found = [([0], [0.5]), ([0], [0.5])]
    assert figures(part([1], [{1}, set()], "gldv2"), found)["GAP"] == 1
    assert figures(part([1], [set(), {1}], "gldv2"), found)["GAP"] == 1 / 2


@pytest.mark.parametrize("seed", range(5))
def test_gldv2_agrees_with_counting(seed: int) -> None:
    world = World(seed)
    predictions = [(world.labels[rows[0]], cosines[0]) for rows, cosines in world.found]
    found = figures(part(world.labels, world.truth, "gldv2"), world.found)["GAP"]
    assert found == pytest.approx(slow_gap(predictions, world.truth), abs=1e-12)
    assert 0 < found < 1


def test_met_is_tuned_on_the_published_grid() -> None:
    """The grid of nikosips/met: few data tell its neighbouring values apart."""
    assert (MET_NEIGHBOURS, MET_TEMPERATURES) == (GRID_K, GRID_T)


def test_every_prediction_needs_its_truth() -> None:
    with pytest.raises(ValueError):
        global_average_precision([Prediction(1, 0.5)], [frozenset({1}), frozenset({2})])
