"""Turns for what computes in Python: one question at a time does, in the order in which they came.

SQLite gives Python's one lock back at every row and NumPy at every product. Threads that all want it hand it to and
fro: four of them ranked less than half of what one did (`scripts/bench_engines.py --part threads`). What computes
elsewhere, such as the forward pass and the pictures that are compared, takes no turn, nor do many vectors at once.
"""

from __future__ import annotations

import os
import sys
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager


class Turns:
    """One thread at a time, first come first served: a lock of the system would let one thread overtake the others."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._waiting: deque[threading.Lock] = deque()
        self._taken = False

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Inside, this thread has the turn; it must not take another."""
        self._take()
        try:
            yield
        finally:
            self._pass_on()

    def _take(self) -> None:
        with self._guard:
            if not self._taken:
                self._taken = True
                return
            mine = threading.Lock()
            mine.acquire()
            self._waiting.append(mine)
        try:
            mine.acquire()  # until it is passed on
        except BaseException:  # interrupted by the user
            with self._guard:
                was_waiting = mine in self._waiting
                if was_waiting:
                    self._waiting.remove(mine)
            if not was_waiting:
                self._pass_on()
            raise

    def _pass_on(self) -> None:
        with self._guard:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._taken = False


_turns = Turns()
IS_NEEDED: bool = getattr(sys, "_is_gil_enabled", lambda: True)()
"""Whether threads share one lock; Python can be built without it."""


def turn() -> Turns:
    """The turns of this process, which all its collections share as they share Python's lock."""
    return _turns


def _in_a_fork() -> None:
    global _turns
    _turns = Turns()  # the thread whose turn it was is not here


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_a_fork)
