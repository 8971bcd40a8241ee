"""Rank rows by their stored vectors, so that order and scores are the same on every engine: what it found, or all."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

_CELLS = 1 << 22
"""Products held at once."""


def best(queries: np.ndarray, ids: np.ndarray, vectors: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k nearest of some rows to each query.

    Args:
        queries: (n, dimension) float32.
        ids: (m,) int64; one that comes twice counts once.
        vectors: (m, dimension) float32.
        k: neighbours wanted.

    Returns:
        ids: (n, k) int64, nearest first, ties by smaller id; -1 where there are fewer.
        scores: (n, k) float32 dot products, added up in float64; -inf where the id is -1.
    """
    ids, first = np.unique(ids, return_index=True)
    rows, (chosen, values) = vectors[first].astype(np.float64), nothing(len(queries), k)
    step = max(1, _CELLS // max(1, len(rows)))
    for low in range(0, len(queries), step):
        products = queries[low : low + step].astype(np.float64) @ rows.T
        for place, row in enumerate(products.astype(np.float32), start=low):
            # Only those that may be among the k are sorted: with thousands of rows sorting is most of the work.
            near = np.flatnonzero(row >= np.partition(row, -k)[-k]) if len(row) > k else np.arange(len(row))
            order = near[np.lexsort((ids[near], -row[near]))[:k]]
            chosen[place, : len(order)], values[place, : len(order)] = ids[order], row[order]
    return chosen, values


def merged(
    queries: np.ndarray, k: int, answers: Iterable[tuple[np.ndarray, np.ndarray]]
) -> tuple[np.ndarray, np.ndarray]:
    """The k nearest of answers of the same form to the same queries, about different ids."""
    ids, scores = nothing(len(queries), k)
    for more_ids, more_scores in answers:
        both_ids, both = np.hstack((ids, more_ids)), np.hstack((scores, more_scores))
        order = np.lexsort((both_ids, -both), axis=1)[:, :k]
        ids, scores = np.take_along_axis(both_ids, order, 1), np.take_along_axis(both, order, 1)
    return ids, scores


def nothing(queries: int, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The answer to so many queries that finds nobody."""
    return np.full((queries, k), -1, np.int64), np.full((queries, k), -np.inf, np.float32)
