"""The few seams of dinosearch: what an embedder, a vector search and a progress display must offer.

It names behaviour only; `embedding`, `vectors` and `cli` fulfil it without importing each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np

from dinosearch.records import Fingerprint, Preprocessing, Published


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


class VectorSearch(Protocol):
    """Where vectors are kept and searched, keyed by image id; on one machine `dinosearch.vectors` fulfils it."""

    def count(self) -> int:
        """Rows stored, dead ones included."""
        ...

    def append(self, ids: np.ndarray, vectors: np.ndarray) -> int:
        """Store rows durably (synced to disk on return); an id stored before is superseded. Returns the new count."""
        ...

    def vectors(self, ids: np.ndarray) -> np.ndarray:
        """(n, dimension) float32 rows of the ids, in their order; KeyError names an id without a vector."""
        ...

    def search(
        self, queries: np.ndarray, k: int, *, allowed: np.ndarray | None = None, exact: bool = False
    ) -> tuple[np.ndarray, np.ndarray]:
        """Find the k nearest live vectors of each query.

        Args:
            queries: (n, dimension) float32, rows of unit length.
            k: neighbours wanted, at least 1.
            allowed: int64 ids that may be answered; None allows all that are not removed.
            exact: brute force instead of the index.

        Returns:
            ids: (n, k) int64, nearest first, ties by smaller id; -1 where fewer than k exist.
            scores: (n, k) float32 cosine similarities re-computed from the stored vectors; -inf where the id is -1.
        """
        ...

    def update_index(self, recall: float, progress: Progress | None = None) -> Published | None:
        """Bring the index up to the stored rows: add in place, or train anew when the collection has doubled."""
        ...
