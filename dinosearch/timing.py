"""Where the time of an answer goes: the stages of a query report their seconds to whoever watches the thread."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar

Watch = Callable[[str, float], None]
"""Receives the name of a stage (one of `STAGES`) and the seconds it took; a stage may come several times."""

STAGES = ("decode", "embed", "search", "re-rank", "store")
"""Read and prepare images, wait for the model and its pass, find the nearest, reorder them, look up their files."""

Around = Callable[[str], AbstractContextManager[None]]
"""Gives, by the name of a stage, what it is to run inside of; not counted as the stage's time."""

_around: ContextVar[Around | None] = ContextVar("dinosearch_around", default=None)
_watching: ContextVar[Watch | None] = ContextVar("dinosearch_watch", default=None)


@contextmanager
def watched(watch: Watch, around: Around | None = None) -> Iterator[None]:
    """Report the stages of what this thread asks meanwhile; threads that it starts are not watched.

    Who watches already is told too; of several `around` the innermost counts.
    """
    before = _watching.get()

    def both(name: str, seconds: float) -> None:
        watch(name, seconds)
        if before is not None:
            before(name, seconds)

    token, outer = _watching.set(both), _around.set(around or _around.get())
    try:
        yield
    finally:
        _watching.reset(token)
        _around.reset(outer)


@contextmanager
def stage(name: str) -> Iterator[None]:
    """Count the time of what stands inside as that stage's, less what is inside counted as another's."""
    watch = _watching.get()
    if watch is None:
        yield
        return
    inner, around = 0.0, _around.get()

    def also(other: str, seconds: float) -> None:
        nonlocal inner
        inner += seconds
        watch(other, seconds)

    with nullcontext() if around is None else around(name):
        begin, token = time.perf_counter(), _watching.set(also)
        try:
            yield
        finally:
            _watching.reset(token)
            watch(name, time.perf_counter() - begin - inner)
