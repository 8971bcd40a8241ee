"""Threads for what blocks, and a bounded number of requests that may be in the server for them.

Who is one too many is refused at once, before his body is read, with the time after which a place should be free. A
request takes its place when its body is there: who sends a byte a second keeps nobody out. Until then the bodies count
by their bytes, so that memory stays flat however many clients come.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dinosearch.server.guards.request import refuse
from dinosearch.server.wire.problems import overloaded
from dinosearch.timing import Watch, watched

T = TypeVar("T")

_LONGEST = 60
"""Seconds that a client is told to wait at most."""
_WEIGHT = 0.1
"""Of the newest service time in the mean."""

_admitted: ContextVar[bool] = ContextVar("dinosearch_admitted", default=False)


class Work:
    """Runs functions in threads; refuses what would be one too many.

    Args:
        running: functions that run at once.
        waiting: requests that may wait for those.
        timeout: seconds that a request waits for its function; one that has not begun by then never does.
        watch: told the seconds of each stage of a function (`dinosearch.timing.STAGES`), and of `queue`, its wait.
        changed: told how many requests are in the server and how many functions run, when that changes.
    """

    def __init__(
        self,
        running: int,
        waiting: int,
        timeout: float,
        watch: Watch | None = None,
        changed: Callable[[int, int], None] | None = None,
    ) -> None:
        self._pool = ThreadPoolExecutor(running, thread_name_prefix="dinosearch-serve")
        self._threads, self._room, self._timeout = running, running + waiting, timeout
        self._watch, self._changed = watch, changed
        self._inside = self._running = self._late = 0
        self._seconds = 0.0
        self._left: float | None = None
        self._lock = threading.Lock()

    @property
    def inside(self) -> int:
        """Requests in the server, and functions whose requests have given up."""
        return self._inside + self._late

    @property
    def full(self) -> bool:
        """Whether there is no place for another."""
        return self.inside >= self._room

    @property
    def running(self) -> int:
        """Functions that run."""
        return self._running

    @contextmanager
    def admission(self) -> Iterator[None]:
        """Count a request while the block runs; `run` inside it counts no second time.

        Raises:
            Refused: 503, there are too many.
        """
        if _admitted.get():
            yield
            return
        with self._lock:
            if self._inside + self._late >= self._room:
                raise overloaded(seconds=self.retry_after())
            self._inside += 1
        token = _admitted.set(True)
        self._tell()
        try:
            yield
        finally:
            _admitted.reset(token)
            with self._lock:
                self._inside -= 1
            self._tell()

    async def run(self, call: Callable[[], T]) -> T:
        """What the call returns.

        Raises:
            Refused: 503, there are too many, or it took too long.
        """
        with self.admission():
            future = self._pool.submit(self._run, call, time.perf_counter())
            try:
                return await asyncio.wait_for(asyncio.wrap_future(future), self._timeout)
            except asyncio.TimeoutError:
                raise overloaded("the question took too long", self.retry_after()) from None
            finally:
                # Cancelled, it never begins; one that runs cannot be stopped, and keeps its place until it ends.
                if not future.cancel() and not future.done():
                    self._count_late(future)

    @property
    def idle(self) -> float:
        """Seconds for which nobody has been in the server; 0 before the first was."""
        left = self._left
        return 0.0 if left is None or self.inside else time.monotonic() - left

    def retry_after(self) -> int:
        """Seconds until those who are inside should be answered, by the time that the last ones took."""
        return max(1, min(_LONGEST, math.ceil((self.inside + 1) * self._seconds / self._threads)))

    def close(self) -> None:
        """Wait for what runs."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _run(self, call: Callable[[], T], asked: float) -> T:
        began = time.perf_counter()
        spent = defaultdict[str, float](float, queue=began - asked)

        def note(stage: str, seconds: float) -> None:
            spent[stage] += seconds  # a stage may come several times

        with self._lock:
            self._running += 1
        self._tell()
        try:
            with watched(note):
                return call()
        finally:
            seconds = time.perf_counter() - began
            with self._lock:
                self._running -= 1
                self._left = time.monotonic()
                self._seconds += (seconds - self._seconds) * (_WEIGHT if self._seconds else 1.0)
            self._tell()
            if self._watch is not None:
                for stage, took in spent.items():
                    self._watch(stage, took)

    def _count_late(self, future: Future[T]) -> None:
        def ended(_: Future[T]) -> None:
            with self._lock:
                self._late -= 1
            self._tell()

        with self._lock:
            self._late += 1
        future.add_done_callback(ended)

    def _tell(self) -> None:
        if self._changed is not None:
            self._changed(self._inside + self._late, self._running)


class Admission:
    """Refuses requests before their bodies are read while there is no place for them; as plain ASGI.

    Args:
        app: what is behind.
        work: has the places.
        most: bytes of all bodies that are in the server at once.
    """

    def __init__(self, app: ASGIApp, work: Work, most: int = 512 << 20) -> None:
        self._app, self._work, self._most, self._held = app, work, most, 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] not in ("POST", "PUT"):
            await self._app(scope, receive, send)
            return
        if self._work.full:
            await refuse(overloaded(seconds=self._work.retry_after()), scope, receive, send)
            return
        mine = 0

        async def counted() -> Message:
            nonlocal mine
            message = await receive()
            size = len(message.get("body", b""))
            mine += size
            self._held += size
            if self._held > self._most:
                raise overloaded(seconds=self._work.retry_after())
            return message

        try:
            await self._app(scope, counted, send)
        finally:
            self._held -= mine
