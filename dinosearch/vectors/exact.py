"""Brute force over the vector file: candidates by float32 matrix products, for the exact ranking of `ranking`.

It never uses an index.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext

import numpy as np

from dinosearch.vectors.header import BLOCK_ROWS
from dinosearch.vectors.ranking import CHOSEN, GATHER, SLACK, places, products, table_of
from dinosearch.vectors.threads import in_parallel, one_thread, split
from dinosearch.vectors.vector_file import VectorFile

_CELLS = 1 << 18  # scores held at once by a thread: 1 MiB, and some copies; four times as many gain an eighth
_LOWEST = np.finfo(np.float32).min
_FLOOR = np.nextafter(_LOWEST, np.float32(0))  # what is not above the lowest number is never taken
_PART = 1 << 12  # rows worth a thread of their own
FEW = 8  # queries up to which chosen rows are multiplied where they lie: to copy a row takes as long as 6 products


class Candidates:
    """Pairs (query, slot) that may be among the k nearest, gathered piece by piece."""

    def __init__(self, queries: int, k: int) -> None:
        self.k = k
        self.floor = np.full(queries, _FLOOR, np.float32)
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
        if scores.shape[1] > 4 * self.k and floor.min() == _FLOOR:
            np.fmax(scores, _LOWEST, out=scores)  # not-a-number would sort as the greatest
            floor = np.maximum(floor, np.partition(scores, -self.k, axis=1)[:, -self.k] - SLACK)
        # in one dimension NumPy looks for them much faster
        query, column = np.divmod(np.flatnonzero(scores >= floor[:, None]), scores.shape[1])
        if len(self.query):
            if len(query):
                self.merge(query, slots[column], scores[query, column])
        else:
            self.floor, self.query, self.slot, self._score = floor, query, slots[column], scores[query, column]

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
        return table_of(len(self.floor), self.query, self.slot)


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

    return gathered(part, end - begin, _PART // BLOCK_ROWS)


def scan_slots(file: VectorFile, queries: np.ndarray, k: int, slots: np.ndarray) -> np.ndarray:
    """Like `scan`, over the given slots, (m,) int64."""
    few = len(queries) <= FEW
    most = CHOSEN // max(1, len(queries)) if few else _CELLS // max(1, len(queries))
    step = max(BLOCK_ROWS, most if few else min(GATHER // file.dimension, most))

    def part(chosen: slice) -> Candidates:
        found = Candidates(len(queries), k)
        for low in range(chosen.start, chosen.stop, step):
            some = slots[low : min(low + step, chosen.stop)]
            if few:
                found.offer(products(file, queries, np.tile(some, (len(queries), 1))), some)
            else:
                found.offer(_quiet_product(queries, file.read(some).T), some)
        return found

    return gathered(part, len(slots), _PART, not few)


def gathered(work: Callable[[slice], Candidates], count: int, least: int, multiplies: bool = True) -> np.ndarray:
    """The candidates of all parts; `multiplies` says that NumPy does so, whose threads would spin on afterwards."""
    with one_thread() if multiplies else nullcontext():
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
