"""Brute force over the vector file: candidates by float32 matrix products, then one exact ranking for every plan.

It never uses an index; the index's candidates are ranked here too, so that scores are the same numbers whatever the
plan.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from dinosearch.vectors.header import BLOCK_ROWS
from dinosearch.vectors.threads import in_parallel, one_thread, split
from dinosearch.vectors.vector_file import VectorFile

# Two ways of adding up the same float32 product of unit vectors differ by less than this up to 4096 dimensions:
# whatever is this near to the k-th score stays a candidate until the exact ranking.
SLACK = np.float32(1e-5)
_CELLS = 1 << 22  # scores held at once by a thread: 16 MiB; smaller pieces are merged too often
_GATHER = 1 << 18  # numbers gathered at once by a thread: 1 MiB, so that they are multiplied while the cache holds them
_LOWEST = np.finfo(np.float32).min
_PART = 1 << 12  # rows worth a thread of their own
_ALONE = 1 << 15  # products that one thread makes from rows side by side before others would have begun (384 numbers)


class Candidates:
    """Pairs (query, slot) that may be among the k nearest, gathered piece by piece."""

    def __init__(self, queries: int, k: int) -> None:
        self.k = k
        self.floor = np.full(queries, _LOWEST, np.float32)
        self.query = np.empty(0, np.int64)
        self.slot = np.empty(0, np.int64)
        self._score = np.empty(0, np.float32)

    def offer(self, scores: np.ndarray, slots: np.ndarray) -> None:
        """Take what may still win.

        Args:
            scores: (queries, m) float32; -inf or not-a-number is never taken. May be changed.
            slots: (m,) int64.
        """
        floor = self.floor
        if scores.shape[1] > 4 * self.k and floor.min() == _LOWEST:
            scores = np.fmax(scores, _LOWEST)  # not-a-number would sort as the greatest
            floor = np.maximum(floor, np.partition(scores, -self.k, axis=1)[:, -self.k] - SLACK)
        query, column = np.nonzero((scores >= floor[:, None]) & (scores > _LOWEST))
        if len(query):
            self.merge(query, slots[column], scores[query, column])

    def merge(self, query: np.ndarray, slot: np.ndarray, score: np.ndarray) -> None:
        """Take pairs with their float32 scores."""
        query, slot = np.concatenate([self.query, query]), np.concatenate([self.slot, slot])
        score = np.concatenate([self._score, score])
        order = np.lexsort((-score, query))
        query, slot, score = query[order], slot[order], score[order]
        kth = places(query) == self.k - 1
        self.floor[query[kth]] = score[kth] - SLACK
        keep = score >= self.floor[query]
        self.query, self.slot, self._score = query[keep], slot[keep], score[keep]

    def absorb(self, other: Candidates) -> None:
        """Take the pairs that another gathered elsewhere, for the same queries."""
        self.merge(other.query, other.slot, other._score)

    def table(self) -> np.ndarray:
        """(queries, m) int64 slots of each query; -1 behind its last."""
        place = places(self.query)
        table = np.full((len(self.floor), int(place.max(initial=-1)) + 1), -1, np.int64)
        table[self.query, place] = self.slot
        return table


def scan(file: VectorFile, queries: np.ndarray, k: int, start: int, stop: int, live: np.ndarray | None) -> np.ndarray:
    """Candidates for the k nearest among the rows start..stop, found with all threads.

    Args:
        file: where the rows lie.
        queries: (n, dimension) float32.
        k: neighbours wanted; everything within `SLACK` of the k-th is kept.
        start: first slot.
        stop: slot behind the last.
        live: (rows,) bool, rows to look at; None for all.

    Returns:
        (n, m) int64 slots; -1 where a query has fewer.
    """
    step = max(1, _CELLS // (max(1, len(queries)) * BLOCK_ROWS))
    begin, end = start // BLOCK_ROWS, -(-stop // BLOCK_ROWS)

    def part(blocks: slice) -> Candidates:
        found = Candidates(len(queries), k)
        for first in range(begin + blocks.start, begin + blocks.stop, step):
            stack = file.stack(first, min(first + step, begin + blocks.stop))
            low, high = max(start, first * BLOCK_ROWS), min(stop, (first + len(stack)) * BLOCK_ROWS)
            scores = _products(queries, stack)[:, low - first * BLOCK_ROWS : high - first * BLOCK_ROWS]
            if live is not None:
                scores[:, ~live[low:high]] = -np.inf
            found.offer(scores, np.arange(low, high))
        return found

    return _gathered(part, queries, k, end - begin, _PART // BLOCK_ROWS)


def scan_slots(file: VectorFile, queries: np.ndarray, k: int, slots: np.ndarray) -> np.ndarray:
    """Like `scan`, over the given slots, (m,) int64."""
    step = max(BLOCK_ROWS, min(_GATHER // file.dimension, _CELLS // max(1, len(queries))))

    def part(chosen: slice) -> Candidates:
        found = Candidates(len(queries), k)
        for low in range(chosen.start, chosen.stop, step):
            some = slots[low : min(low + step, chosen.stop)]
            found.offer(_quiet_product(queries, file.read(some).T), some)
        return found

    return _gathered(part, queries, k, len(slots), _PART)


def scan_rows(rows: np.ndarray, slots: np.ndarray, queries: np.ndarray, k: int) -> np.ndarray:
    """Like `scan_slots`, where the (m, dimension) float32 rows of the slots are at hand."""
    step = max(BLOCK_ROWS, _CELLS // max(1, len(queries)))

    def part(chosen: slice) -> Candidates:
        found = Candidates(len(queries), k)
        for low in range(chosen.start, chosen.stop, step):
            high = min(low + step, chosen.stop)
            found.offer(_quiet_product(queries, rows[low:high].T), slots[low:high])
        return found

    return _gathered(part, queries, k, len(slots), max(_PART, _ALONE // max(1, len(queries))))


def rank(
    file: VectorFile, ids: np.ndarray, queries: np.ndarray, k: int, slots: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rank candidates by their stored vectors, in one thread.

    They are scored in float32 first; what is near enough to the k-th to be among the k is scored again in float64.

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
    chosen, values = np.full((len(queries), k), -1, np.int64), np.full((len(queries), k), -np.inf, np.float32)
    equal = np.zeros(len(queries), bool)
    step = max(1, _GATHER // max(1, slots.shape[1] * queries.shape[1]))
    for low in range(0, len(queries), step):
        part = slice(low, low + step)
        near, equal[part] = _nearest(file, queries[part], k, slots[part])
        width = min(k, near.shape[1])
        scores = products(file, queries[part].astype(np.float64), near).astype(np.float32)
        order = np.lexsort((ids[near] if len(ids) else near, -scores), axis=1)[:, :width]
        values[part, :width] = np.take_along_axis(scores, order, 1)
        chosen[part, :width] = np.where(values[part, :width] > -np.inf, np.take_along_axis(near, order, 1), -1)
    return chosen, values, equal


def products(file: VectorFile, queries: np.ndarray, slots: np.ndarray) -> np.ndarray:
    """(n, m) dot products, in the type of `queries`, with the vectors of the (n, m) slots; -inf for slot -1."""
    rows = file.read(np.maximum(slots, 0)) if file.rows else np.zeros((*slots.shape, queries.shape[1]), np.float32)
    with np.errstate(all="ignore"):  # a damaged row may hold anything; its checksum is looked at later
        scores = np.einsum("nmd,nd->nm", rows, queries)
    scores[(slots < 0) | np.isnan(scores)] = -np.inf
    return np.asarray(scores)


def places(query: np.ndarray) -> np.ndarray:
    """(m,) place of each element within its run of equal values, from 0; `query` is ascending."""
    return np.arange(len(query)) - np.searchsorted(query, query)


def _nearest(file: VectorFile, queries: np.ndarray, k: int, slots: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n, m') the candidates that may be among the k nearest, and (n,) bool whether these are all the candidates."""
    if slots.shape[1] <= k:
        return slots, np.zeros(len(slots), bool)
    scores = products(file, queries, slots)
    kth = np.partition(scores, -k, axis=1)[:, -k]
    may = (scores >= kth[:, None] - SLACK) & (slots >= 0)
    order = np.argsort(~may, axis=1, kind="stable")[:, : max(1, int(may.sum(axis=1).max()))]
    return np.where(np.take_along_axis(may, order, 1), np.take_along_axis(slots, order, 1), -1), np.asarray(
        may.all(axis=1)
    )


def _gathered(work: Callable[[slice], Candidates], queries: np.ndarray, k: int, count: int, least: int) -> np.ndarray:
    with one_thread():  # NumPy's own threads would spin on, and disturb what comes next
        parts = in_parallel(work, split(count, least, max(1, count)))
    for other in parts[1:]:
        parts[0].absorb(other)
    return parts[0].table()


def _products(queries: np.ndarray, stack: np.ndarray) -> np.ndarray:
    blocks, rows, dimension = stack.shape
    if len(queries) == 1:  # one matrix-vector product a block needs no copy
        with np.errstate(all="ignore"):
            return np.asarray(np.matmul(stack, queries[0]).reshape(1, blocks * rows))
    return _quiet_product(queries, stack.reshape(blocks * rows, dimension).T)


def _quiet_product(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    with np.errstate(all="ignore"):  # a damaged row may overflow; nothing healthy can
        return np.asarray(left @ right)
