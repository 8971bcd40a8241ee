"""Brute force over the vector file: candidates by float32 matrix products, then one exact ranking for every plan.

It never uses an index; the index's candidates are ranked here too, so that scores are the same numbers whatever the
plan.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from dinosearch.vectors.header import BLOCK_ROWS
from dinosearch.vectors.vector_file import VectorFile

# Two ways of adding up the same float32 product of unit vectors differ by less than this up to 4096 dimensions:
# whatever is this near to the k-th score stays a candidate until the exact ranking.
SLACK = np.float32(1e-5)
_CELLS = 1 << 22  # scores held at once: 16 MiB
_LOWEST = np.finfo(np.float32).min


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
        if not len(query):
            return
        query = np.concatenate([self.query, query])
        slot = np.concatenate([self.slot, slots[column]])
        score = np.concatenate([self._score, scores[query[len(self.query) :], column]])
        order = np.lexsort((-score, query))
        query, slot, score = query[order], slot[order], score[order]
        kth = places(query) == self.k - 1
        self.floor[query[kth]] = score[kth] - SLACK
        keep = score >= self.floor[query]
        self.query, self.slot, self._score = query[keep], slot[keep], score[keep]


def scan(
    file: VectorFile, queries: np.ndarray, k: int, start: int, stop: int, live: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Candidates for the k nearest among the rows start..stop, each as a pair of the arrays (query, slot).

    Args:
        file: where the rows lie.
        queries: (n, dimension) float32.
        k: neighbours wanted; everything within `SLACK` of the k-th is kept.
        start: first slot.
        stop: slot behind the last.
        live: (rows,) bool, rows to look at; None for all.
    """
    found = Candidates(len(queries), k)
    step = max(1, _CELLS // (max(1, len(queries)) * BLOCK_ROWS))
    for first in range(start // BLOCK_ROWS, -(-stop // BLOCK_ROWS), step):
        stack = file.stack(first, min(first + step, -(-stop // BLOCK_ROWS)))
        begin, end = first * BLOCK_ROWS, min(stop, (first + len(stack)) * BLOCK_ROWS)
        scores = _products(queries, stack)[:, : end - begin]
        low = max(start, begin)
        scores = scores[:, low - begin :]
        if live is not None:
            scores[:, ~live[low:end]] = -np.inf
        found.offer(scores, np.arange(low, end))
    return found.query, found.slot


def scan_slots(file: VectorFile, queries: np.ndarray, k: int, slots: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Like `scan`, over the given slots, (m,) int64."""
    found = Candidates(len(queries), k)
    step = max(BLOCK_ROWS, min(1 << 14, _CELLS // max(1, len(queries))))
    for low in range(0, len(slots), step):
        part = slots[low : low + step]
        found.offer(_quiet_product(queries, file.read(part).T), part)
    return found.query, found.slot


def rank(
    file: VectorFile, ids: np.ndarray, queries: np.ndarray, k: int, query: np.ndarray, slot: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Rank candidates by their stored vectors.

    Args:
        file: where the rows lie.
        ids: (rows,) int64 image id of each slot.
        queries: (n, dimension) float32.
        k: neighbours wanted.
        query: (m,) number of the query of each candidate.
        slot: (m,) its slot; a pair occurs once.

    Returns:
        slots: (n, k) int64, nearest first, ties by smaller id; -1 where there are fewer than k.
        scores: (n, k) float32 dot products, added up in float64; -inf where the slot is -1.
    """
    scores = np.empty(len(slot), np.float32)
    precise = queries.astype(np.float64)
    for part in _parts(len(slot), queries.shape[1]):
        rows = file.read(slot[part]).astype(np.float64)
        with np.errstate(all="ignore"):  # a damaged row may hold anything; its checksum is looked at later
            scores[part] = np.einsum("nd,nd->n", rows, precise[query[part]])
    order = np.lexsort((ids[slot], -scores, query))
    order = order[~np.isnan(scores[order])]
    query, slot, scores = query[order], slot[order], scores[order]
    place = places(query)
    kept = place < k
    slots, values = np.full((len(queries), k), -1, np.int64), np.full((len(queries), k), -np.inf, np.float32)
    slots[query[kept], place[kept]] = slot[kept]
    values[query[kept], place[kept]] = scores[kept]
    return slots, values


def places(query: np.ndarray) -> np.ndarray:
    """(m,) place of each element within its run of equal values, from 0; `query` is ascending."""
    return np.arange(len(query)) - np.searchsorted(query, query)


def _products(queries: np.ndarray, stack: np.ndarray) -> np.ndarray:
    blocks, rows, dimension = stack.shape
    if len(queries) == 1:  # one matrix-vector product a block needs no copy
        with np.errstate(all="ignore"):
            return np.asarray(np.matmul(stack, queries[0]).reshape(1, blocks * rows))
    return _quiet_product(queries, stack.reshape(blocks * rows, dimension).T)


def _quiet_product(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    with np.errstate(all="ignore"):  # a damaged row may overflow; nothing healthy can
        return np.asarray(left @ right)


def _parts(count: int, dimension: int) -> Iterator[slice]:
    step = max(1, _CELLS // dimension)
    return (slice(low, low + step) for low in range(0, count, step))
