"""Decode many images in child processes, so that one that crashes its decoder costs itself only; it does not embed.

Decoders are C code fed with other people's files: a crash in one must not end the run, and must name the file. The
children are plain programs that speak over pipes: `multiprocessing` would run the caller's main module again.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType

from dinosearch.images.answer import answer
from dinosearch.images.messages import receive, send, unpack_answer
from dinosearch.records import FoundFile, PreparedImage, Preprocessing, Problem

_logger = logging.getLogger(__name__)

_MAX_WORKERS = 8
_AHEAD_BYTES = 256 << 20  # of encoded images handed over as bytes; the pixels of an answer are small
_START_TIMEOUT = 120.0  # seconds for a worker to import Pillow and numpy, generous for a cold disk
_PACKAGE_PARENT = Path(__file__).resolve().parents[2]


class DecodePool:
    """A context manager that turns found files into prepared images, in order, with bounded look-ahead.

    Workers are started when they are first needed and end with the pool, or with this process however it dies. With
    `DINOSEARCH_DECODE=inline`, or where no child process can be started, threads of this process decode instead,
    without the protection from crashes.
    """

    def __init__(
        self,
        preprocessing: Preprocessing,
        patch: int = 14,
        workers: int | None = None,
        timeout: float = 60.0,
    ) -> None:
        """Prepare a pool; nothing is started yet.

        Args:
            preprocessing: what the prepared images shall look like.
            patch: sides that `fit` pads become multiples of this.
            workers: child processes; None takes one for each core, at most 8.
            timeout: seconds that one image may take.

        Raises:
            ValueError: workers below 1, or a timeout that is not positive.
        """
        if workers is not None and workers < 1:
            raise ValueError(f"workers is at least 1, not {workers}")
        if not timeout > 0:
            raise ValueError(f"timeout is a positive number of seconds, not {timeout}")
        self._preprocessing, self._patch, self._timeout = preprocessing, patch, timeout
        self._workers = workers or min(_cores(), _MAX_WORKERS)
        self._inline = os.environ.get("DINOSEARCH_DECODE") == "inline"
        self._idle: queue.LifoQueue[_Worker] = queue.LifoQueue()
        self._started: set[_Worker] = set()
        self._lock = threading.Lock()
        self._closed = False
        self._threads: ThreadPoolExecutor | None = None

    def __enter__(self) -> DecodePool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the workers, also in the middle of an image; closing again does nothing."""
        with self._lock:
            self._closed = True
            started, self._started = self._started, set()
        for worker in started:
            worker.end()
        if self._threads is not None:
            self._threads.shutdown(wait=True, cancel_futures=True)

    def prepare_all(
        self, files: Iterable[FoundFile | tuple[FoundFile, bytes]]
    ) -> Iterator[tuple[FoundFile, PreparedImage | Problem]]:
        """Decode and resize files.

        Args:
            files: found files, or pairs of one and its content (tar members); taken only a little ahead.

        Yields:
            Each file with its prepared image, or with the problem that it has, in the order of `files`.

        Raises:
            ValueError: the pool is closed.
        """
        if self._closed:
            raise ValueError("the decode pool is closed")
        if self._threads is None:
            self._threads = ThreadPoolExecutor(self._workers, thread_name_prefix="dinosearch-decode")
        pending: deque[tuple[FoundFile, int, Future[PreparedImage | Problem]]] = deque()
        held = 0
        try:
            for item in files:
                file, data = item if isinstance(item, tuple) else (item, None)
                size = len(data) if data is not None else 0
                pending.append((file, size, self._threads.submit(self._prepare, file.path, data)))
                held += size
                while len(pending) > 4 * self._workers + 8 or (held > _AHEAD_BYTES and pending):
                    file, size, future = pending.popleft()
                    held -= size
                    yield file, future.result()
            while pending:
                file, _, future = pending.popleft()
                yield file, future.result()
        finally:
            for _, _, future in pending:
                future.cancel()

    def _prepare(self, path: str, data: bytes | None) -> PreparedImage | Problem:
        worker = None if self._inline else self._take_worker()
        if worker is None:
            return answer(path, data, self._preprocessing, self._patch)
        result, alive = worker.ask(path, data, self._timeout)
        if alive:
            self._idle.put(worker)
        else:
            self._drop(worker)
        return result

    def _drop(self, worker: _Worker) -> None:
        worker.end()
        with self._lock:
            self._started.discard(worker)

    def _take_worker(self) -> _Worker | None:
        """An idle worker or a new one; None where none can be started (a host program without a Python to run)."""
        with contextlib.suppress(queue.Empty):
            while True:
                worker = self._idle.get_nowait()
                if worker.is_alive():
                    return worker
                self._drop(worker)  # killed from outside while it waited; the next image is not to blame
        try:
            worker = _Worker(self._preprocessing, self._patch, self._timeout)
        except (OSError, EOFError) as error:
            if not self._closed:
                _logger.warning("decoding in this process, as no worker process starts: %s", error)
            self._inline = True
            return None
        with self._lock:
            self._started.add(worker)
            closed = self._closed
        if closed:
            worker.end()
        return worker


class _Worker:
    """One child process, used by one thread at a time."""

    def __init__(self, preprocessing: Preprocessing, patch: int, timeout: float) -> None:
        if not sys.executable:
            raise OSError("the path of the Python program is unknown")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "dinosearch.images.worker", str(preprocessing), str(patch), str(timeout)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            # -m looks for modules in the working folder first: let that be where this package lies, not the user's.
            cwd=_PACKAGE_PARENT,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
        )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._to, self._from = self._process.stdin, self._process.stdout
        self._late = False
        try:
            with self._deadline(_START_TIMEOUT):
                receive(self._from, 0)
        except BaseException:
            self.end()
            raise

    def ask(self, path: str, data: bytes | None, timeout: float) -> tuple[PreparedImage | Problem, bool]:
        """Have one image prepared; also answers whether the worker can be used again."""
        try:
            with self._deadline(timeout):
                send(self._to, {"path": path, "inline": data is not None}, data or b"")
                # The reply is a few pixels: far below this bound, which only stops a worker that went mad.
                header, body = receive(self._from, 1 << 30)
                result = unpack_answer(path, header, body)
            return result, not self._late
        except (OSError, EOFError, ValueError):
            if self._late:
                return Problem(path, f"decoding took longer than {timeout:g} s"), False
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

    @contextlib.contextmanager
    def _deadline(self, seconds: float) -> Iterator[None]:
        timer = threading.Timer(seconds, self._expire)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()  # so that it cannot fire after the answer is taken, into the next image

    def _expire(self) -> None:
        self._late = True
        self._process.kill()

    def _cause(self) -> str:
        try:
            code = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            return "it answered nonsense"
        if code >= 0:
            return f"exit code {code}"
        with contextlib.suppress(ValueError):
            return f"signal {-code}, {signal.Signals(-code).name}"
        return f"signal {-code}"


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
