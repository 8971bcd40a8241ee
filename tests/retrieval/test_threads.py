"""How many threads NumPy multiplies on, inside of the limit and after it, by threads that overlap."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from dinosearch.retrieval.threads import one_thread


def threads() -> list[int]:
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]


def test_one_inside_and_as_before_afterwards() -> None:
    before = threads()
    if not before:
        pytest.skip("NumPy uses no library whose threads can be limited here")
    with pytest.raises(ZeroDivisionError), one_thread():
        assert set(threads()) == {1}
        with one_thread():
            assert set(threads()) == {1}
        assert set(threads()) == {1}
        raise ZeroDivisionError
    assert threads() == before


def test_threads_that_overlap_leave_it_as_it_was() -> None:
    before = threads()
    start, matrix = threading.Barrier(8), np.ones((50, 50))

    def work() -> None:
        start.wait()
        for _ in range(200):
            with one_thread():
                matrix @ matrix

    workers = [threading.Thread(target=work) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert threads() == before
