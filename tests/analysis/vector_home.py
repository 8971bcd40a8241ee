"""Homes made of given vectors, without images: for what needs many of them, or known ones."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dinosearch import Collection
from dinosearch.collection.keeping.transfer import write_vectors
from dinosearch.records import Fingerprint


class NoEmbedder:
    """Stands for a model that is never asked."""

    batch_size = 8

    def __init__(self, checkpoint: str, dimension: int) -> None:
        weights = hashlib.sha256(checkpoint.encode()).hexdigest()
        self.fingerprint = Fingerprint(checkpoint, weights, "squash-224", "cls", dimension)


def vector_home(home: Path, vectors: np.ndarray, paths: Sequence[str] = (), checkpoint: str = "fake") -> Collection:
    """A collection whose images 1, 2, ... have these vectors, (n, d), brought to unit length here."""
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    embedder = NoEmbedder(checkpoint, vectors.shape[1])
    names = paths or [f"/photos/{home.name}/{number:06}.jpg" for number in range(1, len(vectors) + 1)]
    export = home.with_name(f"{home.name}.export")
    write_vectors(export, embedder.fingerprint, names, unit.astype(np.float32))
    collection = Collection.open(home, create=True, embedder=embedder)
    collection.import_(export)
    return collection
