"""Do work on a stream of items in threads, ahead of the one who takes the results, in order and with bounded memory."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Ahead(Generic[T, R]):
    """One pass over a stream; iterate over it once for pairs of item and result.

    One more thread draws the items, so that a slow source (an archive, a network disk) holds up neither the one who
    takes the results nor the work on items already drawn.

    Args:
        items: what is to be done.
        work: does one item; an error it raises reaches the one who takes the results, at its place.
        weigh: bytes held by an item and its result; where that is None, by the item and what is expected to come of it.
        threads: that work at the same time.
        most: items drawn and not yet taken.
        most_bytes: as `weigh` says; passed by one item at most.
    """

    def __init__(
        self,
        items: Iterable[T],
        work: Callable[[T], R],
        weigh: Callable[[T, R | None], int],
        *,
        threads: int,
        most: int,
        most_bytes: int,
    ) -> None:
        self._items, self._work, self._weigh = iter(items), work, weigh
        self._count, self._most, self._most_bytes = threads, most, most_bytes
        self._lock = threading.Lock()
        self._room, self._drawn_one, self._ready = (threading.Condition(self._lock) for _ in range(3))
        self._threads: list[threading.Thread] = []
        self._waiting: deque[tuple[int, T, int]] = deque()
        self._done: dict[int, tuple[T, R, int] | BaseException] = {}
        self._drawn = self._taken = self._held = 0
        self._exhausted = self._stopped = False

    def __iter__(self) -> Iterator[tuple[T, R]]:
        """Start the threads and give what they do, in the order of the items."""
        for target in [self._draw] + [self._run] * self._count:
            self._threads.append(threading.Thread(target=target, name="dinosearch-decode", daemon=True))
            self._threads[-1].start()
        try:
            while (done := self._take()) is not None:
                if isinstance(done, BaseException):
                    raise done
                yield done[:2]
        finally:
            self.stop()

    def stop(self) -> None:
        """Draw nothing more; what is being worked on is finished, and forgotten."""
        with self._lock:
            self._stopped = True
            self._waiting.clear()
            self._wake_all()

    def join(self) -> None:
        """Wait for the threads to end."""
        for thread in self._threads:
            thread.join()

    def _take(self) -> tuple[T, R, int] | BaseException | None:
        with self._lock:
            while self._taken not in self._done:
                if self._exhausted and self._taken == self._drawn:
                    return None
                if self._stopped:
                    raise ValueError("the decode pool is closed")
                self._ready.wait()
            done = self._done.pop(self._taken)
            self._taken += 1
            self._held -= 0 if isinstance(done, BaseException) else done[2]
            self._room.notify()
            return done

    def _draw(self) -> None:
        while True:
            with self._lock:
                self._room.wait_for(lambda: self._stopped or self._has_room())
                if self._stopped:
                    return
            try:
                item = next(self._items)
                weight = self._weigh(item, None)
            except BaseException as error:
                with self._lock:
                    self._exhausted = True
                    if not isinstance(error, StopIteration):
                        self._drawn += 1
                        self._put(self._drawn - 1, error)
                    self._wake_all()
                return
            with self._lock:
                self._waiting.append((self._drawn, item, weight))
                self._drawn += 1
                self._held += weight
                self._drawn_one.notify()
            del item

    def _run(self) -> None:
        while True:
            with self._lock:
                self._drawn_one.wait_for(lambda: self._waiting or self._exhausted or self._stopped)
                if not self._waiting:
                    return
                number, item, weight = self._waiting.popleft()
            done: tuple[T, R, int] | BaseException
            try:
                result = self._work(item)
                done = (item, result, self._weigh(item, result))
                del result
            except BaseException as error:
                done = error
            with self._lock:
                self._held += (0 if isinstance(done, BaseException) else done[2]) - weight
                self._put(number, done)
                self._room.notify()  # pixels may be smaller than what they were decoded from
            del item, done  # no picture is held while this thread waits

    def _has_room(self) -> bool:
        waiting = self._drawn - self._taken
        return waiting == 0 or (waiting < self._most and self._held < self._most_bytes)

    def _wake_all(self) -> None:
        for condition in (self._room, self._drawn_one, self._ready):
            condition.notify_all()

    def _put(self, number: int, done: tuple[T, R, int] | BaseException) -> None:
        self._done[number] = done
        if number == self._taken:
            self._ready.notify()
