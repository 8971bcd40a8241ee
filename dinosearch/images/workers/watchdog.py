"""The watch over the time that images take to decode: one thread for all children; it knows no images."""

from __future__ import annotations

import sys
import threading
import time
from dataclasses import dataclass
from typing import Protocol

_TICK = 0.2
"""Seconds between two looks at the children, and what a look adds: where more have passed this process itself stood
still, as after Ctrl-Z, or was kept from its core."""
_PATIENCE = 6
"""Times its limit that a child may take if it is kept waiting: by a disk that spins up, by a busy machine."""
_KEPT_WAITING = frozenset("RD")
"""States in which what a process has computed counts: runnable, but perhaps without a core, and waiting for a disk. One
that sleeps or was stopped has nobody to blame for it: its time counts in full."""


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
        computed: its processor time at the last look; None where the system does not tell.
        worked: seconds that count.
        passed: seconds since the beginning.
    """

    seconds: float
    computed: float | None
    worked: float = 0.0
    passed: float = 0.0

    def look(self, pid: int) -> float | None:
        """Count what was done since the last look; the limit that it went beyond, if it did."""
        before, self.computed = self.computed, processor_seconds(pid)
        known = before is not None and self.computed is not None and _state(pid) in _KEPT_WAITING
        self.worked += (self.computed or 0) - (before or 0) if known else _TICK
        self.passed += _TICK
        if self.worked > self.seconds:
            return self.seconds
        patience = _PATIENCE * self.seconds
        return patience if self.passed > patience else None


class Watchdog:
    """One thread that ends the children which take too long; a timer for each image would be a thread for each.

    What counts is work: a good image must not be given up because the machine was busy or asleep. So a child that is
    kept waiting is ended when it has computed for so long, or when six times as long have passed.
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
        while not self._closed.wait(_TICK):
            # Under the lock, so that it cannot fire after the answer is taken, into the next image.
            with self._lock:
                for child, watch in list(self._watches.items()):
                    limit = watch.look(child.pid)
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


def _state(pid: int) -> str:
    """The letter of its state in proc(5); empty where the system does not tell."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b") ")[2][:1].decode("ascii")
    except OSError:
        return ""
