"""How well an index of an engine finds, measured against exact search, and how widely it must search for a recall."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

K = 10
"""The recall is that of the 10 nearest, as for an index of a folder."""
SAMPLE = 200
"""Stored vectors that are asked for their neighbours."""
_SEED = 0

Search = Callable[[np.ndarray, int], np.ndarray]
"""From queries (n, d) and k to ids (n, k)."""


def sampled(ids: np.ndarray) -> np.ndarray:
    """The ids of the vectors to ask with, ascending; the same ones for the same ids."""
    chosen: np.ndarray = np.sort(np.random.default_rng(_SEED).permutation(ids)[:SAMPLE])
    return chosen


def narrowest(
    own: np.ndarray,
    queries: np.ndarray,
    exact: Search,
    breadths: Sequence[int],
    search: Callable[[np.ndarray, int, int], np.ndarray],
    recall: float,
) -> tuple[int, float]:
    """The smallest breadth that reaches a recall, else the largest, with the recall measured.

    Args:
        own: (n,) int64 ids of the queries, which do not count as their own neighbours.
        queries: (n, d) float32.
        exact: brute force.
        breadths: rising, in the engine's unit, such as `ef_search` or `nprobe`.
        search: from queries, k and a breadth to ids (n, k).
        recall: wanted, 0..1.
    """
    truth = _others(exact(queries, K + 1), own)
    found = 0.0
    for breadth in breadths:
        found = _share(_others(search(queries, K + 1, breadth), own), truth)
        if found >= recall:
            return breadth, found
    return breadths[-1], found


def _others(ids: np.ndarray, own: np.ndarray) -> list[set[int]]:
    pairs = zip(ids.tolist(), own.tolist(), strict=True)
    return [set([i for i in row if i not in (-1, mine)][:K]) for row, mine in pairs]


def _share(found: list[set[int]], truth: list[set[int]]) -> float:
    wanted = sum(map(len, truth))
    return sum(len(a & b) for a, b in zip(found, truth, strict=True)) / wanted if wanted else 1.0
