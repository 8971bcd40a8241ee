"""What every system of the search benchmark can do, and how it is fed."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from bench.vectors import CHUNK, Source


class Feed:
    """The rows of a source for a build, with the seconds that making them took, which are nobody's building time.

    Attributes:
        seconds: spent making rows.
    """

    def __init__(self, source: Source) -> None:
        self.source, self.n, self.dimension = source, source.n, source.dimension
        self.seconds = 0.0

    def chunks(self, size: int = CHUNK) -> Iterator[tuple[int, np.ndarray]]:
        """Pairs of the first row's number and (at most size, dimension) float32 rows."""
        chunks = self.source.chunks(size)
        while True:
            started = time.perf_counter()
            chunk = next(chunks, None)
            self.seconds += time.perf_counter() - started
            if chunk is None:
                return
            yield chunk

    def sample(self, count: int) -> np.ndarray:
        """(at most count, dimension) float32 rows to train on."""
        started = time.perf_counter()
        rows = self.source.sample(count)
        self.seconds += time.perf_counter() - started
        return rows

    def array(self) -> np.ndarray:
        """(n, dimension) float32: everything, for systems that cannot be fed piece by piece."""
        rows = np.empty((self.n, self.dimension), np.float32)
        for low, part in self.chunks():
            rows[low : low + len(part)] = part
        return rows


class Peer:
    """One system; `build` and `open` are called in different processes.

    Attributes:
        name: in tables.
        needs: packages to install for it.
        knob: what its setting is called.
        settings: values of the knob, from fast to thorough.
        usual: the setting at which resident memory is read.
        batches: whether `search` of many queries uses several threads by itself.
        kept: whether a build may be kept for another run.
    """

    name = ""
    needs: tuple[str, ...] = ()
    knob = "ef"
    settings: Sequence[float] = (16, 32, 64, 96, 128, 192, 256, 400, 800)
    usual: float = 64
    batches = True
    kept = True

    def prepare(self) -> None:
        """Import what is needed."""
        raise NotImplementedError

    def build(self, feed: Feed, folder: Path) -> dict[str, object]:
        """Build and keep it in the folder; returns details for the table, JSON-ready."""
        raise NotImplementedError

    def finish(self, folder: Path, settings: Sequence[float]) -> None:
        """What the benchmark needs beyond the build for these settings; not timed."""

    def open(self, folder: Path, n: int, dimension: int) -> None:
        """Open what was built."""
        raise NotImplementedError

    def use(self, setting: float) -> None:
        """Turn the knob."""
        raise NotImplementedError

    def threads(self, count: int) -> None:
        """Use so many threads for a batch; the process is kept to so many cores besides."""
        import threadpoolctl

        self._limit = threadpoolctl.threadpool_limits(count)

    def search(self, queries: np.ndarray, k: int) -> np.ndarray:
        """(q, k) int64 row numbers, best first, -1 where there are fewer."""
        raise NotImplementedError

    def disk(self, folder: Path) -> int:
        """Bytes on disk."""
        return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())

    def close(self) -> None:
        """Let go of what was opened."""


def padded(ids: np.ndarray | list[int], k: int) -> np.ndarray:
    """(k,) int64 with -1 behind what was found."""
    row = np.full(k, -1, np.int64)
    row[: min(k, len(ids))] = ids[:k]
    return row
