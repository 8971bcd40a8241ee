"""Searches that are split over threads, which a test run with a worker for every core would never do by itself."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import get_ident

import numpy as np
import pytest

from dinosearch.vectors import threads
from tests.vectors.test_local_search import Bench, brute, clustered, perturbed

N, K = 13_000, 10  # three parts of brute force


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    bench = Bench(tmp_path_factory.mktemp("threads"), dimension=16)
    bench.add(np.arange(1, N + 1), clustered(N, 16, seed=50))
    bench.search.update_index(0.9)
    yield bench
    bench.search.close()


@pytest.mark.parametrize("queries", [1, 40])
@pytest.mark.parametrize("share", [None, 0.7])
def test_answers_are_those_of_one_thread_and_of_numpy(
    made: Bench, monkeypatch: pytest.MonkeyPatch, queries: int, share: float | None
) -> None:
    rows = clustered(N, 16, seed=50)
    asked = perturbed(rows, queries, seed=51)
    among = np.arange(1, N + 1) if share is None else np.flatnonzero(np.random.default_rng(52).random(N) < share) + 1
    allowed = None if share is None else among
    used = {1}
    split = threads.split

    def counted(count: int, least: int, most: int) -> list[slice]:
        parts = split(count, least, most)
        assert [i for part in parts for i in range(count)[part]] == list(range(count))
        used.add(len(parts))
        return parts

    for module in ("exact", "plans", "at_hand"):
        monkeypatch.setattr(f"dinosearch.vectors.{module}.split", counted)
    for name in ("_MULTIPLIED", "_SETTLED"):  # what is worth a thread
        monkeypatch.setattr(f"dinosearch.vectors.at_hand.{name}", 1 << 12)
    found = {}
    pool, pools = threads._pool, set()

    def counted_pool(size: int, process: int) -> ThreadPoolExecutor:
        pools.add(size)
        return pool(size, process)

    monkeypatch.setattr(threads, "_pool", counted_pool)
    for number in (1, 3):
        monkeypatch.setattr(threads, "thread_count", lambda number=number: number)
        for exact in (True, False):
            found[number, exact] = made.search.search(asked, K, allowed=allowed, exact=exact)
        assert (max(used) > 1) == (number > 1)
        assert pools == ({number} if number > 1 else set())
    truth, values = brute(rows[among - 1], among, asked, K)
    np.testing.assert_array_equal(found[3, True][0], truth)
    np.testing.assert_allclose(found[3, True][1], values, atol=1e-6)
    for exact in (True, False):
        for one, three in zip(found[1, exact], found[3, exact], strict=True):
            np.testing.assert_array_equal(three, one)


def test_work_inside_of_work_stays_in_its_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where all threads have work that waits for threads, it would never end."""
    monkeypatch.setattr(threads, "thread_count", lambda: 3)
    parts = [slice(0, 1), slice(1, 2)]

    def ran(part: slice) -> list[int]:
        return [get_ident(), *threads.in_parallel(lambda inner: get_ident(), parts)]

    found = threads.in_parallel(ran, parts)
    assert all(len(set(those)) == 1 for those in found)
    assert get_ident() not in {those[0] for those in found}
