"""Which lists a search visits: the nearest, and with a filter those that are expected to hold its neighbours.

A filter leaves some lists full and others empty, and may leave only what is far from the query, which is spread over
many lists. A stored vector is the centre of its list and a rest, and the products of a query with the rests are about
normally distributed. So a list with m rows left is expected to hold m * P(product with the centre + rest > t) of those
that score above t, and t is where all the lists together hold k. No list needs to be looked at for that.

On 1,000,000 rows of the mixture of scripts/bench/vectors.py the search then has a recall@10 of 0.984 to 0.998 for
filters of 50 and 5 %, at random, of whole clusters around the queries, and of other clusters. It visits some 20 to 300
of 2,000 lists, as many as it takes; for 0.98 a fixed number has to be 30 where half the rows are left at random, 70
with 5 % around the query, 150 with 5 % at random and 300 to 500 with other clusters.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

MISSED = 0.001
"""Share of the expected neighbours in lists that are not visited. Rests are normal only roughly, so that this is not
the share that is lost: 0.003, 0.002 and 0.001 gave 0.978, 0.983 and 0.987 in the worst of the cases above."""
NEAR_SHARE = 0.2
"""Where the nearest lists, as many as a search without a filter visits, hold less than this part of the average share,
a filter has cut the neighbourhood away: the best of what is left are many and about equally far, which codes do not
tell apart (recall@10 0.47 where the nearer half of 52,000 rows of 32 numbers was gone; the share was then 0.12)."""
_HALVINGS = 9
"""Of the interval of scores, 2 wide: t is then within a twentieth of the usual spread of the rests."""


def expected_lists(
    nearness: np.ndarray, held: np.ndarray, sizes: np.ndarray, k: int, least: int, spread: float
) -> np.ndarray:
    """The lists that each query visits.

    Args:
        nearness: (n, nlist) float32 products of the queries with the centres.
        held: (nlist,) rows of each list that may be answered.
        sizes: (nlist,) all its rows.
        k: neighbours wanted.
        least: lists that are visited in any case, where so many have rows left.
        spread: standard deviation of the products with the rests.

    Returns:
        (n, m) int64 numbers of lists, those that are expected to hold most first; -1 behind the last. None at all for
        a query whose neighbourhood the filter leaves out, see `NEAR_SHARE`.
    """
    full = np.flatnonzero(held)
    if not len(full):
        return np.full((len(nearness), 1), -1, np.int64)
    rows, near = held[full].astype(np.float32), nearness[:, full] / np.float32(spread)
    # Where a filter cuts through a list, its better part may be gone: less of it is counted on, so that t is lower.
    share = rows / sizes[full]
    sure = rows * np.minimum(1, share / np.average(share, weights=rows))
    low = np.full((len(near), 1), -1 / spread, np.float32)
    high = np.full((len(near), 1), 1 / spread, np.float32)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        many = (_beyond(middle - near) @ sure)[:, None] > k
        low, high = np.where(many, middle, low), np.where(many, high, middle)
    expected = _beyond(low - near) * rows
    order = np.argsort(-expected, axis=1)
    sums = np.cumsum(np.take_along_axis(expected, order, 1), axis=1)
    needed = np.concatenate([np.zeros_like(low), sums[:, :-1]], axis=1) < (1 - MISSED) * sums[:, -1:]
    needed[:, :least] = True
    around = np.argpartition(-nearness, min(least, len(held)) - 1, axis=1)[:, :least]
    needed[held[around].sum(axis=1) * sizes.sum() < NEAR_SHARE * held.sum() * sizes[around].sum(axis=1)] = False
    most = max(1, int(needed.sum(axis=1).max()))
    return np.ascontiguousarray(np.where(needed, full[order], -1)[:, :most])


def nearest_lists(nearness: np.ndarray, nprobe: int) -> np.ndarray:
    """The lists that a search without a filter visits.

    Args:
        nearness: (n, nlist) float32 products of the queries with the centres.
        nprobe: lists to visit.

    Returns:
        (n, nprobe) int64 numbers of lists, nearest first: what comes later then seldom beats what was found.
    """
    nprobe = min(nprobe, nearness.shape[1])
    lists = np.argpartition(nearness, -nprobe, axis=1)[:, -nprobe:]
    order = np.argsort(-np.take_along_axis(nearness, lists, 1), axis=1)
    return np.ascontiguousarray(np.take_along_axis(lists, order, 1), np.int64)


def spread_of(
    lists: np.ndarray, centres: np.ndarray, read: Callable[[np.ndarray], np.ndarray], sample: int = 2048
) -> float:
    """Standard deviation of the products of stored vectors with the rests of others.

    Args:
        lists: (rows,) the list of each slot, -1 for none.
        centres: (nlist, d) float32.
        read: gives the (m, d) float32 vectors of (m,) slots, as the centres are turned.
        sample: rests looked at.
    """
    slots = np.flatnonzero(lists >= 0)
    slots = slots[:: max(1, len(slots) // sample)]
    vectors = read(slots)
    rests = vectors - centres[lists[slots]]
    products = np.einsum("qd,nd->qn", vectors[:: max(1, len(vectors) // 128)], rests)
    return max(1e-3, float(products.std()))


def _beyond(z: np.ndarray) -> np.ndarray:
    """How likely a normal number is above z: a logistic curve, wrong by less than 0.0002."""
    with np.errstate(over="ignore"):
        return np.asarray(1 / (1 + np.exp(z * (np.float32(1.5976) + np.float32(0.07056) * z * z))))
