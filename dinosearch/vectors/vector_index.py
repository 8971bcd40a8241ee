"""The Faiss index over slots of the vector file: derived, disposable, checked before it is read.

It answers candidates; their order and scores are settled in `exact`.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from dinosearch.errors import DamagedHomeError
from dinosearch.home import sha256_file, sync_file, sync_folder

SEED = 1234
NEAR_MARGIN, FAR_MARGIN = 2, 16
"""Measured on 20,000 clustered vectors of 48 and 128 numbers, filters of 5 to 60 %: recall@10 >= 0.98 each time."""


class VectorIndex:
    """An IVF index; many threads may search it, `add` waits until they have left and keeps them out.

    Args:
        index: a faiss.IndexIVF for inner products.
    """

    def __init__(self, index: Any) -> None:
        self._index = index
        self._gate = _Gate()
        self._lists: tuple[np.ndarray, np.ndarray] | None = None

    @classmethod
    def train(cls, factory: str, points: np.ndarray) -> VectorIndex:
        """Make an empty index trained on (n, d) float32 unit vectors; the same points give the same index."""
        import faiss

        index: Any = faiss.index_factory(points.shape[1], factory, faiss.METRIC_INNER_PRODUCT)
        index.cp.min_points_per_centroid = 1  # small collections are no reason for a warning on stderr
        index.cp.seed = SEED
        if hasattr(index, "pq"):
            index.pq.cp.min_points_per_centroid = 1
            # it prepares for a search by Hamming distances that is never made here, and takes most of the time
            index.do_polysemous_training = False
        index.train(np.ascontiguousarray(points, dtype=np.float32))
        return cls(index)

    @classmethod
    def load(cls, path: Path, sha256: str, dimension: int, rows: int) -> VectorIndex:
        """Read a published index.

        The checksum is compared before Faiss sees the file: Faiss reads a flipped byte silently and can crash on a
        crafted file.

        Raises:
            DamagedHomeError: the file is missing, does not match its checksum, or is not an index of these rows.
        """
        import faiss

        if not path.is_file():
            raise DamagedHomeError(f"{path.name} is missing")
        if sha256_file(path) != sha256:
            raise DamagedHomeError(f"{path.name} does not match its checksum")
        try:
            index = faiss.read_index(str(path))
        except RuntimeError as error:
            raise DamagedHomeError(f"{path.name} cannot be read ({str(error).splitlines()[0][:80]})") from None
        if index.d != dimension or index.ntotal > rows or not hasattr(index, "nlist"):
            raise DamagedHomeError(f"{path.name} is not an index of this collection")
        return cls(index)

    @property
    def nlist(self) -> int:
        """Inverted lists."""
        return int(self._index.nlist)

    @property
    def count(self) -> int:
        """Vectors inside."""
        return int(self._index.ntotal)

    def add(self, parts: Iterable[tuple[np.ndarray, np.ndarray]]) -> None:
        """Add pairs of (m,) int64 slots and (m, d) float32 vectors."""
        for slots, vectors in parts:
            if len(slots):
                with self._gate.alone():
                    self._lists = None
                    self._index.add_with_ids(
                        np.ascontiguousarray(vectors, np.float32), np.ascontiguousarray(slots, np.int64)
                    )

    def candidates(
        self, queries: np.ndarray, k: int, nprobe: int, allowed: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """The k best of the visited lists for each query.

        Args:
            queries: (n, d) float32.
            k: candidates wanted for each query.
            nprobe: lists to visit.
            allowed: (rows,) bool by slot; None allows all.

        Returns:
            Arrays (query, slot) of what was found; a query may have found fewer than k.
        """
        import faiss

        parameters: Any = faiss.SearchParametersIVF()
        parameters.nprobe = max(1, min(nprobe, self.nlist))
        bits = selector = None
        if allowed is not None:
            bits = np.packbits(allowed, bitorder="little")
            selector = faiss.IDSelectorBitmap(len(allowed), faiss.swig_ptr(bits))
            parameters.sel = selector  # bits and selector stay referenced here until the search is over
        with self._gate.shared():
            found = self._index.search(
                np.ascontiguousarray(queries, np.float32), min(k, max(1, self.count)), params=parameters
            )[1]
        query, column = np.nonzero(found >= 0)
        return query, found[query, column]

    def probes(self, queries: np.ndarray, allowed: np.ndarray, nprobe: int) -> int:
        """Lists to visit so that a filtered search is as good as one of `nprobe` lists without a filter.

        A filter leaves some lists full and others empty, and need not favour those near a query: so many lists that
        each query meets twice as many allowed rows as it would meet without a filter; 16 times as many where the lists
        near it hold few, since what is left is then far away and spread over many lists.

        Args:
            queries: (n, d) float32.
            allowed: (rows,) bool by slot.
            nprobe: lists that do without a filter.
        """
        centroids, lists = self._contents(len(allowed))
        inside = lists >= 0
        total = np.bincount(lists[inside], minlength=self.nlist)
        held = np.bincount(lists[inside & allowed], minlength=self.nlist)
        nearest = np.argsort(-(queries @ centroids.T), axis=1)
        met = np.cumsum(held[nearest], axis=1)
        share = held.sum() / max(1, total.sum())
        near = met[:, nprobe - 1] / np.maximum(1, total[nearest[:, :nprobe]].sum(axis=1))
        margin = np.where(near < share / 2, FAR_MARGIN, NEAR_MARGIN)
        wanted = np.minimum(margin * nprobe * total.sum() / self.nlist, held.sum())
        return int(min(self.nlist, (met < wanted[:, None]).sum(axis=1).max() + 1))

    def _contents(self, rows: int) -> tuple[np.ndarray, np.ndarray]:
        """(nlist, d) centroids, and (rows,) the list of each slot, -1 where the index does not hold it."""
        import faiss

        with self._gate.shared():
            known = self._lists
            if known is None or len(known[1]) < rows:
                lists = np.full(rows, -1, np.int32)
                inverted = self._index.invlists
                for number in range(self.nlist):
                    if size := inverted.list_size(number):
                        slots = faiss.rev_swig_ptr(inverted.get_ids(number), size)
                        lists[slots[slots < rows]] = number
                known = self._lists = self._index.quantizer.reconstruct_n(0, self.nlist), lists
        return known[0], known[1][:rows]

    def publish(self, folder_path: Path) -> tuple[Path, str]:
        """Write the index to a synced temporary file beside the path; returns it and its SHA-256, to name it by."""
        import faiss

        temporary = folder_path.with_name(f"{folder_path.name}.{os.getpid()}.tmp")
        faiss.write_index(self._index, str(temporary))
        sync_file(temporary)
        return temporary, sha256_file(temporary)


class _Gate:
    """Many may pass together, or one alone: Faiss searches may share an index, changing it must not overlap."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._inside = 0

    @contextmanager
    def shared(self) -> Iterator[None]:
        with self._changed:
            self._inside += 1
        try:
            yield
        finally:
            with self._changed:
                self._inside -= 1
                self._changed.notify_all()

    @contextmanager
    def alone(self) -> Iterator[None]:
        with self._changed:  # held until the end, so that nobody enters meanwhile
            self._changed.wait_for(lambda: self._inside == 0)
            yield


def place(temporary: Path, target: Path) -> None:
    """Give a published file its final name, durably."""
    os.replace(temporary, target)
    sync_folder(target.parent)
