"""The vectors of one generation in an engine, as the collection sees them: what the metadata store says is checked.

An engine may hold rows that the store does not know, or no longer: a crash between the write there and the commit here
leaves them. They are overlooked, and more is asked for in their place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from dinosearch.errors import NoVectorError
from dinosearch.protocols import Progress, VectorEngine, VectorSearch
from dinosearch.records import BuiltIndex, Generation, ImageFacts, Published
from dinosearch.store import Filter, MetadataStore

FEW = 16_384
"""Ids that an engine is given instead of a filter that it cannot answer exactly; Milvus bounds what a search names."""
_STEP = 4096


class EngineSearch:
    """See `dinosearch.protocols.VectorSearch`; `LocalVectorSearch` has the same face.

    Args:
        engine: what holds the vectors.
        store: decides what may be answered.
        generation: the committed state.

    Attributes:
        index_problem: always None: an engine looks after its own index.
        damaged: ids of rows that the last `check` found to be no unit vectors, and that were not written since.
    """

    def __init__(self, engine: VectorEngine, store: MetadataStore, generation: Generation) -> None:
        self.generation = generation
        self.index_problem: str | None = None
        self.damaged = np.empty(0, np.int64)
        self._engine, self._store = engine, store
        self._each = int(generation.recipe.get("rows", 1))
        self._rows = self._open(generation)

    def _open(self, generation: Generation) -> VectorSearch:
        return self._engine.open(generation.number, generation.fingerprint.dimension, generation.index, self._each)

    def refresh(self, generation: Generation) -> None:
        """Follow another committed state of the same generation."""
        if generation.index != self.generation.index:
            self._rows = self._open(generation)
        self.generation = generation

    def set_removed(self, ids: np.ndarray) -> None:
        """Nothing: the store is asked with every search."""

    def ensure(self) -> None:
        self._rows.ensure()

    def upsert(self, ids: np.ndarray, vectors: np.ndarray, images: Sequence[ImageFacts] | None = None) -> int:
        """Store rows durably; returns how many have been written so far, those that others supersede included."""
        self._rows.upsert(ids, vectors, images)
        self.damaged = np.setdiff1d(self.damaged, ids)
        return self.generation.rows + len(ids)

    def delete(self, ids: np.ndarray) -> None:
        self._rows.delete(ids)
        self.damaged = np.setdiff1d(self.damaged, ids)

    def missing(self, ids: np.ndarray) -> np.ndarray:
        return self._rows.missing(ids)

    def ids(self) -> np.ndarray:
        return self._rows.ids()

    def count(self) -> int:
        return self._rows.count()

    def vectors(self, ids: np.ndarray) -> np.ndarray:
        try:
            return self._rows.vectors(np.asarray(ids, np.int64))
        except KeyError as error:
            raise NoVectorError(*error.args) from None

    found = vectors  # an engine looks after its rows itself

    def search(
        self,
        queries: np.ndarray,
        k: int,
        *,
        allowed: np.ndarray | None = None,
        where: Filter | None = None,
        exact: bool = False,
    ) -> tuple[np.ndarray, np.ndarray]:
        """See `VectorSearch.search`; every id that is answered is of an image that the store has and allows."""
        queries = np.ascontiguousarray(np.atleast_2d(queries), np.float32)
        dimension = self.generation.fingerprint.dimension
        if queries.shape[1] != dimension:
            raise ValueError(f"queries have {queries.shape[1]} numbers each, the stored vectors {dimension}")
        if k < 1:
            raise ValueError(f"k is at least 1, not {k}")
        if self._engine.joins:
            return self._rows.search(queries, k, allowed=allowed, where=where, exact=exact)
        sent = where
        if where is not None and not self._engine.filters(where):
            matching = self._store.select(where, most=FEW + 1)
            if len(matching) <= FEW:
                sent, allowed = None, matching if allowed is None else np.intersect1d(allowed, matching)
        if allowed is not None and not len(allowed):
            return np.full((len(queries), k), -1, np.int64), np.full((len(queries), k), -np.inf, np.float32)
        most, depth = self._engine.most or 1 << 62, k
        while True:  # ask deeper until k neighbours that the store allows are found, or the engine has no more
            depth = min(depth, most)
            ids, scores = self._rows.search(queries, depth, allowed=allowed, where=sent, exact=exact)
            good = np.isin(ids, self._store.live_of(np.unique(ids[ids >= 0]), where))
            kept = good.sum(axis=1)
            is_spent = (ids < 0).any(axis=1)
            if depth >= most or np.all((kept >= k) | is_spent):
                return _first(ids, scores, good, k)
            depth *= 2

    def flush(self) -> None:
        self._rows.flush()

    def update_index(self, recall: float, progress: Progress | None = None) -> Published | None:
        published = self._rows.update_index(recall, progress)
        if published is not None:
            self.generation = replace(self.generation, index=published.index, index_sha256=None)
            self._rows = self._open(self.generation)
        return published

    def index_info(self) -> BuiltIndex | None:
        return self._rows.index_info()

    def drop_old_files(self, published: Published) -> None:
        """Nothing: an engine has none."""

    @property
    def damaged_rows(self) -> int:
        return len(self.damaged)

    def check(self, progress: Progress | None = None) -> set[int]:
        """Read every row; the ids of those that are no unit vectors."""
        ids, damaged = self.ids(), set[int]()
        for low in range(0, len(ids), _STEP):
            part = ids[low : low + _STEP]
            lengths = np.linalg.norm(self.vectors(part), axis=1)
            damaged.update(part[~(np.abs(lengths - 1) < 1e-3)].tolist())
            if progress is not None:
                progress("verify", low + len(part), len(ids))
        self.damaged = np.array(sorted(damaged), np.int64)
        return damaged

    def check_index(self) -> str | None:
        """Always None: an engine looks after its own index."""
        return None

    def tidy(self) -> None:
        """Give the space of deleted rows back."""
        self._engine.tidy(self.generation.number)

    def close(self) -> None:
        self._rows.close()


def _first(ids: np.ndarray, scores: np.ndarray, good: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The first k good ones of each row, in their order."""
    order = np.argsort(~good, axis=1, kind="stable")[:, :k]
    found = np.where(np.take_along_axis(good, order, 1), np.take_along_axis(ids, order, 1), -1)
    values = np.where(found >= 0, np.take_along_axis(scores, order, 1), -np.inf).astype(np.float32)
    short = k - found.shape[1]
    if short > 0:
        found = np.pad(found, ((0, 0), (0, short)), constant_values=-1)
        values = np.pad(values, ((0, 0), (0, short)), constant_values=-np.inf)
    return found, values
