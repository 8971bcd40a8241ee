"""The nearest among rows that lie side by side in memory: brute force without a detour, for what a filter leaves.

Like every plan it finds candidates in float32 and settles their order and scores in float64, as `ranking` does.
"""

from __future__ import annotations

import numpy as np

from dinosearch.vectors.exact import Candidates, gathered
from dinosearch.vectors.ranking import GATHER, SLACK, products_of
from dinosearch.vectors.threads import in_parallel, split

# What is worth a thread of its own, as waking the pool takes 0.2 to 0.8 ms: about a millisecond.
_MULTIPLIED = 1 << 25  # numbers multiplied as matrices; by rows, as each thread brings those of its own into the cache
_SETTLED = 1 << 19  # numbers multiplied in float64
_CELLS = 1 << 20  # scores held at once by a thread
_LARGE = 1e15
_SURE = 24  # rows beyond k up to which all of them are scored in float64


def is_tame(queries: np.ndarray) -> bool:
    """Whether products of (n, dimension) float32 queries with unit vectors are numbers."""
    if len(queries) == 1:
        return bool(np.vdot(queries, queries) < _LARGE)
    return bool(queries.size and np.abs(queries).max() < _LARGE)


def nearest_rows(
    rows: np.ndarray, slots: np.ndarray, ids: np.ndarray, queries: np.ndarray, k: int
) -> tuple[np.ndarray, np.ndarray]:
    """The k nearest rows of each query.

    Args:
        rows: (m, dimension) float32 unit vectors.
        slots: (m,) int64 slot of each.
        ids: (m,) int64 image id of each.
        queries: (n, dimension) float32, tame.
        k: neighbours wanted.

    Returns:
        slots: (n, k) int64, nearest first, ties by smaller id; -1 where there are fewer.
        scores: (n, k) float32 dot products, added up in float64; -inf where the slot is -1.
    """
    if len(queries) == 1 and len(rows) >= k:  # forms that cost less, as a search of few rows is mostly such cost
        near = _near_one(rows, queries[0], k)
        scores = products_of(rows[None, near], queries.astype(np.float64))[0].astype(np.float32)
        order = np.lexsort((ids[near], -scores))[:k]
        return slots[near[order]][None], scores[order][None]
    width = min(k, len(rows))
    near = _near(rows, queries, width)
    scores = np.empty(near.shape, np.float32)

    def settle(some: slice) -> None:
        scores[some] = _scores(rows, queries[some], near[some])

    in_parallel(settle, split(len(queries), max(1, _SETTLED // (rows.shape[1] * near.shape[1])), len(queries)))
    line, order = np.arange(len(near))[:, None], np.lexsort((ids[near], -scores), axis=1)[:, :width]
    chosen = np.full((len(queries), k), -1, np.int64)
    values = np.full((len(queries), k), -np.inf, np.float32)
    chosen[:, :width], values[:, :width] = slots[near[line, order]], scores[line, order]
    return chosen, values


def _near_one(rows: np.ndarray, query: np.ndarray, width: int) -> np.ndarray:
    """(c,) int64 places of the rows that may be among the `width` nearest."""
    if len(rows) <= width + _SURE:
        return np.arange(len(rows))
    scores = products_of(rows[None], query[None])[0]
    parted = scores.copy()
    parted.partition(len(rows) - width)
    near: np.ndarray = (scores >= parted[len(rows) - width] - SLACK).nonzero()[0]
    return near


def _near(rows: np.ndarray, queries: np.ndarray, width: int) -> np.ndarray:
    """(n, c) int64 places of the rows that may be among the `width` nearest of each query; -1 behind its last."""
    if len(rows) <= width + _SURE:
        return np.tile(np.arange(len(rows)), (len(queries), 1))
    step = max(1, _CELLS // len(queries))

    def part(some: slice) -> Candidates:
        found = Candidates(len(queries), width)
        for low in range(some.start, some.stop, step):
            high = min(low + step, some.stop)
            found.offer(queries @ rows[low:high].T, np.arange(low, high))
        return found

    return gathered(part, len(rows), max(width, _MULTIPLIED // queries.size))


def _scores(rows: np.ndarray, queries: np.ndarray, near: np.ndarray) -> np.ndarray:
    """(n, c) float32 dot products, added up in float64; -inf for place -1."""
    exact, scores = queries.astype(np.float64), np.empty(near.shape, np.float32)
    step = max(1, GATHER // (rows.shape[1] * near.shape[1]))
    for low in range(0, len(near), step):
        some = slice(low, low + step)
        scores[some] = products_of(rows[near[some]], exact[some])
    scores[near < 0] = -np.inf
    return scores
