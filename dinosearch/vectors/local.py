"""Vectors on one machine: the vector file, the index over it, and the exact tail behind the index, searched as one.

Its face speaks image ids; slots stay inside. It fulfils `dinosearch.protocols.VectorSearch`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from dinosearch.advice import run
from dinosearch.errors import DamagedHomeError, NoVectorError
from dinosearch.home import listed
from dinosearch.protocols import Progress
from dinosearch.records import BuiltIndex, Generation, ImageFacts, IndexInfo, Published
from dinosearch.vectors.at_hand import is_tame, nearest_rows
from dinosearch.vectors.build import build, healthy, is_due
from dinosearch.vectors.described import described
from dinosearch.vectors.header import VectorFileHeader, refuse_other
from dinosearch.vectors.ladder import LADDER, Rung
from dinosearch.vectors.plans import Plan, nearest
from dinosearch.vectors.row_table import RowTable
from dinosearch.vectors.subset import Subset
from dinosearch.vectors.vector_file import VectorFile
from dinosearch.vectors.vector_index import VectorIndex, place

TAIL = 1_000
"""Rows behind the index that are searched one by one: 0.1 ms a query; more are added to the index in memory."""


class LocalVectorSearch:
    """The vectors of one generation; searches may run in many threads, one thread writes.

    Args:
        path: the vector file.
        index_path: gives the place of an index file from the generation's number and the file's SHA-256.
        generation: the committed state.
        ladder: the rungs of index types.
    """

    def __init__(
        self,
        path: Path,
        index_path: Callable[[int, str], Path],
        generation: Generation,
        ladder: tuple[Rung, ...] = LADDER,
    ) -> None:
        self.generation = generation
        self.index_problem: str | None = None
        self._path, self._index_path, self._ladder = path, index_path, ladder
        refuse_other(path, generation)
        self._file = VectorFile.open(path, generation.rows)
        self._base: tuple[VectorIndex, IndexInfo] | None = None
        self._base_sha256: str | None = None
        self._removed = np.empty(0, np.int64)
        self._damaged = np.empty(0, np.int64)
        self._table: RowTable | None = None
        self._subset: Subset | None = None
        self._sound = np.zeros(0, bool)  # rows whose checksum has been compared since the file was opened
        self._lock = threading.RLock()

    def count(self) -> int:
        """Rows stored, dead ones included."""
        return self._file.rows

    def ids(self) -> np.ndarray:
        """(n,) int64 ids that have a sound row, removed ones included, ascending."""
        return self._rows().keys

    def refresh(self, generation: Generation) -> None:
        """Follow another committed state of the same generation; an older one where a thread still reads that."""
        with self._lock:
            if generation.rows != self._file.rows:
                self._file.resize(generation.rows)
                self._table = None
            if self._base is not None and generation.rows < self._base[0].covers:
                self._base, self._base_sha256 = None, None  # it holds rows that were taken back
            self.generation = generation
            if self._base is not None:
                self._index()  # so that the next search need not wait for the new rows to be added

    def ensure(self) -> None:
        """Nothing: the file was made before it was opened."""

    def delete(self, ids: np.ndarray) -> None:
        """Answer these ids no more; their rows stay until `compact`."""
        self.set_removed(np.union1d(self._removed, ids))

    def missing(self, ids: np.ndarray) -> np.ndarray:
        """Those of the ids without a sound row, ascending."""
        return np.setdiff1d(ids, self.ids())

    def flush(self) -> None:
        """Nothing: committed rows are searched at once."""

    def set_removed(self, ids: np.ndarray) -> None:
        """Say which ids must not be answered."""
        with self._lock:
            if not np.array_equal(ids, self._removed):
                self._removed = np.asarray(ids, np.int64)
                self._table = None

    def upsert(self, ids: np.ndarray, vectors: np.ndarray, images: Sequence[ImageFacts] | None = None) -> int:
        """Store rows durably; see `VectorSearch.upsert`. They count once the caller has committed their number."""
        with self._lock:
            if not self._file.writable:
                self._file.close()
                self._file = VectorFile.open(self._path, self.generation.rows, writable=True)
            self._file.resize(self.generation.rows)  # rows of a transaction that was rolled back are overwritten
            self._sound = self._sound[: self.generation.rows]
            rows = self._file.append(ids, vectors)
            self._table = None
            return rows

    def vectors(self, ids: np.ndarray) -> np.ndarray:
        """(n, dimension) float32 rows of the ids; KeyError names an id without one, DamagedHomeError a damaged one."""
        return self._read(ids, lambda slots: self._file.damaged(slots).nonzero()[0])

    def found(self, ids: np.ndarray) -> np.ndarray:
        """As `vectors`, to rank what was just answered: checksums that `search` has compared are not compared again."""
        return self._read(ids, lambda slots: np.isin(slots, self._damaged_of(slots)).nonzero()[0])

    def _read(self, ids: np.ndarray, damaged_of: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """Rows of the ids; `damaged_of` tells the places of slots that are damaged."""
        slots = self._rows().find(np.asarray(ids, np.int64))
        absent = np.flatnonzero(slots < 0)
        if len(absent):
            raise NoVectorError(int(ids[absent[0]]))
        damaged = damaged_of(slots)
        if len(damaged):
            raise DamagedHomeError(
                f"the vector of image id:{int(ids[damaged[0]])} does not match its checksum; mend it with: ",
                run("verify", "--repair"),
            )
        return self._file.read(slots)

    def search(
        self, queries: np.ndarray, k: int, *, allowed: np.ndarray | None = None, where: Any = None, exact: bool = False
    ) -> tuple[np.ndarray, np.ndarray]:
        """Find the k nearest live vectors of each query; see `VectorSearch.search`. It knows no filters, only ids."""
        queries = np.ascontiguousarray(np.atleast_2d(queries), np.float32)
        if queries.shape[1] != self._file.dimension:
            raise ValueError(f"queries have {queries.shape[1]} numbers each, the stored vectors {self._file.dimension}")
        if k < 1:
            raise ValueError(f"k is at least 1, not {k}")
        while True:
            table = self._rows()
            slots, scores = self._search(table, queries, k, allowed, exact)
            damaged = self._damaged_of(slots)
            if not len(damaged):
                return np.where(slots >= 0, table.ids[slots] if table.rows else -1, -1), scores
            with self._lock:  # a damaged row is overlooked from now on, as if it had never been written
                self._damaged = np.union1d(self._damaged, damaged)
                self._table = None

    @property
    def damaged_rows(self) -> int:
        """Rows known to be damaged, those that others supersede included: the id of such a row cannot be trusted."""
        return len(self._damaged)

    def check(self, progress: Progress | None = None) -> set[int]:
        """Compare every row with its checksum; the ids whose current row is damaged."""
        ids = self._file.ids()
        damaged = np.asarray(self._file.check(progress), np.int64)
        current = RowTable.of(ids, np.empty(0, np.int64), np.empty(0, np.int64)).slots
        with self._lock:
            self._damaged, self._table, self._sound = damaged, None, np.zeros(0, bool)
        return set(ids[np.intersect1d(damaged, current)].tolist())

    def check_index(self) -> str | None:
        """Read the published index; what is wrong with it, or None."""
        self._index()
        return self.index_problem

    def update_index(self, recall: float, progress: Progress | None = None) -> Published | None:
        """Add the tail to the index, or train it anew, and publish it; None where no new file is worth writing.

        The caller commits what is returned to the store; until then readers keep the file that they know.
        """
        with self._lock:
            info, sha256 = self.generation.index, self.generation.index_sha256
            table = self._rows()
            published = sha256 is not None and self._index_path(self.generation.number, sha256).is_file()
            if published and not is_due(info, table.rows, table.live_count, recall, self._ladder):
                return None  # without reading the file
            base, info = self._index() or (None, None)
            if not is_due(info, table.rows, table.live_count, recall, self._ladder):
                return None
            # Adding changes the index in place. A search that still holds it drops the slots that it did not know.
            self._base = None
            index, built = build(self._file, table, base, info, recall, self._ladder, progress)
            number = self.generation.number
            temporary, sha256 = index.publish(self._index_path(number, "new"))
            place(temporary, self._index_path(number, sha256))
            self._base, self._base_sha256, self.index_problem = (index, built), sha256, None
            self.generation = replace(self.generation, rows=table.rows, index=built, index_sha256=sha256)
            return Published(built, sha256)

    def index_info(self) -> BuiltIndex | None:
        """The published index that is in use, as Faiss has it."""
        base = self._index()
        return None if base is None else described(*base)

    def drop_old_files(self, published: Published) -> None:
        """Delete index files of this generation but the committed one; `generation` may not name it: see `refresh`."""
        kept, own = self._index_path(self.generation.number, published.sha256), f"index-{self.generation.number}-"
        for path in listed(kept.parent, "index-*"):  # a pattern for each generation would stay in Python's caches
            if path.name.startswith(own) and path.name != kept.name:
                path.unlink(missing_ok=True)

    @property
    def header(self) -> VectorFileHeader:
        """What the first page of the file says."""
        return self._file.header

    def successor(self, path: Path, empty: Generation) -> LocalVectorSearch:
        """The search of another generation with the same index files' places and types."""
        return LocalVectorSearch(path, self._index_path, empty, self._ladder)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _rows(self) -> RowTable:
        with self._lock:
            rows = self.generation.rows  # a thread that appends has more, which do not count yet
            if self._table is None or self._table.rows != rows:
                self._table = RowTable.of(self._file.ids()[:rows], self._removed, self._damaged)
            return self._table

    def _index(self) -> tuple[VectorIndex, IndexInfo] | None:
        """The published index and how it was built, loaded when needed; None where `index_problem` says why not.

        Committed rows behind it are added in memory as soon as searching them one by one would be felt.
        """
        with self._lock:
            sha256, info = self.generation.index_sha256, self.generation.index
            if sha256 != self._base_sha256:
                self._base, self.index_problem = None, None
                if sha256 is not None and info is not None:
                    try:
                        path = self._index_path(self.generation.number, sha256)
                        self._base = VectorIndex.load(path, sha256, info.type, self._file.dimension, info.rows), info
                    except DamagedHomeError as error:
                        self.index_problem = error.sentence
                self._base_sha256 = sha256
            if self._base is not None and self.generation.rows - self._base[0].covers > TAIL:
                table, index = self._rows(), self._base[0]
                if table.rows == self.generation.rows:  # rows that are not committed may be taken back
                    index.add(healthy(self._file, table, index.covers, index.left_out(table)), table.rows)
            return self._base

    def _complete(self, index: VectorIndex, table: RowTable) -> None:
        """Add what has come back since the index was made, in memory, as soon as searching it would be felt."""
        if len(index.left_out(table)) > TAIL:
            with self._lock:  # another thread may have done it
                index.add(healthy(self._file, table, table.rows, index.left_out(table)), index.covers)

    def _damaged_of(self, slots: np.ndarray) -> np.ndarray:
        """Those of the answered slots that do not match their checksum, ascending; each row is looked at once."""
        sound = self._sound
        if len(sound) < self._file.rows:
            with self._lock:
                sound = np.zeros(self._file.rows, bool)
                sound[: len(self._sound)] = self._sound
                self._sound = sound
        answered: np.ndarray = slots[slots >= 0]
        answered = answered[~sound[answered]]
        if not len(answered):
            return answered
        answered = np.unique(answered)
        is_damaged = self._file.damaged(answered)
        sound[answered] = ~is_damaged
        damaged: np.ndarray = answered[is_damaged]
        return damaged

    def _subset_of(self, table: RowTable, allowed: np.ndarray) -> Subset:
        """The rows that a filter leaves; those of the last filter are kept, as one is often asked again."""
        subset = self._subset
        if subset is None or not subset.answers(table, allowed):
            subset = self._subset = Subset.of(table, allowed.copy())
        return subset

    def _search(
        self, table: RowTable, queries: np.ndarray, k: int, allowed: np.ndarray | None, exact: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        subset = None if allowed is None else self._subset_of(table, np.asarray(allowed, np.int64))
        copied = None if subset is None else subset.rows(self._file, len(queries))
        if copied is not None and is_tame(queries):
            return nearest_rows(*copied, queries, k)
        indexed = None if exact else self._index()
        if indexed is not None:
            self._complete(indexed[0], table)
        return nearest(Plan(self._file, table, subset, *(indexed or (None, None))), queries, k)
