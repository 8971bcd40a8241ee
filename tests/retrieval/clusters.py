"""Random unit vectors in clusters, what the tests of the stages work on."""

from __future__ import annotations

import numpy as np


def clustered(seed: int, rows: int, dimension: int = 16, clusters: int = 4, spread: float = 0.5) -> np.ndarray:
    """(rows, dimension) float32 of unit length, signed, in `clusters` groups."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(clusters, dimension))
    vectors = centres[rng.integers(clusters, size=rows)] + spread * rng.normal(size=(rows, dimension))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def neighbours_of(vectors: np.ndarray, k: int, own: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """The k nearest rows of every row, nearest first, and their cosines; `own` counts the row itself among them."""
    cosines = (vectors.astype(np.float64) @ vectors.T.astype(np.float64)).astype(np.float32)
    np.fill_diagonal(cosines, 2.0 if own else -np.inf)
    nearest = np.argsort(-cosines, axis=1, kind="stable")[:, :k]
    return nearest, np.minimum(np.take_along_axis(cosines, nearest, axis=1), 1.0)
