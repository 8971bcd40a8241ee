"""One child process that decodes for a `DecodePool`, and the watch over the time that its images take."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from dinosearch.images.limits import MAX_PIXELS
from dinosearch.images.workers.messages import Wanted, receive, receive_in_pages, send, unpack_answer
from dinosearch.images.workers.start import start
from dinosearch.records import PreparedImage, Problem

_START_TIMEOUT = 120.0  # seconds for a worker to import Pillow and numpy, generous for a cold disk
_TICK = 0.2  # seconds between two looks at the deadlines
_MAX_ANSWER = 3 * MAX_PIXELS  # bytes; only stops a worker that went mad
_PACE = 256 << 20
"""Bytes of memory that a large image may take a second for, beside its timeout: 6 seconds for 100 megapixels. The
slowest that were measured, WebP and float TIFF, took 5 and 4 in all, on one of four busy cores."""


class Child:
    """A worker process, used by one thread at a time.

    Args:
        watchdog: ends it when an image takes too long.

    Raises:
        OSError, EOFError: it does not start.
    """

    def __init__(self, watchdog: Watchdog) -> None:
        self._process = start()
        assert self._process.stdin is not None and self._process.stdout is not None
        self._to, self._from = self._process.stdin, self._process.stdout
        self._watchdog = watchdog
        self._late = False
        try:
            with self._deadline(_START_TIMEOUT):
                receive(self._from, 0)
        except BaseException:
            self.end()
            raise

    def ask(
        self,
        path: str,
        data: bytes | None,
        size: int,
        wanted: Wanted,
        timeout: float,
        reserve: Callable[[int], None],
    ) -> tuple[PreparedImage | Problem, bool]:
        """Have one image decoded; also answers whether the worker can be used again.

        Time that it waits in `reserve` for the memory of a large image is not counted.

        Args:
            path: of the image.
            data: its content; None to have it read from the path.
            size: of the content in bytes.
            wanted: what is wanted of it.
            timeout: seconds that it may take; for one that asks for memory begun anew, and longer by `_PACE`.
            reserve: gives memory.
        """
        header: dict[str, Any] = {"path": path, "inline": data is not None, "size": size, "timeout": timeout}
        try:
            with self._deadline(timeout):
                send(self._to, header | {"wanted": wanted.to_json()}, data or b"")
                header, body = receive_in_pages(self._from, _MAX_ANSWER)
            if "needs" in header:
                needed = _count(header["needs"])
                reserve(needed)
                timeout += needed / _PACE
                with self._deadline(timeout):
                    send(self._to, {"timeout": timeout})
                    header, body = receive_in_pages(self._from, _MAX_ANSWER)
            return unpack_answer(path, header, body), not self._late
        except (OSError, EOFError, ValueError):
            if self._late:
                return Problem(path, f"decoding took longer than {timeout:.3g} s"), False
            return Problem(path, f"the decoder crashed ({self._cause()})"), False

    def is_alive(self) -> bool:
        return self._process.poll() is None

    def end(self) -> None:
        """Kill the process and collect it; safe from another thread than the one that waits for an answer."""
        self._process.kill()
        self._process.wait()
        # The death is the end of file for a thread that still reads; closing a stream twice is harmless.
        for stream in (self._to, self._from):
            with contextlib.suppress(OSError, RuntimeError, ValueError):
                stream.close()

    def expire(self) -> None:
        """Kill the process because its image takes too long."""
        self._late = True
        self._process.kill()

    @contextlib.contextmanager
    def _deadline(self, seconds: float) -> Iterator[None]:
        self._watchdog.watch(self, time.monotonic() + seconds)
        try:
            yield
        finally:
            self._watchdog.forget(self)

    def _cause(self) -> str:
        try:
            code = self._process.wait(timeout=1)
        except subprocess.TimeoutExpired:
            return "it answered nonsense"
        if code >= 0:
            return f"exit code {code}"
        with contextlib.suppress(ValueError):
            return f"signal {-code}, {signal.Signals(-code).name}"
        return f"signal {-code}"


class Watchdog:
    """One thread that ends the children which take too long; a timer for each image would be a thread for each."""

    def __init__(self) -> None:
        self._deadlines: dict[Child, float] = {}
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    def watch(self, child: Child, deadline: float) -> None:
        """End the child when it is not forgotten by then, a moment of `time.monotonic`."""
        with self._lock:
            self._deadlines[child] = deadline
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="dinosearch-watchdog", daemon=True)
                self._thread.start()

    def forget(self, child: Child) -> None:
        """From the return on, the child is not ended."""
        with self._lock:
            self._deadlines.pop(child, None)

    def close(self) -> None:
        """End the thread."""
        self._closed.set()

    def _run(self) -> None:
        while not self._closed.wait(_TICK):
            # Under the lock, so that it cannot fire after the answer is taken, into the next image.
            with self._lock:
                now = time.monotonic()
                for child in [child for child, deadline in self._deadlines.items() if deadline < now]:
                    del self._deadlines[child]
                    child.expire()


def _count(value: object) -> int:
    """A number of bytes from a message; EOFError for what is none."""
    if not isinstance(value, int) or value < 0:
        raise EOFError("not a message")
    return value
