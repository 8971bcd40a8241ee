"""Spherical k-means over a sample, one round at a time: centres of unit length, images go to the largest cosine.

Written out here and not taken from a library, because a round is the piece of work that an interrupted curation keeps,
and because the same images and seed must give the same centres on the next run.
"""

from __future__ import annotations

import numpy as np

ROUNDS = 20
"""Rounds at most; Faiss takes 10 for the lists of an index and 25 elsewhere."""
POINTS = 256
"""Images to learn a centre from, as Faiss samples them (Clustering, max_points_per_centroid)."""
NUMBERS = 1 << 26
"""Numbers of the sample at most: 256 MiB."""
_CELLS = 1 << 23  # cosines in memory: 32 MiB


def sample_size(count: int, clusters: int, dimension: int) -> int:
    """Images to learn from: enough for the clusters, as many as memory bears."""
    return min(count, POINTS * clusters, max(NUMBERS // dimension, clusters))


def nearest(vectors: np.ndarray, centres: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The centre of the largest cosine for each vector, the first of equal ones.

    Args:
        vectors: (n, d) float32.
        centres: (k, d) float32.

    Returns:
        (n,) int64 centres and (n,) float32 cosines.
    """
    chosen, cosines = np.empty(len(vectors), np.int64), np.empty(len(vectors), np.float32)
    step = max(1, _CELLS // len(centres))
    for low in range(0, len(vectors), step):
        part = slice(low, low + step)
        products = vectors[part] @ centres.T
        chosen[part] = products.argmax(axis=1)
        cosines[part] = np.take_along_axis(products, chosen[part, None], axis=1)[:, 0]
    return chosen, cosines


def improved(vectors: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """The centres after a round.

    A centre that no vector goes to takes the place of the vector that is farthest from its own.

    Args:
        vectors: (n, d) float32, at least as many as centres.
        centres: (k, d) float32.

    Returns:
        (k, d) float32 of unit length.
    """
    chosen, cosines = nearest(vectors, centres)
    order = np.argsort(chosen, kind="stable")
    found, first = np.unique(chosen[order], return_index=True)
    moved = np.zeros(centres.shape, np.float64)
    for number, start, stop in zip(found, first, [*first[1:], len(order)], strict=True):
        moved[number] = vectors[order[start:stop]].sum(axis=0, dtype=np.float64)
    lengths = np.linalg.norm(moved, axis=1)
    empty = np.flatnonzero(lengths == 0)
    moved[empty] = vectors[np.argsort(cosines, kind="stable")[: len(empty)]]
    lengths[empty] = np.linalg.norm(moved[empty], axis=1)
    return np.asarray(moved / lengths[:, None], np.float32)
