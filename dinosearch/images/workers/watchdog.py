"""The watch over the time that images take to decode: one thread for all children; it knows no images."""

from __future__ import annotations

import sys
import threading
import time
from dataclasses import dataclass
from typing import Protocol

_TICK = 0.2  # seconds between two looks at the children
_LONGEST = 2 * _TICK
"""Most that a look adds: between two that are farther apart this process itself stood still, as after Ctrl-Z."""
_PATIENCE = 6
"""Times its limit that a child may take if it waits: for a disk that spins up, a slow share, a busy machine."""


class Watched(Protocol):
    """What is watched: a child process."""

    @property
    def pid(self) -> int: ...

    def expire(self, seconds: float) -> None:
        """End it because it took longer than that."""


@dataclass
class _Watch:
    """How long a child may work, and how long it did.

    Attributes:
        seconds: the limit.
        begun: its processor time at the beginning; None where the system does not tell.
        passed: seconds since then.
    """

    seconds: float
    begun: float | None
    passed: float = 0.0

    def exceeded(self, child: Watched) -> float | None:
        """The limit that it went beyond, if it did."""
        if self.passed <= self.seconds:
            return None
        used = processor_seconds(child.pid) if self.begun is not None else None
        if used is None or self.begun is None or used - self.begun > self.seconds:
            return self.seconds
        patience = _PATIENCE * self.seconds
        return patience if self.passed > patience else None


class Watchdog:
    """One thread that ends the children which take too long; a timer for each image would be a thread for each.

    What counts is work: a good image must not be given up because the machine was busy or asleep. So a child is ended
    when its time has passed and it was computing for that long, or when six times as long have passed, whatever it did.
    """

    def __init__(self) -> None:
        self._watches: dict[Watched, _Watch] = {}
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    def watch(self, child: Watched, seconds: float) -> None:
        """End the child when it is not forgotten before it has worked for so long."""
        with self._lock:
            self._watches[child] = _Watch(seconds, processor_seconds(child.pid))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="dinosearch-watchdog", daemon=True)
                self._thread.start()

    def forget(self, child: Watched) -> None:
        """From the return on, the child is not ended."""
        with self._lock:
            self._watches.pop(child, None)

    def close(self) -> None:
        """End the thread."""
        self._closed.set()

    def _run(self) -> None:
        last = time.monotonic()
        while not self._closed.wait(_TICK):
            now = time.monotonic()
            gone, last = min(now - last, _LONGEST), now
            # Under the lock, so that it cannot fire after the answer is taken, into the next image.
            with self._lock:
                for child, watch in list(self._watches.items()):
                    watch.passed += gone
                    limit = watch.exceeded(child)
                    if limit is not None:
                        del self._watches[child]
                        child.expire(limit)


def processor_seconds(pid: int) -> float | None:
    """Seconds that all threads of a process have computed; None where the system does not tell, or there is none."""
    if sys.platform != "linux":
        return None
    try:
        return time.clock_gettime(~pid << 3 | 2)  # what clock_getcpuclockid(3) gives there
    except OSError:
        return None
