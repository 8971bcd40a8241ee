"""dinosearch as a program uses it: the vector file, the index that it builds for a recall, and their search."""

from __future__ import annotations

import pickle
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from bench.peers.face import Feed, Peer

TARGETS = (0.9, 0.95, 0.98, 0.985, 0.99, 0.995, 0.997, 0.999)
USUAL = 0.98
NUMBER = 1


class Dinosearch(Peer):
    """`LocalVectorSearch` in a folder of its own; the knob is the recall that the index is asked for."""

    name = "dinosearch"
    knob = "recall"
    settings = TARGETS
    usual = USUAL
    kept = False

    def prepare(self) -> None:
        import faiss  # noqa: F401 - it is imported late; here, so that its memory is not taken for the index's

        from dinosearch import vectors

        self.vectors: Any = vectors
        self._opened: Any = None

    def create(self, folder: Path, dimension: int) -> Any:
        """An empty `LocalVectorSearch` in the folder."""
        from dinosearch.records import Fingerprint, Generation

        self.vectors.VectorFile.create(folder / "vectors", dimension, NUMBER).close()
        fingerprint = Fingerprint("benchmark", "0" * 64, "squash-224", "cls", dimension)
        return self.at(folder, Generation(NUMBER, fingerprint, 0))

    def build(self, feed: Feed, folder: Path) -> dict[str, object]:
        search = self.create(folder, feed.dimension)
        started, making = time.perf_counter(), feed.seconds
        for low, rows in feed.chunks():
            append(search, np.arange(low, low + len(rows)), rows)
        stored = time.perf_counter() - started - (feed.seconds - making)
        search.update_index(USUAL)
        keep(folder, {USUAL: search.generation})
        search.close()
        return {"type": search.generation.index.type, "seconds storing": round(stored, 2)}

    def finish(self, folder: Path, settings: Sequence[float]) -> None:
        known = kept(folder)
        search = self.at(folder, known[USUAL])
        for target in settings:
            if target not in known:
                search.update_index(target)
                known[target] = search.generation
        search.close()
        keep(folder, known)

    def open(self, folder: Path, n: int, dimension: int) -> None:
        self._folder, self._known = folder, kept(folder)
        self.use(self.usual)
        self._opened.search(np.eye(1, dimension, dtype=np.float32), 1)

    def use(self, setting: float) -> None:
        if self._opened is not None and self._opened.generation == self._known[setting]:
            return
        self.close()
        self._opened = self.at(self._folder, self._known[setting])
        self._opened.search(np.eye(1, self._known[setting].fingerprint.dimension, dtype=np.float32), 1)

    def search(self, queries: np.ndarray, k: int) -> np.ndarray:
        return np.asarray(self._opened.search(queries, k)[0])

    def close(self) -> None:
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def at(self, folder: Path, generation: Any, name: str = "vectors") -> Any:
        """The search of a committed state; `name` is that of the vector file."""
        return self.vectors.LocalVectorSearch(
            folder / name, lambda number, sha256: index_path(folder, number, sha256), generation
        )


def index_path(folder: Path, number: int, sha256: str) -> Path:
    """Where an index file lies."""
    return folder / f"index-{number}-{sha256[:12]}"


def append(search: Any, ids: np.ndarray, rows: np.ndarray) -> None:
    """Store rows and commit them, as the collection does with its store's transaction."""
    search.refresh(replace(search.generation, rows=search.upsert(ids, rows)))


def keep(folder: Path, generations: dict[float, Any]) -> None:
    """Note the committed state for each recall that an index was built for."""
    (folder / "generations").write_bytes(pickle.dumps(generations))


def kept(folder: Path) -> dict[float, Any]:
    """What `keep` has noted; written and read by this benchmark only, in a folder of its own."""
    found: dict[float, Any] = pickle.loads((folder / "generations").read_bytes())
    return found
