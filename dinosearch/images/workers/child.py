"""One child process that decodes for a `DecodePool`; what it takes of time is `watchdog`'s business."""

from __future__ import annotations

import contextlib
import signal
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

from dinosearch.images.limits import MAX_PIXELS
from dinosearch.images.workers.messages import Wanted, receive, receive_in_pages, send, unpack_answer
from dinosearch.images.workers.start import start
from dinosearch.images.workers.watchdog import Watchdog
from dinosearch.records import PreparedImage, Problem

_START_TIMEOUT = 120.0  # seconds for a worker to import Pillow and numpy, generous for a cold disk
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
        self._late: float | None = None
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
            timeout: seconds of work that it may take, see `Watchdog`; for one that asks for memory begun anew, and
                longer by `_PACE`.
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
            return unpack_answer(path, header, body), self._late is None
        except (OSError, EOFError, ValueError):
            if self._late is not None:
                return Problem(path, f"decoding took longer than {self._late:.3g} s"), False
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

    @property
    def pid(self) -> int:
        return self._process.pid

    def expire(self, seconds: float) -> None:
        """Kill the process because its image takes longer than that."""
        self._late = seconds
        self._process.kill()

    @contextlib.contextmanager
    def _deadline(self, seconds: float) -> Iterator[None]:
        self._watchdog.watch(self, seconds)
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


def _count(value: object) -> int:
    """A number of bytes from a message; EOFError for what is none."""
    if not isinstance(value, int) or value < 0:
        raise EOFError("not a message")
    return value
