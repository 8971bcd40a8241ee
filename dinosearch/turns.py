"""Things that threads use one at a time, handed out in the order in which they were asked for.

A lock or a queue of Python's is free for a moment when it is given back, and whoever runs then takes it: mostly the
thread that gave it back and asks again. Three of 16 clients of a server waited like that until all others were gone.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

T = TypeVar("T")


class _Waiting(Generic[T]):
    def __init__(self) -> None:
        self.lock, self.given = self.begin(), list[T]()

    @staticmethod
    def begin() -> threading.Lock:
        """A lock that opens when there is something."""
        lock = threading.Lock()
        lock.acquire()
        return lock


class Turns(Generic[T]):
    """First come first served.

    Args:
        things: as many threads have a turn at once as there are of these.
    """

    def __init__(self, things: Iterable[T]) -> None:
        self._guard = threading.Lock()
        self._free = list(things)  # none while somebody waits
        self._waiting: deque[_Waiting[T]] = deque()

    @contextmanager
    def taken(self) -> Iterator[T]:
        """Inside, this thread has one of the things; it must not take another."""
        thing = self._take()
        try:
            yield thing
        finally:
            self._pass_on(thing)

    def _take(self) -> T:
        with self._guard:
            if self._free:
                return self._free.pop()  # the last one used, which the processor's caches know
            mine = _Waiting[T]()
            self._waiting.append(mine)
        try:
            mine.lock.acquire()  # until it is passed on
        except BaseException:  # interrupted by the user
            with self._guard:
                if not mine.given:
                    self._waiting.remove(mine)
            for thing in mine.given:
                self._pass_on(thing)
            raise
        return mine.given[0]

    def _pass_on(self, thing: T) -> None:
        with self._guard:
            if not self._waiting:
                self._free.append(thing)
                return
            next_ = self._waiting.popleft()
            next_.given.append(thing)
            next_.lock.release()
