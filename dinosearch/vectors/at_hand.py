"""The nearest among rows that lie side by side in memory: brute force without a detour, for what a filter leaves.

Like every plan it finds candidates in float32 and settles their order and scores in float64, as `ranking` does.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from dinosearch.vectors.ranking import GATHER, SLACK, table_of
from dinosearch.vectors.threads import in_parallel, one_thread, split

_LEAST = 8  # queries that are worth a thread of their own
_CELLS = 1 << 20  # scores held at once by a thread
_LARGE = 1e15
_SURE = 24  # rows beyond k up to which all of them are scored in float64

# Each product on its own, in the thread that asks: a product of matrices would be shared among the threads of NumPy.
_dots: Callable[[np.ndarray, np.ndarray], np.ndarray] = getattr(
    np, "vecdot", lambda rows, q: np.einsum("md,d->m", rows, q)
)


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
        scores = _exact(rows[None, near], queries.astype(np.float64))[0]
        order = np.lexsort((ids[near], -scores))[:k]
        return slots[near[order]][None], scores[order][None]
    chosen = np.full((len(queries), k), -1, np.int64)
    values = np.full((len(queries), k), -np.inf, np.float32)
    width = min(k, len(rows))

    def part(some: slice) -> None:
        near = _near(rows, queries[some], width)
        scores = _scores(rows, queries[some], near)
        order = np.lexsort((ids[near], -scores), axis=1)[:, :width]
        line = np.arange(len(near))[:, None]
        chosen[some, :width], values[some, :width] = slots[near[line, order]], scores[line, order]

    with one_thread():
        in_parallel(part, split(len(queries), _LEAST, max(1, _CELLS // len(rows))))
    return chosen, values


def _near_one(rows: np.ndarray, query: np.ndarray, width: int) -> np.ndarray:
    """(c,) int64 places of the rows that may be among the `width` nearest."""
    if len(rows) <= width + _SURE:
        return np.arange(len(rows))
    scores = _dots(rows, query)
    parted = scores.copy()
    parted.partition(len(rows) - width)
    near: np.ndarray = (scores >= parted[len(rows) - width] - SLACK).nonzero()[0]
    return near


def _near(rows: np.ndarray, queries: np.ndarray, width: int) -> np.ndarray:
    """(n, c) int64 places of the rows that may be among the `width` nearest of each query; -1 behind its last."""
    if len(rows) <= width + _SURE:
        return np.tile(np.arange(len(rows)), (len(queries), 1))
    scores = queries @ rows.T
    floor = np.partition(scores, -width, axis=1)[:, -width] - SLACK
    # in one dimension NumPy looks for them much faster
    query, place = np.divmod(np.flatnonzero(scores >= floor[:, None]), len(rows))
    return table_of(len(queries), query, place)


def _scores(rows: np.ndarray, queries: np.ndarray, near: np.ndarray) -> np.ndarray:
    """(n, c) float32 dot products, added up in float64; -inf for place -1."""
    exact, scores = queries.astype(np.float64), np.empty(near.shape, np.float32)
    step = max(1, GATHER // (rows.shape[1] * near.shape[1]))
    for low in range(0, len(near), step):
        some = slice(low, low + step)
        scores[some] = _exact(rows[near[some]], exact[some])
    scores[near < 0] = -np.inf
    return scores


def _exact(rows: np.ndarray, queries: np.ndarray) -> np.ndarray:
    """(n, c) float32 products of (n, c, dimension) rows with float64 queries, in the way of `ranking.products`."""
    scores: np.ndarray = np.einsum("nmd,nd->nm", rows, queries).astype(np.float32)
    return scores
