"""Where the time of an answer goes: the stages of a query report their seconds to whoever watches the thread."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Watch = Callable[[str, float], None]
"""Receives the name of a stage (one of `STAGES`) and the seconds it took; a stage may come several times."""

STAGES = ("decode", "embed", "search", "re-rank", "store")
"""Read and prepare images, wait for the model and its pass, find the nearest, reorder them, look up their files."""

_watching: ContextVar[Watch | None] = ContextVar("dinosearch_watch", default=None)


@contextmanager
def watched(watch: Watch) -> Iterator[None]:
    """Report the stages of what this thread asks meanwhile; threads that it starts are not watched.

    Who watches already is told too.
    """
    before = _watching.get()

    def both(name: str, seconds: float) -> None:
        watch(name, seconds)
        if before is not None:
            before(name, seconds)

    token = _watching.set(both)
    try:
        yield
    finally:
        _watching.reset(token)


@contextmanager
def stage(name: str) -> Iterator[None]:
    """Count the time of what stands inside as that stage's, less what is inside counted as another's."""
    watch = _watching.get()
    if watch is None:
        yield
        return
    inner = 0.0

    def also(other: str, seconds: float) -> None:
        nonlocal inner
        inner += seconds
        watch(other, seconds)

    begin, token = time.perf_counter(), _watching.set(also)
    try:
        yield
    finally:
        _watching.reset(token)
        watch(name, time.perf_counter() - begin - inner)
