"""A process for one system: it builds or opens it, answers, and says what memory it holds.

Every system has a process of its own, so that its memory can be read and its crash is not everybody's. It is told what
to do over a pipe and does nothing in between.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from bench.peers.resident import descendants, memory_held, peak, threads
from bench.vectors import SOURCES

K = 10
WARM = 10
ENDING = 5.0
"""Seconds that an idle process has to end by itself."""


class FailedError(Exception):
    """A system could not be run; the message says why."""


class Child:
    """The parent's end: calls go to a process of their own, each with a limit of seconds.

    Args:
        name: of the system.
        limit: seconds that a call may take by default.
    """

    def __init__(self, name: str, limit: float) -> None:
        context = multiprocessing.get_context("spawn")
        self._limit, self._idle = limit, True
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, name), daemon=True)
        self._process.start()
        theirs.close()

    def call(self, method: str, *arguments: object, limit: float | None = None) -> Any:
        """Run a method of `Worker` there.

        Raises:
            FailedError: it raised, died, or took too long; the process is gone then.
        """
        limit = limit or self._limit
        self._idle = False
        try:
            self._pipe.send((method, arguments))
            if not self._pipe.poll(limit):
                raise FailedError(f"{method} took more than {limit:.0f} s")
            fine, result = self._pipe.recv()
            self._idle = True
        except (EOFError, OSError):
            self._process.join(5)
            self.end()
            raise FailedError(f"the process died in {method} (exit code {self._process.exitcode})") from None
        except FailedError:
            self.end()
            raise
        if not fine:
            self.end()
            raise FailedError(str(result))
        return result

    def end(self) -> None:
        """End the process and what it started: asked first, then by force."""
        started = [*descendants(self._process.pid or 0), self._process.pid]
        try:
            self._pipe.send(None)
            self._process.join(ENDING if self._idle else 0)
        except OSError:
            pass
        for pid in started:
            try:
                os.kill(pid or 0, signal.SIGKILL) if pid else None
            except OSError:
                pass
        self._process.join(10)
        self._pipe.close()

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()


class Worker:
    """The child's end.

    Args:
        name: of the system.
    """

    def __init__(self, name: str) -> None:
        from bench.peers import PEERS

        self.peer = PEERS[name]()

    def prepare(self) -> None:
        try:
            self.peer.prepare()
        except ImportError as error:
            if not self.peer.needs:
                raise
            wanted = " ".join(self.peer.needs)
            raise FailedError(f"not installed: pip install {wanted} ({str(error).splitlines()[0][:80]})") from None

    def build(self, source: str, n: int, seed: int, folder: Path) -> dict[str, Any]:
        """Build it in an empty folder; what it took, without the time in which the rows were made."""
        from bench.peers.face import Feed

        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        feed = Feed(SOURCES[source](n, seed))
        started = time.perf_counter()
        details = self.peer.build(feed, folder)
        seconds = time.perf_counter() - started - feed.seconds
        return {"seconds": seconds, "peak": peak(), "disk": self.peer.disk(folder), **details}

    def finish(self, folder: Path, settings: Sequence[float]) -> None:
        self.peer.finish(folder, settings)

    def open(self, folder: Path, n: int, dimension: int, queries: np.ndarray) -> dict[str, float]:
        """Open it and ask it; the seconds of the opening and what memory it holds afterwards."""
        self._before = memory_held()
        started = time.perf_counter()
        self.peer.open(folder, n, dimension)
        seconds = time.perf_counter() - started
        self.peer.use(self.peer.usual)
        for query in queries:
            self.peer.search(query[None], K)
        after = memory_held()
        return {"seconds": seconds, **{kind: after[kind] - self._before[kind] for kind in after}}

    def answers(self, setting: float, queries: np.ndarray, threads: int, budget: float) -> np.ndarray:
        """(m, K) answers to the first m queries: as many as fit in the budget of seconds."""
        self.peer.use(setting)
        self._limit_threads(threads)
        found, started = [], time.perf_counter()
        for low in range(0, len(queries), 100):
            found.append(self._batch(queries[low : low + 100], threads))
            if time.perf_counter() - started > budget:
                break
        return np.concatenate(found)

    def measure(self, setting: float, queries: np.ndarray, threads: int, budget: float) -> dict[str, Any]:
        """Milliseconds of single queries, and queries a second of batches with one thread and with several.

        Each of the three takes about `budget` seconds.
        """
        self.peer.use(setting)
        self._limit_threads(1)
        for query in queries[:WARM]:
            self.peer.search(query[None], K)
        times: list[float] = []
        started = time.perf_counter()
        for query in queries:
            before = time.perf_counter()
            self.peer.search(query[None], K)
            times.append(time.perf_counter() - before)
            if before - started > budget:
                break
        rates = {}
        for count in (1, threads):
            self._limit_threads(count)
            size = int(max(4 * count, min(len(queries), count * budget / np.median(times))))
            rates[count] = self._rate(queries[:size], count, budget)
        self._limit_threads(threads)
        return {"ms": [1000 * t for t in times], "qps1": rates[1], "qps": rates[threads]}

    def _rate(self, queries: np.ndarray, threads: int, budget: float) -> float:
        self._batch(queries[: 4 * threads], threads)
        answered, started = 0, time.perf_counter()
        while (spent := time.perf_counter() - started) < budget or not answered:
            self._batch(queries, threads)
            answered += len(queries)
        return answered / spent

    def _batch(self, queries: np.ndarray, threads: int) -> np.ndarray:
        if self.peer.batches or threads == 1:
            return self.peer.search(queries, K)
        with ThreadPoolExecutor(threads) as pool:
            parts = np.array_split(queries, min(len(queries), 4 * threads))
            return np.concatenate(list(pool.map(lambda part: self.peer.search(part, K), parts)))

    def _limit_threads(self, count: int) -> None:
        self.peer.threads(count)
        if hasattr(os, "sched_setaffinity"):  # not every system can be told how many threads it may use
            cores = sorted(_CORES)[:count]
            for pid in [os.getpid(), *descendants(os.getpid())]:
                for thread in threads(pid):
                    with suppress(ProcessLookupError):
                        os.sched_setaffinity(thread, cores)


_CORES = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))


def _serve(pipe: Connection, name: str) -> None:
    worker = Worker(name)
    while True:
        try:
            order = pipe.recv()
        except (EOFError, KeyboardInterrupt):
            return
        if order is None:
            worker.peer.close()
            return
        method, arguments = order
        try:
            call: Callable[..., Any] = getattr(worker, method)
            answer = True, call(*arguments)
        except BaseException as error:  # whatever a peer does wrong is a line of the table
            text = str(error).strip().splitlines()
            answer = False, str(error) if isinstance(error, FailedError) else f"{type(error).__name__}: {text[:1]}"
        pipe.send(answer)
