"""Rank what an engine found by the stored vectors, so that scores are the same numbers on every engine."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np


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
    scores = (queries.astype(np.float64) @ vectors[first].astype(np.float64).T).astype(np.float32)
    return _first(np.broadcast_to(ids, scores.shape), scores, k)


def merged(
    queries: np.ndarray, k: int, answers: Iterable[tuple[np.ndarray, np.ndarray]]
) -> tuple[np.ndarray, np.ndarray]:
    """The k nearest of answers of the same form to the same queries, about different ids."""
    ids, scores = nothing(len(queries), k)
    for more_ids, more_scores in answers:
        ids, scores = _first(np.hstack((ids, more_ids)), np.hstack((scores, more_scores)), k)
    return ids, scores


def nothing(queries: int, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The answer to so many queries that finds nobody."""
    return np.full((queries, k), -1, np.int64), np.full((queries, k), -np.inf, np.float32)


def _first(ids: np.ndarray, scores: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    order = np.lexsort((ids, -scores), axis=1)[:, :k]
    width = order.shape[1]
    chosen, values = nothing(len(ids), k)
    chosen[:, :width], values[:, :width] = np.take_along_axis(ids, order, 1), np.take_along_axis(scores, order, 1)
    return chosen, values
