"""The Faiss index over slots of the vector file: derived, disposable, checked before it is read.

It answers candidates; their order and scores are settled in `ranking`.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from dinosearch.errors import DamagedHomeError
from dinosearch.home import replace, sha256_file, sync_file, sync_folder
from dinosearch.vectors.faiss_files import write_index
from dinosearch.vectors.on_gpu import DeviceCopy, training
from dinosearch.vectors.probes import nearest_lists, spread_of
from dinosearch.vectors.row_table import RowTable
from dinosearch.vectors.structure import read_checked
from dinosearch.vectors.threads import faiss_threads, one_faiss_thread, one_thread

SEED = 1234
ROUNDS = 6
"""Of k-means: 5 and 10 gave lists of the same quality (`ladder`)."""


class VectorIndex:
    """An IVF index; many threads may search it, `add` waits until they have left and keeps them out.

    Args:
        index: a faiss.IndexIVF for inner products, or one behind a rotation.
        covers: slots below this are inside, but for those that were left out, see `left_out`.

    Attributes:
        covers: as above; a search drops what it finds from there on.
    """

    def __init__(self, index: Any, covers: int = 0) -> None:
        import faiss

        self.covers = covers
        self._index = index
        self._ivf: Any = faiss.downcast_index(faiss.extract_index_ivf(index))
        self._device = DeviceCopy(index)
        self._gate = _Gate()
        self._lists: np.ndarray | None = None
        self._spread: float | None = None
        self._whole = self.count == covers
        self._left: tuple[RowTable, tuple[int, int], np.ndarray] | None = None

    @classmethod
    def train(cls, factory: str, points: np.ndarray) -> VectorIndex:
        """Make an empty index trained on (n, d) float32 unit vectors; the same points give the same index."""
        import faiss

        index: Any = faiss.index_factory(points.shape[1], factory, faiss.METRIC_INNER_PRODUCT)
        ivf: Any = faiss.downcast_index(faiss.extract_index_ivf(index))
        ivf.cp.min_points_per_centroid = 1  # small collections are no reason for a warning on stderr
        ivf.cp.seed, ivf.cp.niter = SEED, ROUNDS
        if hasattr(ivf, "pq"):
            ivf.pq.cp.min_points_per_centroid = 1
        if hasattr(ivf, "do_polysemous_training"):
            # it prepares for a search by Hamming distances that is never made here, and takes most of the time
            ivf.do_polysemous_training = False
        with faiss_threads(), training(ivf):  # on a GPU where there is one
            index.train(np.ascontiguousarray(points, dtype=np.float32))
        return cls(index)

    @classmethod
    def load(cls, path: Path, sha256: str, factory: str, dimension: int, rows: int) -> VectorIndex:
        """Read a published index over so many rows, made by a factory string.

        The checksum is compared before Faiss sees the file, which reads a flipped byte silently. A file that matches
        may still be crafted by someone who could write to the store: `structure` looks at it before it is used.

        Raises:
            DamagedHomeError: the file is missing, does not match its checksum, or is not an index of these rows.
        """
        if not path.is_file():
            raise DamagedHomeError(f"{path.name} is missing")
        if sha256_file(path) != sha256:
            raise DamagedHomeError(f"{path.name} does not match its checksum")
        try:
            index = read_checked(path, factory, dimension, rows)
        except ValueError as error:
            raise DamagedHomeError(f"{path.name} is not an index of this collection ({error})") from None
        return cls(index, rows)

    @property
    def nlist(self) -> int:
        """Inverted lists."""
        return int(self._ivf.nlist)

    @property
    def count(self) -> int:
        """Vectors inside."""
        return int(self._ivf.ntotal)

    @property
    def row_bytes(self) -> int:
        """Bytes that a scan reads for each vector."""
        return int(self._ivf.code_size)

    def add(self, parts: Iterable[tuple[np.ndarray, np.ndarray]], covers: int) -> None:
        """Add pairs of (m,) int64 slots and (m, d) float32 vectors; afterwards the slots below `covers` are inside."""
        for slots, vectors in parts:
            if len(slots):
                with faiss_threads(), self._gate.alone():
                    self._lists = None
                    self._device.forget()
                    self._index.add_with_ids(
                        np.ascontiguousarray(vectors, np.float32), np.ascontiguousarray(slots, np.int64)
                    )
        self.covers, self._whole, self._lists = covers, self.count == covers, None

    def left_out(self, table: RowTable) -> np.ndarray:
        """Ascending int64 slots below `covers` that count and are not inside.

        They did not count when those around them were added: their images were removed then, and came back since.
        """
        if self._whole:
            return np.empty(0, np.int64)
        state, known = (self.count, self.covers), self._left
        if known is None or known[0] is not table or known[1] != state:
            absent = self._list_of()[: table.rows] < 0
            if table.live is not None:
                absent &= table.live[: len(absent)]
            self._left = known = table, state, np.flatnonzero(absent)
        return known[2]

    def candidates(
        self,
        queries: np.ndarray,
        count: int,
        nprobe: int,
        bits: np.ndarray | None = None,
        choose: Callable[[np.ndarray], np.ndarray] | None = None,
    ) -> np.ndarray:
        """The best of the visited lists for each query, in one thread.

        Args:
            queries: (n, d) float32.
            count: candidates wanted for each query.
            nprobe: lists to visit.
            bits: (rows / 8,) uint8, a bit for each slot that may be found, lowest first; None allows all.
            choose: makes of the (n, nlist) products with the centres the (n, m) lists to visit, -1 for none; None
                visits the `nprobe` nearest.

        Returns:
            (n, count) int64 slots, best first; -1 behind the last that was found.
        """
        import faiss

        queries = np.ascontiguousarray(queries, np.float32)
        nprobe = max(1, min(nprobe, self.nlist))
        with one_thread(), one_faiss_thread(), self._gate.shared():
            # NumPy multiplies here, as the BLAS of Faiss gains nothing from a second thread that calls it.
            queries = self._turned(queries)
            products = queries @ self._centres.T
            lists = nearest_lists(products, nprobe) if choose is None else choose(products)
            nearness = np.take_along_axis(products, np.maximum(lists, 0), 1)
            parameters: Any = faiss.SearchParametersIVF()
            parameters.nprobe = lists.shape[1]
            if bits is not None:
                selector = faiss.IDSelectorBitmap(len(bits), faiss.swig_ptr(bits))
                parameters.sel = selector  # bits and selector stay referenced here until the search is over
            found = np.full((len(queries), count), -1, np.int64)
            values = np.empty(found.shape, np.float32)
            self._ivf.search_preassigned_c(
                len(queries),
                faiss.swig_ptr(queries),
                count,
                faiss.swig_ptr(lists),
                faiss.swig_ptr(nearness),
                faiss.swig_ptr(values),
                faiss.swig_ptr(found),
                False,
                parameters,
            )
        return found

    def batch_candidates(
        self, queries: np.ndarray, count: int, nprobe: int, live: np.ndarray | None
    ) -> np.ndarray | None:
        """As `candidates`, by a GPU where there are many queries and one that can; None else (`on_gpu.DeviceCopy`)."""
        with self._gate.shared():
            return self._device.candidates(queries, count, nprobe, live)

    def held(self, slots: np.ndarray) -> np.ndarray:
        """(nlist,) how many of the slots, (m,) integers, each list holds."""
        lists = self._list_of()
        lists = lists[slots[slots < len(lists)]]
        return np.bincount(lists[lists >= 0], minlength=self.nlist)

    @property
    def sizes(self) -> np.ndarray:
        """(nlist,) rows in each list."""
        with self._gate.shared():
            return np.fromiter(map(self._ivf.invlists.list_size, range(self.nlist)), np.int64, self.nlist)

    def spread(self, read: Callable[[np.ndarray], np.ndarray]) -> float:
        """How far vectors lie from the centres of their lists, see `probes`; `read` gives the vectors of slots."""
        if self._spread is None:
            self._spread = spread_of(self._list_of(), self._centres, lambda slots: self._turned(read(slots)))
        return self._spread

    def publish(self, folder_path: Path) -> tuple[Path, str]:
        """Write the index to a synced temporary file beside the path; returns it and its SHA-256, to name it by."""
        temporary = folder_path.with_name(f"{folder_path.name}.{os.getpid()}.tmp")
        try:
            write_index(self._index, temporary)
            sync_file(temporary)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        return temporary, sha256_file(temporary)

    def _turned(self, queries: np.ndarray) -> np.ndarray:
        """(n, d') float32 queries behind the rotation of the index, if it has one."""
        return queries if self._rotation is None else np.asarray(queries @ self._rotation.T)

    @cached_property
    def _rotation(self) -> np.ndarray | None:
        """(d', d) float32; None where the index turns nothing."""
        import faiss

        if not hasattr(self._index, "chain"):
            return None
        turn: Any = faiss.downcast_VectorTransform(self._index.chain.at(0))
        matrix: np.ndarray = faiss.vector_to_array(turn.A).reshape(turn.d_out, turn.d_in)
        return matrix

    @cached_property
    def _centres(self) -> np.ndarray:
        """(nlist, d') float32 centres of the lists, behind the rotation."""
        return np.asarray(self._ivf.quantizer.reconstruct_n(0, self.nlist))

    def _list_of(self) -> np.ndarray:
        """(covers,) int32 the list of each slot, -1 where the index does not hold it."""
        import faiss

        with self._gate.shared():
            known = self._lists
            if known is None:
                known, inverted = np.full(self.covers, -1, np.int32), self._ivf.invlists
                for number in range(self.nlist):
                    if size := inverted.list_size(number):
                        slots = faiss.rev_swig_ptr(inverted.get_ids(number), size)
                        known[slots[slots < len(known)]] = number
                self._lists = known
        return known


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
    replace(temporary, target)
    sync_folder(target.parent)
