"""Decode many images in child processes, so that one that crashes its decoder costs itself only; it does not embed.

Decoders are C code fed with other people's files: a crash in one must not end the run, and must name the file. The
children are plain programs that speak over pipes: `multiprocessing` would run the caller's main module again.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import threading
from collections.abc import Iterable, Iterator
from types import TracebackType

from dinosearch.capacity import available_memory, cores
from dinosearch.images.ahead import Ahead
from dinosearch.images.budget import MemoryBudget
from dinosearch.images.limits import RESERVED
from dinosearch.images.workers.child import Child
from dinosearch.images.workers.messages import Wanted
from dinosearch.images.workers.watchdog import Watchdog
from dinosearch.records import FoundFile, PreparedImage, Preprocessing, Problem

_logger = logging.getLogger(__name__)

_MAX_WORKERS = 8
_SHARE = 0.5
"""Of the memory that is free when a pool is made: the model and the rest of the machine need some too."""
_WORKER_BYTES = 40 << 20
"""Resident memory of a worker's own beside what an image takes; half as much again is shared between workers."""
_AHEAD, _AHEAD_BYTES = 128, 64 << 20
"""Images decoded ahead of the one who takes them, and bytes of pixels and of content handed over: some batches, so that
model and decoders seldom wait for each other."""

_PACE = 8 << 20
"""Bytes of a file that may take a second to be read, beside the time to decode it: a slow disk in a network."""

Item = FoundFile | tuple[FoundFile, bytes]


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
        timeout: float = 8.0,
        taken: int = 1,
    ) -> None:
        """Prepare a pool; nothing is started yet.

        Args:
            preprocessing: what the prepared images shall look like.
            patch: sides that `fit` pads become multiples of this.
            workers: child processes; None takes one for each core, at most 8 and fewer where memory is short, and no
                such limit where a GPU takes more images at once than are otherwise decoded ahead.
            timeout: seconds of work that one image may take, see `Watchdog`, and longer where it is large: see `_PACE`
                here and in `child`.
            taken: images that are taken at once; at least so many are decoded while those before are used.

        Raises:
            ValueError: workers below 1, or a timeout that is not positive.
        """
        if workers is not None and workers < 1:
            raise ValueError(f"workers is at least 1, not {workers}")
        if not timeout > 0:
            raise ValueError(f"timeout is a positive number of seconds, not {timeout}")
        self._wanted, self._timeout = Wanted(str(preprocessing), patch), timeout
        self._pixel_bytes = 3 * preprocessing.size**2
        self._ahead = max(_AHEAD, taken)
        memory = int(_SHARE * available_memory())
        each = _WORKER_BYTES + RESERVED
        most = _MAX_WORKERS if taken <= _AHEAD else cores()
        self._workers = workers or max(1, min(cores(), most, memory // each))
        self._budget = MemoryBudget(max(0, memory - self._workers * each))
        self._inline = os.environ.get("DINOSEARCH_DECODE") == "inline"
        self._idle: queue.LifoQueue[Child] = queue.LifoQueue()
        self._started: set[Child] = set()
        self._runs: list[Ahead[Item, PreparedImage | Problem]] = []
        self._lock = threading.Lock()
        self._closed = False
        self._watchdog = Watchdog()

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
        for run in self._runs:
            run.stop()
        self._budget.close()
        for worker in started:
            worker.end()
        for run in self._runs:
            run.join()
        self._watchdog.close()

    def prepare_all(self, files: Iterable[Item]) -> Iterator[tuple[FoundFile, PreparedImage | Problem]]:
        """Decode and resize files.

        Args:
            files: found files, or pairs of one and its content (tar members); drawn only a little ahead,
                in threads of the pool.

        Yields:
            Each file with its prepared image, or with the problem that it has, in the order of `files`.

        Raises:
            ValueError: the pool is closed.
        """
        if self._closed:
            raise ValueError("the decode pool is closed")
        room = _AHEAD_BYTES if self._ahead == _AHEAD else self._ahead * self._pixel_bytes
        run = Ahead(files, self._prepare, self._weigh, threads=self._workers, most=self._ahead, most_bytes=room)
        self._runs.append(run)
        for item, result in run:
            yield item[0] if isinstance(item, tuple) else item, result

    def _prepare(self, item: Item) -> PreparedImage | Problem:
        file, data = item if isinstance(item, tuple) else (item, None)
        return self.answer(file.path, data, file.size if data is None else len(data), self._wanted)

    def answer(self, path: str, data: bytes | None, size: int, wanted: Wanted) -> PreparedImage | Problem:
        """Decode one image in the next free worker; safe from many threads.

        Args:
            path: of the image, or what to call it.
            data: its content; None to have it read from the path.
            size: of the content in bytes.
            wanted: what is wanted of it.
        """
        worker = None if self._inline else self._take_worker()
        with self._budget.lease() as reserve:
            if size > RESERVED:
                reserve(size)
            if worker is None:
                from dinosearch.images.workers.answer import answer

                return answer(path, data, wanted, reserve)
            result, alive = worker.ask(path, data, size, wanted, self._timeout + size / _PACE, reserve)
        if alive:
            self._idle.put(worker)
        else:
            self._drop(worker)
        return result

    def _weigh(self, item: Item, result: PreparedImage | Problem | None) -> int:
        """Bytes that the pool holds for an image: its content while it is decoded, and its pixels."""
        if result is not None:
            return result.pixels.nbytes if isinstance(result, PreparedImage) else 0
        content = len(item[1]) if isinstance(item, tuple) else 0
        return content + self._pixel_bytes

    def _drop(self, worker: Child) -> None:
        worker.end()
        with self._lock:
            self._started.discard(worker)

    def _take_worker(self) -> Child | None:
        """An idle worker or a new one; None where none can be started (a host program without a Python to run)."""
        with contextlib.suppress(queue.Empty):
            while True:
                worker = self._idle.get_nowait()
                if worker.is_alive():
                    return worker
                self._drop(worker)  # killed from outside while it waited; the next image is not to blame
        try:
            worker = Child(self._watchdog)
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
