"""Who may use how many threads, so that the pools of Faiss, NumPy and the model never work against each other.

Each of them keeps threads that spin for some tens of milliseconds after a product; when work alternates they share the
cores with whoever comes next: on 4 cores a query whose stage multiplies 400 vectors took 115 ms instead of 21 (`mini`,
scripts/bench_rerank.py). So a search uses no threads but those of one pool of its own: one query runs in the thread
that asks, many are split over the pool, and inside Faiss and NumPy have one thread each. Only training and adding to an
index, which take seconds, use the threads of Faiss.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import lru_cache
from typing import Any, TypeVar

from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

from dinosearch.capacity import cores

T = TypeVar("T")
_lock = threading.Lock()
_inside = 0
_limit: list[tuple[Any, int]] = []
_worker = threading.local()
_forked = False


def thread_count() -> int:
    """Threads a search may use: the cores that this process may run on, or `OMP_NUM_THREADS` where that is less."""
    asked, most = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0], cores()
    return min(most, int(asked)) if asked.isdigit() and int(asked) else most


def split(count: int, least: int, most: int) -> list[slice]:
    """Parts of 0..count for `in_parallel`: one for each thread, of at least `least`, and of at most `most`."""
    if count < 2 * least and count <= most:
        return [slice(0, count)]  # without asking for the threads, which takes a while
    parts = max(min(thread_count(), count // max(1, least)), -(-count // most), 1)
    return [slice(count * part // parts, count * (part + 1) // parts) for part in range(parts)]


def in_parallel(work: Callable[[slice], T], parts: list[slice]) -> list[T]:
    """What `work` makes of each part, in their order; a single part, or one inside another's work, runs at once."""
    if len(parts) == 1 or getattr(_worker, "busy", False) or thread_count() == 1:
        return [work(part) for part in parts]
    return list(_pool(thread_count(), os.getpid()).map(work, parts))


@contextmanager
def one_faiss_thread() -> Iterator[None]:
    """Faiss uses the calling thread alone inside; the setting of OpenMP belongs to the calling thread."""
    import faiss

    before = faiss.omp_get_max_threads()
    if before == 1:
        yield
        return
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


def faiss_threads() -> AbstractContextManager[None]:
    """What training an index and adding to it run in: the threads of Faiss, but in a fork the calling thread alone.

    OpenMP would wait for ever for threads that the fork did not take along.
    """
    return one_faiss_thread() if _forked else nullcontext()


@contextmanager
def one_thread() -> Iterator[None]:
    """NumPy multiplies on one thread inside; the number of before is back when the last of several threads is out."""
    global _inside, _limit
    shared, own = _libraries()
    before = [(library, library.num_threads) for library in own]
    _limited([(library, 1) for library in own])
    with _lock:
        if _inside == 0:
            # The limit is the process's own, not a thread's, so that the first takes it and the last gives it back.
            # The libraries are told directly: threadpoolctl's own context takes longer than a search of few rows.
            _limit = [(library, library.num_threads) for library in shared]
            _limited([(library, 1) for library in shared])
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0:
                _limited(_limit)
        _limited(before)


def _limited(limits: list[tuple[Any, int]]) -> None:
    """Tell libraries their numbers of threads."""
    for library, threads in limits:
        # Newer versions of threadpoolctl let only the first thread that ever set a limit set others, and say nothing.
        if release := getattr(library, "clear_controlling_thread", None):
            release(force=True)
        library.set_num_threads(threads)
        if release:
            release(force=True)


@lru_cache(maxsize=1)
def _libraries() -> tuple[list[Any], list[Any]]:
    """Libraries whose limit is the process's, and those with OpenMP, whose limit is the calling thread's."""
    found = ThreadpoolController().select(user_api="blas").lib_controllers  # looks through all that is loaded: kept
    own = [library for library in found if getattr(library, "threading_layer", "") == "openmp"]
    return [library for library in found if library not in own], own


@lru_cache(maxsize=4)
def _pool(threads: int, process: int) -> ThreadPoolExecutor:
    """The pool, by its size; a forked process gets one of its own, as threads do not survive the fork."""
    return ThreadPoolExecutor(threads, "dinosearch-search", initializer=_begin)


def _begin() -> None:
    _worker.busy = True


def _after_fork() -> None:
    global _forked, _lock
    _forked, _lock = True, threading.Lock()  # another thread may have held it, which is not here


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
