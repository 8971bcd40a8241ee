"""Local search against NumPy brute force: every rung, every size, tails, filters, removals, superseded rows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from dinosearch.errors import DamagedHomeError
from dinosearch.records import Fingerprint, Generation
from dinosearch.vectors import LADDER, LocalVectorSearch, Rung, VectorFile

D = 48
FINGERPRINT = Fingerprint("test", "0" * 64, "squash-224", "cls", D)
EXACT = Rung(0, "Flat", 1)
RUNGS = {
    "one list": LADDER,
    "flat": (EXACT, Rung(None, "Flat", 1)),
    "sq8": (EXACT, Rung(None, "SQ8", 4)),
    "pq": (EXACT, Rung(None, "PQ{quarter}", 16)),
    "fast": (EXACT, LADDER[-1]),
}


def clustered(n: int, d: int, seed: int, spread: float = 0.5) -> np.ndarray:
    """Unit rows around sqrt(n) centres, with a falling spectrum as embeddings have."""
    rng = np.random.default_rng(seed)
    spectrum = 1 / np.sqrt(np.arange(1, d + 1))
    centres = rng.standard_normal((max(1, int(n**0.5)), d)) * spectrum
    rows = centres[rng.integers(0, len(centres), n)] + spread * rng.standard_normal((n, d)) * spectrum
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def perturbed(rows: np.ndarray, n: int, seed: int, amount: float = 0.03) -> np.ndarray:
    rng = np.random.default_rng(seed)
    queries = rows[rng.integers(0, len(rows), n)] + amount * rng.standard_normal((n, rows.shape[1]))
    return (queries / np.linalg.norm(queries, axis=1, keepdims=True)).astype(np.float32)


def brute(rows: np.ndarray, ids: np.ndarray, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    # In float64: a float32 product of 384 numbers is itself wrong by more than 1e-6, which swaps near neighbours.
    scores = (queries.astype(np.float64) @ rows.T.astype(np.float64)).astype(np.float32)
    order = np.array([_best(ids, row, k) for row in scores])
    return ids[order], np.take_along_axis(scores, order, axis=1)


def _best(ids: np.ndarray, row: np.ndarray, k: int) -> np.ndarray:
    may = np.flatnonzero(row >= np.partition(row, -min(k, len(row)))[-min(k, len(row))])  # sorting all takes seconds
    return may[np.lexsort((ids[may], -row[may]))][:k]


def recall(found: np.ndarray, truth: np.ndarray) -> float:
    return float(np.mean([len(set(a) & set(b)) / len(b) for a, b in zip(found.tolist(), truth.tolist(), strict=True)]))


class Bench:
    """A search over given rows, with the steps that the collection takes."""

    def __init__(self, folder: Path, ladder: tuple[Rung, ...] = LADDER, dimension: int = D) -> None:
        VectorFile.create(folder / "vectors", dimension, 1).close()
        self.search = LocalVectorSearch(
            folder / "vectors", lambda g, s: folder / f"index-{g}-{s[:12]}", Generation(1, FINGERPRINT, 0), ladder
        )

    def add(self, ids: np.ndarray, rows: np.ndarray) -> None:
        from dataclasses import replace

        self.search.refresh(replace(self.search.generation, rows=self.search.upsert(ids, rows)))


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.search.close()


@pytest.mark.parametrize("n", [0, 1, 2, 77, 78, 1000])
def test_small_collections_are_exact(bench: Bench, n: int) -> None:
    rows = clustered(n, D, seed=n) if n else np.empty((0, D), np.float32)
    queries = clustered(5, D, seed=1)
    if n:
        bench.add(np.arange(1, n + 1), rows)
    for step in ("tail only", "indexed"):
        if step == "indexed":
            bench.search.update_index(0.98)
        for exact in (True, False):
            ids, scores = bench.search.search(queries, 10, exact=exact)
            known = min(10, n)
            assert (ids[:, known:] == -1).all()
            assert np.isneginf(scores[:, known:]).all()
            if n:
                truth, values = brute(rows, np.arange(1, n + 1), queries, 10)
                np.testing.assert_array_equal(ids[:, :known], truth)
                np.testing.assert_allclose(scores[:, :known], values, atol=1e-6)


@pytest.mark.parametrize("name", RUNGS)
def test_every_rung_reaches_its_recall_with_exact_scores(tmp_path: Path, name: str) -> None:
    rows = clustered(4000, D, seed=2)
    made = Bench(tmp_path, RUNGS[name])
    made.add(np.arange(1, 4001), rows)
    published = made.search.update_index(0.98)
    assert published is not None
    assert (published.index.nlist == 1) == (name == "one list")
    queries = perturbed(rows, 200, seed=3)
    for k in (1, 10, 100):
        truth, values = brute(rows, np.arange(1, 4001), queries, k)
        ids, scores = made.search.search(queries, k)
        assert recall(ids, truth) >= 0.97, (name, k, published.index)
        hit = ids == truth
        np.testing.assert_allclose(scores[hit], values[hit], atol=1e-6)
        np.testing.assert_array_equal(made.search.search(queries, k, exact=True)[0], truth)
    made.search.close()


@pytest.mark.slow
@pytest.mark.parametrize("spread", [0.5, 3.0])
def test_hundred_thousand_vectors(tmp_path: Path, spread: float) -> None:
    rows = clustered(100_000, 384, seed=4, spread=spread)
    made = Bench(tmp_path, dimension=384)
    made.add(np.arange(1, 100_001), rows)
    published = made.search.update_index(0.98)
    assert published is not None
    assert published.index.nlist > 500
    assert published.index.recall[10] >= 0.98
    queries = perturbed(rows, 300, seed=5)
    truth, values = brute(rows, np.arange(1, 100_001), queries, 10)
    assert recall(made.search.search(queries, 10)[0], truth) >= 0.97
    ids, scores = made.search.search(queries, 10, exact=True)
    np.testing.assert_array_equal(ids, truth)
    np.testing.assert_allclose(scores, values, atol=1e-6)
    made.search.close()


def test_new_rows_are_found_at_once_and_added_in_place(tmp_path: Path) -> None:
    rows = clustered(3000, D, seed=6)
    made = Bench(tmp_path, RUNGS["flat"])
    made.add(np.arange(1, 2001), rows[:2000])
    first = made.search.update_index(0.98)
    made.add(np.arange(2001, 3001), rows[2000:])
    queries = rows[2500:2550]
    assert (made.search.search(queries, 1)[0][:, 0] == np.arange(2501, 2551)).all()
    second = made.search.update_index(0.98)
    assert first is not None
    assert second is not None
    assert (second.index.rows, second.index.trained_on) == (3000, 2000)  # added, not trained anew
    assert (made.search.search(queries, 1)[0][:, 0] == np.arange(2501, 2551)).all()
    made.add(np.arange(3001, 5001), clustered(2000, D, seed=7))
    third = made.search.update_index(0.98)
    assert third is not None
    assert third.index.trained_on == 5000  # more than doubled
    assert made.search.update_index(0.98) is None
    made.search.close()


@pytest.mark.parametrize("name", ["one list", "flat", "sq8", "fast"])
def test_removed_and_superseded_rows_never_answer(tmp_path: Path, name: str) -> None:
    rows = clustered(3000, D, seed=8)
    made = Bench(tmp_path, RUNGS[name])
    made.add(np.arange(1, 3001), rows)
    made.search.update_index(0.98)
    fresh = clustered(100, D, seed=9)
    made.add(np.arange(1, 101), fresh)  # the same ids again
    removed = np.arange(500, 1500)
    made.search.set_removed(removed)
    now = np.concatenate([fresh, rows[100:]])
    alive = np.setdiff1d(np.arange(1, 3001), removed)
    queries = np.concatenate([rows[490:520], rows[:20], fresh[:20]])
    truth, values = brute(now[alive - 1], alive, queries, 10)
    for exact in (True, False):
        ids, scores = made.search.search(queries, 10, exact=exact)
        assert not np.isin(ids, removed).any()
        assert recall(ids, truth) >= (1.0 if exact else 0.97)
        np.testing.assert_allclose(scores[ids == truth], values[ids == truth], atol=1e-6)
    np.testing.assert_array_equal(made.search.vectors(np.array([5, 2000])), np.stack([fresh[4], rows[1999]]))
    made.search.close()


@pytest.mark.parametrize("name", RUNGS)
def test_rows_that_come_back_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    import dinosearch.vectors.plans as plans
    import dinosearch.vectors.subset as subset

    monkeypatch.setattr(plans, "EXACT_SUBSET", 100)
    monkeypatch.setattr(subset, "COPIED_ROWS", 100)
    rows = clustered(4000, D, seed=15)
    made = Bench(tmp_path, RUNGS[name])
    made.add(np.arange(1, 4001), rows)
    made.search.set_removed(np.arange(1, 1801))
    first = made.search.update_index(0.98)  # made without them
    assert first is not None
    assert first.index.held == 2200
    queries = perturbed(rows, 60, seed=16)

    def check(search: LocalVectorSearch, alive: np.ndarray, least: float = 0.97) -> None:
        for among in (alive, alive[alive % 3 > 0]):
            truth, values = brute(rows[among - 1], among, queries, 10)
            allowed = None if among is alive else among
            ids, scores = search.search(queries, 10, allowed=allowed)
            assert recall(ids, truth) >= least
            np.testing.assert_allclose(scores[ids == truth], values[ids == truth], atol=1e-6)
            assert all(len(set(row)) == 10 for row in ids.tolist())

    for removed in (range(1, 901), range(1, 0), range(1700, 1751), range(1, 0)):  # few come back, then all, ...
        made.search.set_removed(np.array(removed, np.int64))
        # Lists and candidates were chosen for half the rows.
        check(made.search, np.setdiff1d(np.arange(1, 4001), np.array(removed)), least=0.9)
    second = made.search.update_index(0.98)
    assert second is not None
    assert second.index.held == 4000
    made.search.close()
    again = LocalVectorSearch(
        tmp_path / "vectors", lambda g, s: tmp_path / f"index-{g}-{s[:12]}", made.search.generation, RUNGS[name]
    )
    check(again, np.arange(1, 4001))
    again.close()


def test_filters_equal_brute_force_over_the_subset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import dinosearch.vectors.plans as plans
    import dinosearch.vectors.subset as subset

    monkeypatch.setattr(plans, "EXACT_SUBSET", 100)  # so that a small test meets both plans
    monkeypatch.setattr(subset, "COPIED_ROWS", 100)
    rows = clustered(8000, D, seed=10)
    made = Bench(tmp_path, RUNGS["flat"])
    made.add(np.arange(1, 7001), rows[:7000])
    made.search.update_index(0.98)
    made.add(np.arange(7001, 8001), rows[7000:])
    queries = perturbed(rows, 60, seed=12)
    shares = [np.flatnonzero(np.random.default_rng(11).random(8000) < s) + 1 for s in (0.0, 0.001, 0.02, 0.3, 0.9, 1.0)]
    for allowed in (*shares, np.arange(7001, 8001)):  # the last are all behind the index
        known = min(10, len(allowed))
        for exact in (True, False):
            ids, scores = made.search.search(queries, 10, allowed=allowed, exact=exact)
            assert np.isin(ids[ids >= 0], allowed).all()
            assert ((ids >= 0).sum(axis=1) == known).all()
            if known:
                truth, values = brute(rows[allowed - 1], allowed, queries, known)
                assert recall(ids[:, :known], truth) >= (1.0 if exact else 0.97)
                if exact:
                    np.testing.assert_allclose(scores[:, :known], values, atol=1e-6)
    made.search.close()


def test_a_damaged_row_is_overlooked(tmp_path: Path) -> None:
    rows = clustered(600, D, seed=13)
    made = Bench(tmp_path)
    made.add(np.arange(1, 601), rows)
    made.search.update_index(0.98)
    generation = made.search.generation
    made.search.close()
    data = bytearray((tmp_path / "vectors").read_bytes())
    data[data.index(rows[99].tobytes()) + 2] ^= 0x10
    (tmp_path / "vectors").write_bytes(data)
    again = LocalVectorSearch(tmp_path / "vectors", lambda g, s: tmp_path / f"index-{g}-{s[:12]}", generation)
    ids, _ = again.search(rows[99:100], 600)
    assert 100 not in ids[0].tolist()
    assert (ids[0] >= 0).sum() == 599
    assert again.check() == {100}
    again.close()


def test_what_a_search_has_looked_at_is_not_looked_at_again(tmp_path: Path) -> None:
    rows = clustered(600, D, seed=13)
    made = Bench(tmp_path)
    made.add(np.arange(1, 601), rows)
    made.search.search(rows[99:100], 10)  # finds id 100
    place = (tmp_path / "vectors").read_bytes().index(rows[99].tobytes()) + 2
    for at in (place, (tmp_path / "vectors").read_bytes().index(rows[499].tobytes()) + 2):
        with open(tmp_path / "vectors", "r+b") as file:
            file.seek(at)
            byte = file.read(1)[0]
            file.seek(at)
            file.write(bytes([byte ^ 0x10]))
    assert made.search.found(np.array([100, 1])).shape == (2, D)
    for read, image_id in ((made.search.vectors, 100), (made.search.vectors, 500), (made.search.found, 500)):
        with pytest.raises(DamagedHomeError, match=f"id:{image_id} does not match"):
            read(np.array([1, image_id]))
    with pytest.raises(KeyError, match="601"):
        made.search.found(np.array([1, 601]))
    assert made.search.check() == {100, 500}
    with pytest.raises(KeyError, match="100"):  # overlooked from now on
        made.search.found(np.array([100]))
    made.search.close()


def test_the_same_rows_give_the_same_index(tmp_path: Path) -> None:
    rows = clustered(1500, D, seed=14)
    digests = []
    for name in "ab":
        (tmp_path / name).mkdir()
        made = Bench(tmp_path / name, RUNGS["sq8"])
        made.add(np.arange(1, 1501), rows)
        published = made.search.update_index(0.98)
        assert published is not None
        digests.append(published.sha256)
        made.search.close()
    assert digests[0] == digests[1]
