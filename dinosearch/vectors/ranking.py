"""One exact ranking for the candidates of every plan, so that scores are the same numbers whatever the plan.

Candidates are scored in float32, where they lie if they can be; the few that may be among the nearest again in float64.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from dinosearch.vectors.header import BLOCK_ROWS
from dinosearch.vectors.rows_in_place import calls_needed, products_in_place
from dinosearch.vectors.vector_file import VectorFile

# Two ways of adding up the same float32 product of unit vectors differ by less than this up to 4096 dimensions:
# whatever is this near to the k-th score stays a candidate until the exact ranking.
SLACK = np.float32(1e-5)
GATHER = 1 << 18
"""Numbers copied at once by a thread: 1 MiB, so that they are multiplied while the cache holds them."""
CAST = 1 << 15
"""Numbers made float64 at once: 256 KiB, which the cache keeps and no page of memory has to be got for."""
CHOSEN = 1 << 19
"""Rows looked at one by one in one call."""
# Each product on its own, always added up in the same way: a product of matrices would be shared among NumPy's threads.
_dots: Callable[[np.ndarray, np.ndarray], np.ndarray] = getattr(
    np, "vecdot", lambda rows, queries: np.einsum("...d,...d->...", rows, queries)
)
_SURE = 24  # candidates beyond k up to which it is quicker to score all of them in float64 at once


def rank(
    file: VectorFile, ids: np.ndarray, queries: np.ndarray, k: int, slots: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rank candidates by their stored vectors, in one thread.

    Args:
        file: where the rows lie.
        ids: (rows,) int64 image id of each slot.
        queries: (n, dimension) float32.
        k: neighbours wanted.
        slots: (n, m) int64 candidates of each query, each once; -1 for none.

    Returns:
        slots: (n, k) int64, nearest first, ties by smaller id; -1 where there are fewer than k.
        scores: (n, k) float32 dot products, added up in float64; -inf where the slot is -1.
        equal: (n,) bool, all the candidates are as near as the k-th, so that others beyond them may be as well.
    """
    near = slots if slots.shape[1] <= k + _SURE else _near(products(file, queries, slots), slots, k)
    with np.errstate(over="ignore"):  # of a damaged row
        scores = products(file, queries.astype(np.float64), near).astype(np.float32)
    width = min(k, near.shape[1])
    order = np.lexsort((ids[near] if len(ids) else near, -scores), axis=1)[:, :width]
    row = np.arange(len(queries))[:, None]
    best = scores[row, order]
    chosen, values = np.full((len(queries), k), -1, np.int64), np.full((len(queries), k), -np.inf, np.float32)
    chosen[:, :width] = np.where(best > -np.inf, near[row, order], -1)
    values[:, :width] = best
    if not k < slots.shape[1] == near.shape[1]:
        return chosen, values, np.zeros(len(queries), bool)
    return chosen, values, np.asarray(((scores >= best[:, -1:] - SLACK) & (scores > -np.inf)).all(axis=1))


def products(file: VectorFile, queries: np.ndarray, slots: np.ndarray) -> np.ndarray:
    """(n, m) dot products, in the type of `queries`, with the vectors of the (n, m) slots; -inf for slot -1.

    Not-a-number is -inf too: only a damaged row gives it.
    """
    scores = np.full(slots.shape, -np.inf, queries.dtype)
    if not slots.size or not file.rows:
        return scores
    stack = _in_place(file, slots) if queries.dtype == np.float32 else None
    step = max(1, (CHOSEN if stack is not None else GATHER // queries.shape[1]) // slots.shape[1])
    for low in range(0, len(queries), step):
        part = slice(low, low + step)
        if stack is not None:
            scores[part] = products_in_place(stack, queries[part], slots[part])
        else:
            with np.errstate(all="ignore"):  # a damaged row may hold anything; its checksum is looked at later
                values = products_of(file.read(np.maximum(slots[part], 0)), queries[part])
            values[(slots[part] < 0) | np.isnan(values)] = -np.inf
            scores[part] = values
    return scores


def products_of(rows: np.ndarray, queries: np.ndarray) -> np.ndarray:
    """(n, m) products of (n, m, dimension) rows with (n, dimension) queries, in the type of these, in one thread."""
    if rows.dtype == queries.dtype:
        return np.asarray(_dots(rows, queries[:, None]))
    products, step = np.empty(rows.shape[:2], queries.dtype), max(1, CAST // max(1, len(queries) * rows.shape[2]))
    for low in range(0, rows.shape[1], step):
        part = slice(low, low + step)
        products[:, part] = _dots(rows[:, part].astype(queries.dtype), queries[:, None])
    return products


def places(query: np.ndarray) -> np.ndarray:
    """(m,) place of each element within its run of equal values, from 0; `query` is ascending."""
    return np.arange(len(query)) - np.searchsorted(query, query)


def table_of(queries: int, query: np.ndarray, slot: np.ndarray) -> np.ndarray:
    """(queries, m) int64 the slots of each query, made of pairs in the order of queries; -1 behind its last."""
    place = places(query)
    table = np.full((queries, int(place.max(initial=-1)) + 1), -1, np.int64)
    table[query, place] = slot
    return table


def _near(scores: np.ndarray, slots: np.ndarray, k: int) -> np.ndarray:
    """(n, m') those of the (n, m) slots that may be among the k nearest by their float32 scores; -1 behind the last."""
    kth = np.partition(scores, -k, axis=1)[:, -k]
    query, column = np.nonzero((scores >= kth[:, None] - SLACK) & (slots >= 0))
    return table_of(len(slots), query, slots[query, column])


def _in_place(file: VectorFile, slots: np.ndarray) -> np.ndarray | None:
    """The blocks up to the last slot, where rows can be multiplied without a copy of them."""
    if not file.header.coding.as_they_are:
        return None
    stack = file.stack(0, max(0, int(slots.max())) // BLOCK_ROWS + 1)
    return stack if len(stack) and calls_needed(stack) else None
