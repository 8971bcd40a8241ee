"""Products with rows where they lie, for every layout of a block, against NumPy; what is damaged; what lies outside."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from dinosearch.vectors import VectorFile
from dinosearch.vectors.ranking import products, rank
from dinosearch.vectors.rows_in_place import calls_needed, products_in_place
from dinosearch.vectors.threads import one_faiss_thread, one_thread
from tests.vectors.test_local_search import clustered

N = 1100  # more than four blocks, the last of them not full


@pytest.mark.parametrize(
    ("dimension", "calls"),
    [(1, 1), (7, 7), (48, 1), (97, 0), (100, 0), (384, 1), (512, 2), (768, 1), (1024, 4), (1280, 5), (1536, 2)],
)
def test_products_equal_those_of_copied_rows(tmp_path: Path, dimension: int, calls: int) -> None:
    rows = clustered(N, dimension, seed=dimension)
    with VectorFile.create(tmp_path / "vectors", dimension, 1) as file:
        file.append(np.arange(N), rows)
        stack = file.stack(0, 99)
        assert calls_needed(stack) == calls  # worked out by hand from 768 numbers in front of a block; 0 is too many
        slots = np.random.default_rng(0).integers(-1, N, (3, 400))
        slots[:, :2] = 0, N - 1
        expected = np.where(slots < 0, -np.inf, np.einsum("nmd,nd->nm", rows[slots], rows[:3]))
        if calls:
            np.testing.assert_allclose(products_in_place(stack, rows[:3], slots), expected, atol=2e-6)
            with pytest.raises(IndexError, match="slot 1280 "):
                products_in_place(stack, rows[:3], slots + (1280 - slots.max()))
        np.testing.assert_allclose(products(file, rows[:3], slots), expected, atol=2e-6)


@pytest.mark.parametrize("coding", ["float32", "int8"])
def test_a_ranking_of_many_candidates_is_exact(tmp_path: Path, coding: str) -> None:
    rows = clustered(N, 384, seed=1)
    rows[500:540] = rows[7]  # equal scores are told apart by the id, of which later rows have smaller ones
    ids = np.arange(N)[::-1]
    with VectorFile.create(tmp_path / "vectors", 384, 1, coding=coding) as file:
        file.append(ids, rows)
        stored = file.read(np.arange(N)).astype(np.float64)
        queries = np.concatenate([rows[7:8], clustered(6, 384, seed=2)])
        slots = np.stack([np.random.default_rng(3).permutation(N) for _ in queries])
        slots[:, 700:] = -1
        slots[0] = np.arange(N)
        found, scores, equal = rank(file, ids, queries, 10, slots)
        for query, given, answer, values in zip(queries, slots, found, scores, strict=True):
            exact = (stored[given] @ query.astype(np.float64)).astype(np.float32)
            exact[given < 0] = -np.inf
            order = np.lexsort((ids[given], -exact))[:10]
            np.testing.assert_array_equal(answer, given[order])
            np.testing.assert_array_equal(values, exact[order])
        assert not equal.any()
        same = np.tile(np.arange(500, 540), (1, 1))
        assert rank(file, ids, queries[:1], 10, same)[2].all()


def test_damaged_rows_neither_warn_nor_hide_others(tmp_path: Path) -> None:
    rows = clustered(N, 384, seed=4)
    with VectorFile.create(tmp_path / "vectors", 384, 1) as file:
        file.append(np.arange(N), rows)
    data = bytearray((tmp_path / "vectors").read_bytes())
    for row, value in ((3, np.nan), (300, np.inf), (301, 3e38), (302, -np.inf)):
        place = data.index(rows[row].tobytes())
        data[place : place + 8] = np.array([value, -value], np.float32).tobytes()
    (tmp_path / "vectors").write_bytes(data)
    with VectorFile.open(tmp_path / "vectors", N) as file:
        slots = np.tile(np.arange(N), (2, 1))
        found, scores, _ = rank(file, np.arange(N), rows[[10, 20]], 20, slots)
        assert not np.isnan(scores).any()
        assert not np.isin(3, found)
        healthy = np.setdiff1d(np.arange(N), [3, 300, 301, 302])
        for query, answer in zip(rows[[10, 20]], found, strict=True):
            best = healthy[np.argsort(-(rows[healthy] @ query), kind="stable")]
            kept = answer[np.isin(answer, healthy)]
            np.testing.assert_array_equal(kept, best[: len(kept)])
            assert len(kept) >= 17


def test_rows_are_multiplied_while_the_file_grows(tmp_path: Path) -> None:
    rows = clustered(6000, 384, seed=5)
    with VectorFile.create(tmp_path / "vectors", 384, 1) as file:
        file.append(np.arange(256), rows[:256])
        slots, done, problems = np.tile(np.arange(256), (4, 1)), threading.Event(), []
        expected = rows[:4] @ rows[:256].T

        def ask() -> None:
            while not done.is_set():
                if not np.allclose(products(file, rows[:4], slots), expected, atol=2e-6):
                    problems.append("another product")

        threads = [threading.Thread(target=ask) for _ in range(2)]
        for thread in threads:
            thread.start()
        for low in range(256, 6000, 300):
            file.append(np.arange(low, min(6000, low + 300)), rows[low : low + 300])
        done.set()
        for thread in threads:
            thread.join()
    assert problems == []


def test_one_thread_holds_in_every_thread_and_is_given_back() -> None:
    import faiss
    from threadpoolctl import threadpool_info, threadpool_limits  # type: ignore[import-untyped]

    def numbers() -> set[int]:
        # NumPy's own: other packages of a test run bring libraries that no search uses.
        found = [library for library in threadpool_info() if library["user_api"] == "blas"]
        return {library["num_threads"] for library in found if "numpy" in library["filepath"]}

    seen: list[tuple[set[int], int]] = []

    def look() -> None:
        with one_thread(), one_faiss_thread():
            seen.append((numbers(), faiss.omp_get_max_threads()))

    with threadpool_limits(2):
        before = numbers()
        look()  # the first thread to set a limit must not be the only one that can
        other = threading.Thread(target=look)
        other.start()
        other.join()
        assert seen == [({1} if before else set(), 1)] * 2
        assert numbers() == before
