"""The mean patch token of each place of the grid, over some images of a collection.

What tokens say of their place instead of the picture is taken away by it. The images are a sample that hardly changes
while the collection grows, and the mean is kept beside the graphs of the models, so that a process that explains one
match does not begin with tens of forward passes: 2.5 of the 3.8 seconds of a first explanation (ViT-S, 4 cores).
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from dinosearch.collection.opened import OpenedHome
from dinosearch.embedding import graphs_folder
from dinosearch.protocols import Embedder

SAMPLE, LEAST = 32, 16
"""Images that a mean is taken of, and the fewest that make one."""
KEPT = 32
"""Files of means that are kept, those used last; 1.6 MB each for ViT-S."""
_MIX = np.uint64(0x9E3779B97F4A7C15)
"""2^64 by the golden ratio: products of ids with it lie evenly (Knuth, The Art of Computer Programming 3, 6.4)."""

MapsOf = Callable[[Sequence[int], int], list[np.ndarray]]


@dataclass
class _Making:
    """A mean on its way.

    Attributes:
        side: pixels of the pictures.
        ids: of the sample.
        file: where it is kept; None for nowhere.
        done: how many of these have been looked at.
        count: how many of these could be read.
        total: sum of their token maps.
    """

    side: int
    ids: list[int]
    file: Path | None
    done: int = 0
    count: int = 0
    total: Any = 0.0


class MeanTokens:
    """Mean tokens by the side of the pictures, each made once; for many threads.

    Args:
        opened: the home.
        embedder: the collection's model.
        maps_of: token maps of those of the given images that can be read, at a side.
    """

    def __init__(self, opened: OpenedHome, embedder: Embedder, maps_of: MapsOf) -> None:
        self._opened, self._embedder, self._maps_of = opened, embedder, maps_of
        self._made: dict[int, np.ndarray | None] = {}
        self._making: dict[int, _Making] = {}
        self._lock = threading.Lock()

    def of(self, side: int) -> np.ndarray | None:
        """(h, w, d) mean token at each place; None where the collection is too small. Who comes meanwhile waits."""
        with self._lock:
            if side not in self._made:
                self._go_on(side, SAMPLE)
            return self._made[side]

    def prepare(self, side: int, pause: Callable[[], None]) -> None:
        """Make it one image at a time, with a pause before each; who needs it at once makes the rest himself."""
        while True:
            pause()
            with self._lock:
                if side in self._made or self._go_on(side, 1):
                    return

    def _go_on(self, side: int, images: int) -> bool:
        """Look at so many more images; whether the mean is there now."""
        making = self._making.get(side)
        if making is None:
            ids = sample(self._opened.store.live_ids())
            making = self._making[side] = _Making(side, ids, self._file(side, ids))
        found = _read(making.file)  # another process may have made it meanwhile
        if found is None:
            chosen = making.ids[making.done : making.done + images]
            for one in self._maps_of(chosen, side):
                making.total, making.count = making.total + one, making.count + 1
            making.done += len(chosen)
            if making.done < len(making.ids):
                return False
            if making.count >= LEAST:
                found = np.asarray(making.total / np.float32(making.count), np.float32)
                if making.count == len(making.ids):  # a drive that is away now may be back later
                    _write(making.file, found)
        self._made[side] = found
        del self._making[side]
        return True

    def _file(self, side: int, ids: Sequence[int]) -> Path | None:
        """Named by all that the mean is made of; None for an embedder of somebody's own, which has no such name."""
        runtime = getattr(self._embedder, "runtime", None)
        if not isinstance(runtime, str) or len(ids) < LEAST:
            return None
        contents = sorted({record.sha256 for record in self._opened.store.records(ids)})
        parts = (self._embedder.fingerprint, runtime, side, contents)
        return graphs_folder() / "means" / f"{hashlib.sha256(repr(parts).encode()).hexdigest()[:40]}.npz"


def sample(ids: np.ndarray) -> list[int]:
    """Up to `SAMPLE` of the ids, evenly spread and rising; an id more or less changes it seldom.

    Args:
        ids: (n,) int64, rising.
    """
    places = np.argsort(ids.astype(np.uint64) * _MIX, kind="stable")[:SAMPLE]
    return [int(number) for number in np.sort(ids[places])]


def _read(file: Path | None) -> np.ndarray | None:
    if file is None:
        return None
    try:
        with file.open("rb") as opened, np.load(opened) as found:  # zip files have a checksum of each part
            mean = found["mean"]
        os.utime(file)
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        return None
    return np.asarray(mean, np.float32) if mean.ndim == 3 else None


def _write(file: Path | None, mean: np.ndarray) -> None:
    if file is None:
        return
    with suppress(OSError):  # a full or read-only disk costs time, nothing else
        file.parent.mkdir(parents=True, exist_ok=True)
        half = file.with_suffix(f".{os.getpid()}.tmp")
        with half.open("wb") as out:
            np.savez(out, mean=mean)
        os.replace(half, file)
        for old in sorted(file.parent.glob("*.npz"), key=lambda one: one.stat().st_mtime, reverse=True)[KEPT:]:
            old.unlink(missing_ok=True)
