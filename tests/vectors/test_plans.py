"""Filters that point away from the query, real vectors, and searches while the index grows."""

from __future__ import annotations

import itertools
import threading
from pathlib import Path

import numpy as np
import pytest

import dinosearch.vectors.plans as plans
import dinosearch.vectors.subset as subset
from dinosearch.vectors import VectorIndex
from tests.vectors.test_local_search import RUNGS, Bench, brute, clustered, perturbed, recall


@pytest.mark.parametrize("dimension", [48, 128])
def test_a_filter_may_depend_on_the_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dimension: int) -> None:
    monkeypatch.setattr(plans, "EXACT_SUBSET", 100)
    monkeypatch.setattr(subset, "COPIED_ROWS", 100)
    rows = clustered(8000, dimension, seed=10)
    made = Bench(tmp_path, RUNGS["flat"], dimension=dimension)
    made.add(np.arange(1, 8001), rows)
    made.search.update_index(0.98)
    order = np.argsort(rows @ rows[0])
    queries = perturbed(rows[order[-160:]], 60, seed=3)
    for share, side in itertools.product((0.05, 0.3, 0.6), ("opposite", "same")):
        chosen = order[: int(share * 8000)] if side == "opposite" else order[-int(share * 8000) :]
        allowed = np.sort(chosen) + 1
        found = made.search.search(queries, 10, allowed=allowed)[0]
        assert recall(found, brute(rows[allowed - 1], allowed, queries, 10)[0]) >= 0.98, (share, side)
    made.search.close()


@pytest.mark.parametrize("name", ["one list", "flat", "sq8"])
def test_real_vectors_that_are_not_in_the_collection(tmp_path: Path, shared_data: Path, name: str) -> None:
    folder = shared_data / "descriptors" / "dinov2_vits14_simple1k"
    rows = np.concatenate([np.load(folder / f"feat_dinov2_{part}.npy") for part in ("simple1k", "Paris_val")])
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    rows = rows[np.random.default_rng(0).permutation(len(rows))]
    ids = np.arange(1, 2001)
    made = Bench(tmp_path, RUNGS[name], dimension=384)
    made.add(ids, rows[:2000])
    made.search.update_index(0.98)
    for k in (1, 10, 100):
        truth, values = brute(rows[:2000], ids, rows[2000:], k)
        found, scores = made.search.search(rows[2000:], k)
        assert recall(found, truth) >= 0.97
        np.testing.assert_allclose(scores[found == truth], values[found == truth], atol=1e-6)
        np.testing.assert_array_equal(made.search.search(rows[2000:], k, exact=True)[0], truth)
    made.search.close()


@pytest.mark.parametrize("name", ["flat", "fast"])
def test_searches_go_on_while_the_index_grows(tmp_path: Path, name: str) -> None:
    rows = clustered(8000, 48, seed=1)
    made = Bench(tmp_path, RUNGS[name])
    made.add(np.arange(1, 4001), rows[:4000])
    made.search.update_index(0.98)
    problems: list[str] = []
    done = threading.Event()

    def ask() -> None:
        try:
            while not done.is_set():
                found = made.search.search(rows[:64], 10)[0]
                if (found[:, 0] != np.arange(1, 65)).mean() > (0 if name == "flat" else 0.05):
                    problems.append("a stored vector does not find itself")
                if any(len(set(answer)) < 10 for answer in found.tolist()):
                    problems.append("an image is answered twice")
        except Exception as error:  # a thread's exception would be lost
            problems.append(repr(error))

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for start in range(4000, 8000, 2000):
        made.add(np.arange(start + 1, start + 2001), rows[start : start + 2000])
        made.search.update_index(0.98)
    done.set()
    for thread in threads:
        thread.join()
    made.search.close()
    assert problems == []


def test_a_filter_that_is_asked_again_is_answered_alike(tmp_path: Path) -> None:
    """Where its rows lie, out of a copy once that pays, one query at a time and many at once."""
    rows = clustered(8000, 384, seed=4)
    made = Bench(tmp_path, RUNGS["flat"], dimension=384)
    made.add(np.arange(1, 8001), rows)
    made.search.update_index(0.98)
    queries = perturbed(rows, 40, seed=5)
    for count in (5, 300, 3000):
        allowed = np.sort(np.random.default_rng(6).choice(8000, count, replace=False)) + 1
        known = min(10, count)
        truth, values = brute(rows[allowed - 1], allowed, queries, known)
        for asked in (slice(0, 1), slice(0, 40), slice(0, 5), slice(0, 1)):
            found, scores = made.search.search(queries[asked], 10, allowed=allowed)
            np.testing.assert_array_equal(found[:, :known], truth[asked])
            np.testing.assert_allclose(scores[:, :known], values[asked], atol=1e-6)
            assert (found[:, known:] == -1).all()
    made.search.close()


def test_many_queries_at_once_ask_an_index_that_is_not_exact(tmp_path: Path) -> None:
    """Also where it has one list only: it is measured, and a batch is to be what single queries are."""
    rows = clustered(60, 48, seed=5)
    made = Bench(tmp_path, RUNGS["sq8"])
    made.add(np.arange(1, 61), rows)
    made.search.update_index(0.98)
    asked: list[int] = []
    with pytest.MonkeyPatch.context() as patched:
        real = VectorIndex.candidates
        patched.setattr(VectorIndex, "candidates", lambda *given, **named: (asked.append(1), real(*given, **named))[1])
        made.search.search(rows[:20], 5)
    assert asked
    made.search.close()


def test_many_queries_at_once_are_answered_as_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By products in place of the one list, to the last digit and with the same order of equals."""
    rows = clustered(3000, 96, seed=5)
    rows[100:140] = rows[7]  # equal ones
    made = Bench(tmp_path, RUNGS["one list"], dimension=96)
    made.add(np.arange(1, 2901), rows[:2900])
    made.search.update_index(0.98)
    made.add(np.arange(2901, 3001), rows[2900:])  # behind the index
    made.search.set_removed(np.arange(500, 700))
    queries = np.concatenate([rows[:20], perturbed(rows, 40, seed=6)])
    single = [made.search.search(query[None], 12) for query in queries]
    monkeypatch.setattr(VectorIndex, "candidates", None)  # not asked
    ids, scores = made.search.search(queries, 12)
    np.testing.assert_array_equal(ids, np.concatenate([found for found, _ in single]))
    np.testing.assert_array_equal(scores, np.concatenate([values for _, values in single]))
    made.search.close()
