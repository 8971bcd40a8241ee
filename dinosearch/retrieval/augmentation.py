"""Database-side augmentation: every stored vector moves towards its own neighbours. It searches and stores nothing."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from dinosearch.retrieval.expansion import ALPHA, affinity
from dinosearch.retrieval.unit import unit

BLOCK_ROWS = 1024
"""Rows augmented at once: 8 MiB of float64 at 1024 dimensions."""


def augmented_blocks(
    vectors: np.ndarray,
    neighbours: np.ndarray,
    cosines: np.ndarray,
    alpha: float = ALPHA,
    block_rows: int = BLOCK_ROWS,
) -> Iterator[np.ndarray]:
    """Augment block by block; memory does not grow with the number of rows or of neighbours.

    The arrays are as for `augment`. An index over the old vectors is stale afterwards and has to be built anew.

    Yields:
        (at most block_rows, d) float32 rows of unit length, in order.
    """
    for start in range(0, len(vectors), block_rows):
        block = slice(start, start + block_rows)
        total = np.asarray(vectors[block], np.float64)
        own = np.arange(start, start + len(total))
        # Neighbour by neighbour: gathering all at once would hold k times as much.
        for near, cosine in zip(np.asarray(neighbours[block]).T, np.asarray(cosines[block]).T, strict=True):
            counts = (near >= 0) & (near != own)
            weights = np.where(counts, affinity(cosine, alpha), 0.0)
            total += weights[:, None] * vectors[np.where(counts, near, own)]
        yield unit(total).astype(np.float32)


def augment(vectors: np.ndarray, neighbours: np.ndarray, cosines: np.ndarray, alpha: float = ALPHA) -> np.ndarray:
    """Augment all rows: x_i' = L2(mean(x_i, {s_ij^alpha x_j})), j over the neighbours of i other than i.

    Query expansion of the database by itself, as expand_descriptors of naver/deep-image-retrieval does without a `db`
    (dirtorch/test_dir.py); negative cosines count 0.

    Args:
        vectors: (n, d) float32 of unit length; may be memory-mapped, it is read in blocks.
        neighbours: (n, k) int64 row numbers, -1 where there are fewer; a row among its own neighbours is left out.
        cosines: (n, k) cosines with them.
        alpha: exponent of the cosines.

    Returns:
        (n, d) float32 of unit length.
    """
    augmented = np.empty(vectors.shape, np.float32)
    start = 0
    for block in augmented_blocks(vectors, neighbours, cosines, alpha):
        augmented[start : start + len(block)] = block
        start += len(block)
    return augmented
