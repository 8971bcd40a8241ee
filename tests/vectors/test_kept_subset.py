"""The rows that a filter leaves are copied and kept while it is asked again; every change of the vectors is seen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dinosearch.vectors import LocalVectorSearch
from tests.vectors.test_local_search import Bench, D, brute, clustered, perturbed

COUNT = 3000


def made_of(folder: Path, rows: np.ndarray) -> Bench:
    made = Bench(folder)
    made.add(np.arange(1, len(rows) + 1), rows)
    made.search.update_index(0.98)
    return made


def ask(search: LocalVectorSearch, queries: np.ndarray, allowed: np.ndarray, k: int = 10) -> None:
    """Ask so often that copies are made, one by one and many at once."""
    for _ in range(10):
        search.search(queries[:1], k, allowed=allowed)
    search.search(queries, k, allowed=allowed)


def check(search: LocalVectorSearch, rows: dict[int, np.ndarray], queries: np.ndarray, allowed: np.ndarray) -> None:
    """Compare with brute force over `rows`, by id, as they are now: at once, once copied, one query and many."""
    alive = np.array([i for i in allowed.tolist() if i in rows], np.int64)
    for k in (1, 10, 500):
        known = min(k, len(alive))
        truth, values = brute(np.stack([rows[i] for i in alive.tolist()]), alive, queries, known)
        for _ in range(2):
            ids, scores = search.search(queries, k, allowed=allowed)
            singles = [search.search(query[None], k, allowed=allowed) for query in queries]
            for found, score in ((ids, scores), *((np.stack([s[n][0] for s in singles]) for n in (0, 1)),)):
                np.testing.assert_allclose(score[:, :known], values, atol=2e-7)
                agree = (np.sort(found[:, :known]) == np.sort(truth)).mean()
                assert agree > 0.999  # float64 is added up in another order
                assert (found[:, known:] == -1).all()
                assert np.isneginf(score[:, known:]).all()
            ask(search, queries, allowed)


@pytest.mark.parametrize("share", [0.003, 0.1, 1.0])
def test_every_change_is_seen(tmp_path: Path, share: float) -> None:
    rows = clustered(COUNT, D, seed=30)
    made = made_of(tmp_path, rows)
    current = {i + 1: row for i, row in enumerate(rows)}
    queries = perturbed(rows, 20, seed=31)
    allowed = np.flatnonzero(np.random.default_rng(32).random(COUNT) < share) + 1
    check(made.search, current, queries, allowed)

    gone = allowed[::3]
    made.search.set_removed(gone)
    check(made.search, {i: row for i, row in current.items() if i not in set(gone.tolist())}, queries, allowed)
    made.search.set_removed(np.empty(0, np.int64))
    check(made.search, current, queries, allowed)

    fresh = clustered(len(allowed[:50]), D, seed=33)
    made.add(allowed[:50], fresh)  # other vectors of the same ids
    current |= dict(zip(allowed[:50].tolist(), fresh, strict=True))
    check(made.search, current, queries, allowed)

    more = clustered(40, D, seed=34)
    ids = np.arange(COUNT + 1, COUNT + 41)
    made.add(ids, more)
    current |= dict(zip(ids.tolist(), more, strict=True))
    check(made.search, current, queries, np.concatenate([allowed, ids]))
    made.search.close()


def test_a_filter_changed_in_place_is_another_one(tmp_path: Path) -> None:
    rows = clustered(COUNT, D, seed=35)
    made = made_of(tmp_path, rows)
    current = {i + 1: row for i, row in enumerate(rows)}
    queries = perturbed(rows, 10, seed=36)
    allowed = np.arange(1, 301)
    check(made.search, current, queries, allowed)
    allowed += 1000
    check(made.search, current, queries, allowed)
    check(made.search, current, queries, allowed[:100])
    made.search.close()


def test_equal_rows_are_told_apart_by_id(tmp_path: Path) -> None:
    rows = clustered(COUNT, D, seed=37)
    rows[100:400] = rows[50]
    made = made_of(tmp_path, rows)
    allowed = np.arange(51, 601)[::-1].copy()
    for _ in range(4):
        ask(made.search, rows[50:60], allowed, 20)
        many, _ = made.search.search(np.tile(rows[50], (9, 1)), 20, allowed=allowed)
        one, _ = made.search.search(rows[50:51], 20, allowed=allowed)
        expected = [51, *range(101, 120)]
        assert one[0].tolist() == expected
        assert all(row == expected for row in many.tolist())
    made.search.close()


def test_queries_that_are_no_numbers_answer_nothing(tmp_path: Path) -> None:
    rows = clustered(COUNT, D, seed=38)
    made = made_of(tmp_path, rows)
    allowed = np.arange(1, 501)
    ask(made.search, rows[:10], allowed)
    for bad in (np.nan, np.inf):
        for count in (1, 9):
            queries = rows[:count].copy()
            queries[0, 0] = bad
            with np.errstate(all="ignore"):
                ids, _ = made.search.search(queries, 10, allowed=allowed)
            assert not np.isfinite(queries[0]).all()
            assert ids[1:, 0].tolist() == list(range(2, count + 1))
    made.search.close()


def test_a_damaged_row_is_overlooked_though_copied(tmp_path: Path) -> None:
    rows = clustered(COUNT, D, seed=39)
    made = made_of(tmp_path, rows)
    generation = made.search.generation
    made.search.close()
    whole = (tmp_path / "vectors").read_bytes()
    place = whole.index(rows[99].tobytes())
    for number, byte, value in ((0, 2, 0x10), (1, 3, 0x7F)):  # a slightly other number, and one that is huge or none
        data = bytearray(whole)
        data[place + byte] ^= value
        (tmp_path / "vectors").write_bytes(data)
        search = LocalVectorSearch(tmp_path / "vectors", lambda g, s: tmp_path / f"index-{g}-{s[:12]}", generation)
        allowed = np.arange(1, 501)
        current = {i + 1: row for i, row in enumerate(rows) if i != 99}
        ask(search, rows[99:120], allowed)
        check(search, current, rows[99:120], allowed)
        assert search.damaged_rows == 1, number
        search.close()
