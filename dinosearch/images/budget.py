"""Share an amount of memory among images that are decoded at the same time; it measures and frees none itself."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class MemoryBudget:
    """So many bytes for all that hold some; one that asks for more than there is waits until it is alone.

    Args:
        total: bytes.
    """

    def __init__(self, total: int) -> None:
        self._total, self._held, self._running = total, 0, 0
        self._closed = False
        self._changed = threading.Condition()

    @contextmanager
    def lease(self) -> Iterator[Callable[[int], None]]:
        """Gives a function that takes bytes, waiting for them, as often as is needed; all go back at the end.

        The function raises OSError when the budget is closed.
        """
        mine = 0

        def take(count: int) -> None:
            nonlocal mine
            with self._changed:
                # Who waits does not run: when all that hold some wait for more, the first of them goes on, or none
                # ever would.
                self._running -= mine > 0
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._closed or self._running == 0 or self._held + count <= self._total)
                self._held, mine = self._held + count, mine + count
                self._running += mine > 0
                if self._closed:
                    raise OSError("the decode pool is closed")

        try:
            yield take
        finally:
            with self._changed:
                self._held -= mine
                self._running -= mine > 0
                self._changed.notify_all()

    def close(self) -> None:
        """Let nobody wait any longer."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
