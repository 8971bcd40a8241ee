"""The nearest neighbours of vectors by exact comparison, and DINO's vote of them; NumPy only.

Every neighbour votes for its class with exp(cosine / 0.07) (facebookresearch/dino eval_knn.py; retrieval.md 3).
"""

from __future__ import annotations

import numpy as np

NEIGHBOURS, TEMPERATURE = 20, 0.07
"""As eval_knn.py has them by default."""
_PRODUCTS = 1 << 25  # cosines in memory at a time: 128 MiB


def nearest(queries: np.ndarray, examples: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The examples nearest to each query.

    Args:
        queries: (n, dimension) float32 of unit length.
        examples: (m, dimension) the same.
        count: neighbours wanted; fewer where there are fewer examples.

    Returns:
        cosines (n, k) float32, best first, ties by place; places (n, k) int64 among the examples.
    """
    count = min(count, len(examples))
    cosines = np.empty((len(queries), count), np.float32)
    places = np.empty((len(queries), count), np.int64)
    step = max(1, _PRODUCTS // max(1, len(examples)))
    for low in range(0, len(queries), step):
        found = queries[low : low + step] @ examples.T
        if count < found.shape[1]:
            # All that tie with the last neighbour are candidates, so that the smaller place wins.
            last = np.partition(found, found.shape[1] - count, axis=1)[:, -count]
            order = np.stack([_first(row, edge, count) for row, edge in zip(found, last, strict=True)])
        else:
            order = np.argsort(-found, axis=1, kind="stable")
        places[low : low + step] = order
        cosines[low : low + step] = np.take_along_axis(found, order, axis=1)
    return cosines, places


def _first(row: np.ndarray, edge: float, count: int) -> np.ndarray:
    candidates = np.flatnonzero(row >= edge)
    return candidates[np.argsort(-row[candidates], kind="stable")[:count]]


def vote(cosines: np.ndarray, classes: np.ndarray, count: int, temperature: float) -> np.ndarray:
    """What share of its neighbours' votes each class has.

    Args:
        cosines: (n, k) of the neighbours.
        classes: (n, k) their classes, 0 .. count - 1.
        count: number of classes.
        temperature: the smaller, the more the nearest one counts.

    Returns:
        (n, count) float64; rows sum to 1.
    """
    # Relative to the best, as exp(1 / 0.005) overflows.
    weights = np.exp((cosines.astype(np.float64) - cosines.max(axis=1, keepdims=True)) / temperature)
    rows = np.repeat(np.arange(len(cosines)), cosines.shape[1])
    shares = np.bincount(rows * count + classes.ravel(), weights.ravel(), len(cosines) * count)
    return np.asarray(shares.reshape(len(cosines), count) / weights.sum(axis=1, keepdims=True))
