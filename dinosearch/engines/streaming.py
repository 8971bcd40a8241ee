"""Exact search by reading every vector once and comparing here, for many queries at once."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np


def nearest(
    parts: Iterable[tuple[np.ndarray, np.ndarray]], queries: np.ndarray, k: int
) -> tuple[np.ndarray, np.ndarray]:
    """The k nearest of all rows, ties by smaller id.

    Args:
        parts: ids (m,) int64 and vectors (m, dimension) float32 of some of the rows.
        queries: (n, dimension) float32.
        k: neighbours wanted.

    Returns:
        ids (n, k) int64, -1 where there are fewer, and their inner products (n, k) float32, -inf there.
    """
    ids = np.full((len(queries), k), -1, np.int64)
    scores = np.full((len(queries), k), -np.inf, np.float32)
    for keys, rows in parts:
        for place, found in enumerate(queries @ rows.T):
            kept = np.flatnonzero(found >= scores[place, -1])
            if len(kept) > k:
                bound = np.partition(found[kept], len(kept) - k)[len(kept) - k]
                kept = kept[found[kept] >= bound]
            both_ids, both = np.append(ids[place], keys[kept]), np.append(scores[place], found[kept])
            order = np.lexsort((both_ids, -both))[:k]
            ids[place], scores[place] = both_ids[order], both[order]
    return ids, scores
