"""The index of large collections against brute force: the recall that was asked for, filters, churn, shapes."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from dinosearch.records import IndexInfo
from dinosearch.vectors import LocalVectorSearch, VectorFile
from dinosearch.vectors.tuning import candidates_for, nprobe_for
from tests.vectors.test_local_search import RUNGS, Bench, brute, clustered, perturbed, recall

N, D = 52_000, 32  # just enough for the upper rung


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    """The stored rows, and 600 more of the same kind that no index has seen."""
    return clustered(N + 600, D, seed=1, spread=1.0)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory, rows: np.ndarray) -> Iterator[Bench]:
    made = Bench(tmp_path_factory.mktemp("large"), dimension=D)
    made.add(np.arange(1, N + 1), rows[:N])
    made.search.update_index(0.98)
    yield made
    made.search.close()


def answer_share(search: LocalVectorSearch, rows: np.ndarray, queries: np.ndarray, allowed: np.ndarray) -> float:
    """Recall@10 against brute force over the allowed ids, of which id i is row i - 1."""
    found = search.search(queries, 10, allowed=allowed)[0]
    assert np.isin(found, allowed).all()
    return recall(found, brute(rows[allowed - 1], allowed, queries, 10)[0])


@pytest.mark.parametrize("kind", ["random", "near", "far", "clusters"])
@pytest.mark.parametrize("share", [0.5, 0.05, 0.005, 0.0005])
def test_a_filter_costs_no_recall(large: Bench, rows: np.ndarray, kind: str, share: float) -> None:
    queries, wanted = perturbed(rows[:N], 30, seed=3), max(10, round(share * N))
    rng = np.random.default_rng(4)
    if kind == "random":
        chosen = rng.choice(N, wanted, replace=False)
    elif kind == "clusters":  # whole ones, on one side of nowhere in particular, and queries from everywhere
        chosen = np.argsort(rows[:N] @ clustered(1, D, seed=5)[0])[:wanted]
    else:
        queries = queries[:1] + 0.02 * rng.standard_normal((30, D)).astype(np.float32)
        queries /= np.linalg.norm(queries, axis=1, keepdims=True)
        order = np.argsort(rows[:N] @ queries[0])
        chosen = order[-wanted:] if kind == "near" else order[:wanted]
    assert answer_share(large.search, rows, queries, np.sort(chosen) + 1) >= 0.97


@pytest.mark.parametrize("target", [0.9, 0.98, 0.999])
def test_unseen_queries_get_the_recall_that_was_asked_for(large: Bench, rows: np.ndarray, target: float) -> None:
    large.search.update_index(target)  # only measured anew
    assert large.search.generation.index is not None
    assert large.search.generation.index.trained_on == N
    for queries, tolerance in ((rows[N:], 0.02), (perturbed(rows[:N], 600, seed=6, amount=0.02), 0.03)):
        found = large.search.search(queries, 10)[0]
        truth = brute(rows[:N], np.arange(1, N + 1), queries, 10)[0]
        assert recall(found, truth) == pytest.approx(target, abs=tolerance)


def test_new_rows_behind_a_large_index_are_found_at_once(large: Bench, rows: np.ndarray) -> None:
    fresh = clustered(3000, D, seed=7)
    for low in (0, 500, 1500):  # few are searched one by one, many are added in memory
        high = {0: 500, 500: 1500, 1500: 3000}[low]
        large.add(np.arange(N + low + 1, N + high + 1), fresh[low:high])
        found, scores = large.search.search(fresh[:high:7], 1)
        assert (found[:, 0] == np.arange(N + 1, N + high + 1, 7)).mean() >= 0.97
        np.testing.assert_allclose(scores[found[:, 0] > N], 1, atol=1e-6)
    assert large.search.update_index(0.999) is not None  # 5 % more rows, which the lists still suit
    assert large.search.generation.index is not None
    assert (large.search.generation.index.rows, large.search.generation.index.trained_on) == (N + 3000, N)


def test_exchanged_rows_keep_the_recall_and_train_anew(tmp_path: Path) -> None:
    rows = np.concatenate([clustered(8000, D, seed=8), clustered(1200, D, seed=9)])  # the new ones are of another kind
    made = Bench(tmp_path, RUNGS["fast"], dimension=D)
    made.add(np.arange(1, 8001), rows[:8000])
    made.search.update_index(0.98)
    gone = np.random.default_rng(0).choice(8000, 1200, replace=False) + 1
    made.search.set_removed(gone)
    made.add(np.arange(8001, 9201), rows[8000:])
    alive = np.setdiff1d(np.arange(1, 9201), gone)
    queries = perturbed(rows[alive - 1], 300, seed=2)
    truth = brute(rows[alive - 1], alive, queries, 10)[0]
    assert recall(made.search.search(queries, 10)[0], truth) >= 0.9
    published = made.search.update_index(0.98)
    assert published is not None
    assert (published.index.trained_on, published.index.trained_live) == (9200, 8000)
    assert recall(made.search.search(queries, 10)[0], truth) >= 0.97
    assert made.search.update_index(0.98) is None
    made.search.set_removed(np.concatenate([gone, alive[:5000]]))
    halved = made.search.update_index(0.98)
    assert halved is not None
    assert halved.index.trained_live == 3000
    made.search.close()


@pytest.mark.parametrize(
    ("dimension", "coding"), [(1, "float32"), (2, "int8"), (7, "float32"), (33, "int8"), (97, "float32"), (128, "int8")]
)
def test_any_dimension_and_coding(tmp_path: Path, dimension: int, coding: str) -> None:
    made = Bench(tmp_path, RUNGS["fast"], dimension=dimension)
    made.search.close()
    VectorFile.create(tmp_path / "vectors", dimension, 1, coding=coding).close()
    made.search = LocalVectorSearch(
        tmp_path / "vectors", lambda g, s: tmp_path / f"index-{g}-{s[:12]}", made.search.generation, RUNGS["fast"]
    )
    made.add(np.arange(1, 1501), clustered(1500, dimension, seed=dimension))
    stored = made.search.vectors(np.arange(1, 1501))
    published = made.search.update_index(0.98)
    assert published is not None
    queries = perturbed(stored, 50, seed=1)
    truth, values = brute(stored, np.arange(1, 1501), queries, 10)
    _, scores = made.search.search(queries, 10)
    assert (scores >= values[:, -1:] - 1e-6).mean() >= 0.95  # by scores: in few dimensions many are equal
    np.testing.assert_array_equal(made.search.search(queries, 10, exact=True)[0], truth)
    made.search.close()


def test_where_all_is_asked_for_all_is_found(tmp_path: Path) -> None:
    rows, ids = clustered(3000, 24, seed=5), np.arange(1, 3001)
    made = Bench(tmp_path, RUNGS["flat"], dimension=24)
    made.add(ids, rows)
    published = made.search.update_index(1.0)
    assert published is not None and published.index.recall == {10: 1.0, 100: 1.0}
    queries = perturbed(rows, 50, seed=6)
    np.testing.assert_array_equal(made.search.search(queries, 100)[0], brute(rows, ids, queries, 100)[0])
    made.search.close()


def test_other_numbers_of_hits_are_searched_like_the_next_larger_one_that_was_measured() -> None:
    lists, candidates = {100: 30, 10: 8}, {10: 40, 100: 150}
    wanted = (1, 10, 11, 100, 101, 250)
    assert [nprobe_for(lists, k, 1000) for k in wanted] == [8, 8, 30, 30, 31, 75]  # beyond, in proportion
    assert nprobe_for(lists, 250, 40) == 40
    assert [candidates_for(candidates, k, 4) for k in wanted] == [40, 40, 150, 150, 152, 375]
    assert candidates_for(candidates, 145, 4) == 218 and candidates_for({100: 100}, 100, 4) > 100
    assert candidates_for({}, 10, 4) > 40


def test_what_an_older_version_noted_is_read() -> None:
    info = IndexInfo("IVF1265,SQ8", 100_000, 90_000, 1265, {10: 8, 100: 20}, 0.98, {10: 0.985, 100: 0.983}, 512)
    old = json.loads(json.dumps(info.to_dict()))
    del old["candidates"], old["trained_live"]
    assert IndexInfo.from_dict(old) == info
    new = dataclasses.replace(info, candidates={10: 40, 100: 200}, trained_live=80_000)
    assert IndexInfo.from_dict(json.loads(json.dumps(new.to_dict()))) == new
    with pytest.raises(KeyError):
        IndexInfo.from_dict({name: value for name, value in old.items() if name != "nprobe"})
