"""The few seams of dinosearch: what an embedder, a vector search and a progress display must offer.

It names behaviour only; `embedding`, `vectors` and `cli` fulfil it without importing each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np

from dinosearch.records import BuiltIndex, Fingerprint, ImageFacts, IndexInfo, Preprocessing, Published


class Embedder(Protocol):
    """Turns prepared images into unit vectors; normalised here and nowhere else."""

    @property
    def fingerprint(self) -> Fingerprint: ...

    @property
    def preprocessing(self) -> Preprocessing: ...

    @property
    def patch_size(self) -> int:
        """Pixels that both sides of a prepared image are multiples of; 1 where any size will do."""
        ...

    @property
    def batch_size(self) -> int:
        """Images a forward pass takes at once, at least 1."""
        ...

    def embed(self, pixels: Sequence[np.ndarray]) -> np.ndarray:
        """Embed prepared images.

        Args:
            pixels: n arrays (h, w, 3) uint8 RGB as `dinosearch.images` prepares them; sizes may differ between images.

        Returns:
            (n, dimension) float32, rows of unit length, in the order given.
        """
        ...


@runtime_checkable
class EncodedEmbedder(Embedder, Protocol):
    """An embedder that can be given files as well, which it decodes where it computes."""

    @property
    def call_size(self) -> int:
        """Images that a call does best with, a multiple of `batch_size`."""
        ...

    def embed_encoded(self, data: Sequence[bytes]) -> Sequence[np.ndarray | None]:
        """Embed image files; any thread may call, and while one waits another's files are decoded.

        Args:
            data: n encoded images of any kind.

        Returns:
            For each its (dimension,) float32 row of unit length; None where `dinosearch.images` has to prepare it, or
            has to say what is wrong with it.
        """
        ...


@runtime_checkable
class Resting(Protocol):
    """An embedder that can give back memory between two spells of work."""

    def rest(self) -> None:
        """Give back what the next call can have anew; who embeds meanwhile is not disturbed."""
        ...


class Progress(Protocol):
    """Receives the state of long work; the command line draws it, libraries may ignore it."""

    def __call__(self, stage: str, done: int, total: int | None) -> None:
        """Report that `done` of `total` items of `stage` are finished; total is None while it is unknown."""
        ...


@runtime_checkable
class VectorSearch(Protocol):
    """Where the vectors of one generation of one kind are kept and searched, keyed by image id.

    `dinosearch.vectors` fulfils it by files on one machine, `dinosearch.engines` by servers. Searches may run in many
    threads at once; one thread writes. What the metadata store says always wins: an id that it does not know may lie
    here (a crash between a write here and the commit there) and never reaches an answer.
    """

    def ensure(self) -> None:
        """Make what the vectors are kept in, where it is missing; doing so again changes nothing."""
        ...

    def upsert(self, ids: np.ndarray, vectors: np.ndarray, images: Sequence[ImageFacts] | None = None) -> int:
        """Store rows durably, in place of any that the ids have.

        Args:
            ids: (n,) int64, distinct.
            vectors: (n, dimension) float32, finite, of unit length within 1e-3.
            images: what filters may ask of each, for engines that keep it beside the vectors.

        Returns:
            Rows there are, dead ones included, where that is known without counting; else rows written.

        Raises:
            ValueError: a vector is not finite or not of unit length; nothing is stored then.
        """
        ...

    def delete(self, ids: np.ndarray) -> None:
        """Take rows out, for good; ids without one are ignored."""
        ...

    def missing(self, ids: np.ndarray) -> np.ndarray:
        """Those of the ids that have no row here: int64, ascending."""
        ...

    def ids(self) -> np.ndarray:
        """Every id that has a row here: int64, ascending."""
        ...

    def count(self) -> int:
        """Rows stored, dead ones included where they stay."""
        ...

    def vectors(self, ids: np.ndarray) -> np.ndarray:
        """(n, dimension) float32 rows of the ids, in their order; KeyError names an id without a vector."""
        ...

    def search(
        self,
        queries: np.ndarray,
        k: int,
        *,
        allowed: np.ndarray | None = None,
        where: Any = None,
        exact: bool = False,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Find the k nearest vectors of each query.

        Args:
            queries: (n, dimension) float32, rows of unit length.
            k: neighbours wanted, at least 1.
            allowed: int64 ids that may be answered; None allows all.
            where: a parsed filter (`dinosearch.store.filters.Filter`) that answers match, where the place can filter;
                it may answer more than match, never fewer: the caller asks the store. None for all.
            exact: brute force instead of the index.

        Returns:
            ids: (n, k) int64, nearest first, ties by smaller id; -1 where fewer than k exist.
            scores: (n, k) float32 cosine similarities re-computed from the stored vectors; -inf where the id is -1.
        """
        ...

    def flush(self) -> None:
        """What was written before is found by everybody's next search on return."""
        ...

    def update_index(self, recall: float, progress: Progress | None = None) -> Published | None:
        """Build the index or bring it up to the rows, where that is worth it; None where nothing changed."""
        ...

    def index_info(self) -> BuiltIndex | None:
        """The index that is really there, read back from what holds it; None where every search is exact."""
        ...

    def close(self) -> None:
        """Let go of files and connections of its own."""
        ...


class VectorEngine(Protocol):
    """A server or library that keeps the vectors of one collection; `dinosearch.engines` has one class for each.

    It is opened by `dinosearch.engines.open_engine` and connects when it is first used.
    """

    kind: str
    """Such as `pgvector` or `milvus`; kept with every generation, so that another engine does not take it for its
    own."""

    joins: bool
    """Whether searches ask the metadata store themselves, in the same database: every id that they answer is of an
    image that can be found and matches the filter."""

    most: int | None
    """Neighbours that a search may be asked for; None without a limit."""

    parts: bool
    """Whether an image may have several rows in a generation."""

    def open(self, number: int, dimension: int, index: IndexInfo | None, each: int = 1) -> VectorSearch:
        """The vectors of a generation; asks the server nothing.

        Args:
            number: of the generation, 1, 2, ...
            dimension: numbers of a vector.
            index: what `update_index` last returned for it, which may say how widely to search.
            each: rows of an image; the ids of image i are i * each and those behind it. More than one are of parts of
                it, which may be kept at half precision. Filters are of the image.
        """
        ...

    def numbers(self) -> list[int]:
        """Generations that lie here, ascending."""
        ...

    def drop(self, number: int) -> None:
        """Delete a generation; one that is not there is ignored."""
        ...

    def filters(self, where: Any) -> bool:
        """Whether a search answers exactly what matches this filter, and not more."""
        ...

    def bytes(self, number: int | None = None) -> int | None:
        """Disk space of a generation, or of all of them; None where the engine does not say."""
        ...

    def version(self) -> str:
        """Name and version, asked of the server, such as `PostgreSQL 18.4 with pgvector 0.8.5`."""
        ...

    def tidy(self, number: int) -> None:
        """Give the space of deleted rows back, where the engine has a call for it."""
        ...

    def close(self) -> None:
        """Close all connections; closing twice is harmless."""
        ...
