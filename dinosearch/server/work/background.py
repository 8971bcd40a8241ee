"""Long computations over a collection: made once for each state of its images, one after the other.

Clients ask again until they are done. What people say of images makes nothing anew: it is laid over the result.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from dinosearch.protocols import Progress
from dinosearch.records.stages import stage_of
from dinosearch.server.wire.problems import overloaded

KEPT = 8
"""Results in memory."""
WAITING = 4
"""Computations that may stand in line."""

Compute = Callable[[Progress], Any]


class _StoppedError(Exception):
    """The server ends."""


class Moment(NamedTuple):
    """A moment of a collection.

    Attributes:
        state: rises with every commit.
        images: rises with those that may have changed images, files or vectors.
    """

    state: int
    images: int


class UnderWay(NamedTuple):
    """How far a computation is.

    Attributes:
        doing: in words.
        share: how much of that is done, 0..1; None while nobody knows.
    """

    doing: str
    share: float | None


_WAITS, _BEGINS = UnderWay("waiting until another computation is done", None), UnderWay("beginning", None)


@dataclass
class _Made:
    """One result or its making.

    Attributes:
        moment: of the collection when it was begun.
        future: the result.
        under_way: how far it is.
    """

    moment: Moment
    future: Future[Any] = field(default_factory=Future)
    under_way: UnderWay | None = None


@dataclass(frozen=True)
class Answered:
    """A result with the last moment for which it is right."""

    moment: Moment
    result: Any


class Background:
    """Computes in a thread of its own."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="dinosearch-background")
        self._made: OrderedDict[Hashable, _Made] = OrderedDict()
        self._last: OrderedDict[Hashable, Answered] = OrderedDict()
        self._lock = threading.Lock()
        self._stopped = threading.Event()

    def ask(self, key: Hashable, now: Moment, compute: Compute) -> Answered | UnderWay:
        """The result for the images of now; else that of earlier ones, else how far it is.

        A result of earlier images is better than none while the collection grows: it says which moment it is of.

        Args:
            key: what is computed.
            now: the collection's.
            compute: makes it; told where to report its progress.

        Raises:
            Refused: 503, too many computations wait.
        """
        with self._lock:
            made = self._made.get(key)
            if made is not None and made.future.done():
                self._take(key, made)
                made = None
            last = self._last.get(key)
            is_right = last is not None and last.moment.images == now.images
            if made is None and not is_right:
                made = self._begin(key, now, compute)
            if last is not None:
                self._last.move_to_end(key)
                if is_right:
                    last = self._last[key] = replace(last, moment=now)
                return last
            assert made is not None
            return made.under_way or (_BEGINS if made.future.running() else _WAITS)

    def close(self) -> None:
        """Stop what runs at its next report."""
        self._stopped.set()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _take(self, key: Hashable, made: _Made) -> None:
        del self._made[key]
        self._last[key] = Answered(made.moment, made.future.result())  # which raises what the making raised
        while len(self._last) > KEPT:
            self._last.popitem(last=False)

    def _begin(self, key: Hashable, now: Moment, compute: Compute) -> _Made:
        if sum(not made.future.done() for made in self._made.values()) >= WAITING:
            raise overloaded("too much is being computed; try again", 10)
        for other, made in [(other, made) for other, made in self._made.items() if made.future.done()]:
            # Nobody has come back for it yet, who may have gone to another view meanwhile: it is kept all the same.
            if made.future.cancelled() or made.future.exception() is not None:
                del self._made[other]
            else:
                self._take(other, made)
        made = self._made[key] = _Made(now)

        def progress(stage: str, done: int, total: int | None) -> None:
            if self._stopped.is_set():
                raise _StoppedError
            made.under_way = UnderWay(stage_of(stage).doing, done / total if total else None)

        made.future = self._pool.submit(compute, progress)
        return made
