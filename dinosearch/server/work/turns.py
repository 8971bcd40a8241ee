"""Turns for what computes in Python: few questions at a time do, as many threads only hand its one lock to and fro.

SQLite gives that lock back at every row and NumPy at every product; with eight threads that all want it, questions by
id took almost twice the processor time that they take one after the other (`scripts/bench_serve.py --parts ids`). Who
waits for what computes elsewhere, such as the forward pass, lends his turn to another meanwhile.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Turns:
    """So many threads at once; for many threads.

    Args:
        count: threads that have a turn at once, at least 1.
    """

    def __init__(self, count: int) -> None:
        self._free = threading.Semaphore(count)
        self._mine = threading.local()

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Inside, this thread has a turn."""
        with self._free:
            self._mine.held = True
            try:
                yield
            finally:
                self._mine.held = False

    @contextmanager
    def lent(self) -> Iterator[None]:
        """Inside, the turn of this thread is another's; nothing where it has none."""
        if not getattr(self._mine, "held", False):
            yield
            return
        self._mine.held = False
        self._free.release()
        try:
            yield
        finally:
            self._free.acquire()
            self._mine.held = True
