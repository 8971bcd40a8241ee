"""k-reciprocal re-ranking: a shortlist scored by how much its rows share their neighbourhood with the query's.

It works within the shortlist only and does not reorder anything.
"""

from __future__ import annotations

import numpy as np

from dinosearch.retrieval.unit import unit

NEIGHBOURS = 20
EXPANSION = 6
WEIGHT = 0.3
"""k1, k2 and lambda of the published experiments (zhunzhong07/person-re-ranking)."""

_STEPS = 1 << 30  # distances nearer to each other than 2^-30 are rounding errors of the same distance


def k_reciprocal(
    query: np.ndarray, vectors: np.ndarray, k1: int = NEIGHBOURS, k2: int = EXPANSION, weight: float = WEIGHT
) -> np.ndarray:
    """Score a shortlist by k-reciprocal encoding.

    Zhong et al., "Re-ranking Person Re-identification with k-reciprocal Encoding" (CVPR 2017), as in
    zhunzhong07/person-re-ranking (python-version/re_ranking_ranklist.py), over the query and its shortlist, n = m + 1:

        d(i, j)  = |x_i - x_j|^2 / max_j |x_i - x_j|^2
        R(i, k)  = {j: j among the k nearest of i and i among the k nearest of j}; i itself is in it and not counted
        R*(i)    = R(i, k1) and every R(j, k1 / 2), j in R(i, k1), of which more than two thirds lie in R(i, k1)
        V(i, j)  = exp(-d(i, j)) for j in R*(i), else 0; rows scaled to sum 1, then averaged over the k2 nearest of i
        jaccard  = 1 - sum_j min(V(q, j), V(i, j)) / sum_j max(V(q, j), V(i, j))
        score_i  = 1 - ((1 - weight) jaccard + weight d(q, i))

    Two things that the published code leaves to chance are settled: a row is always its own nearest, also among exact
    duplicates, and rows at equal distance (to 2^-30) are near in the order of the shortlist.

    Args:
        query: (d,) float32 of unit length.
        vectors: (m, d) float32 of unit length, best first; m may be 0.
        k1: neighbours that must be mutual, at least 1.
        k2: nearest rows averaged, itself included; 1 leaves this step out.
        weight: lambda, share of the original distance, 0 to 1.

    Returns:
        (m,) float32 in 0 to 1, higher is better.
    """
    rows = unit(np.concatenate([np.asarray(query)[None], vectors]))
    distances = _distances(rows)
    near = _nearest(distances, k1 + 1)
    reach = _expanded(near, k1)
    row, column = np.nonzero(reach)
    encoded = np.zeros_like(distances)
    encoded[row, column] = np.exp(-distances[row, column])
    encoded /= encoded.sum(axis=1, keepdims=True)
    closest = near[:, :k2]
    # Only where the query is not zero can a minimum be more than zero.
    shared = np.flatnonzero(reach[closest[0]].any(axis=0))
    averaged = encoded[:, shared][closest].mean(axis=1)
    overlap = np.minimum(averaged[0], averaged[1:]).sum(axis=1)
    jaccard = 1.0 - overlap / (2.0 - overlap)  # both rows sum to 1, so the maxima sum to 2 - overlap
    scores: np.ndarray = (1.0 - ((1.0 - weight) * jaccard + weight * distances[0, 1:])).astype(np.float32)
    return scores


def _distances(rows: np.ndarray) -> np.ndarray:
    """(n, n) squared distances of unit rows, each row divided by its largest, exactly 0 to itself."""
    distances = np.maximum(2.0 - 2.0 * (rows @ rows.T), 0.0)
    np.fill_diagonal(distances, 0.0)
    largest = distances.max(axis=1, keepdims=True)
    scaled: np.ndarray = distances / np.where(largest > 0, largest, 1.0)
    return scaled


def _nearest(distances: np.ndarray, k: int) -> np.ndarray:
    """(n, at most k) columns of each row, nearest first, itself at the very first, ties by smaller column."""
    # Distance and column in one integer, the distance in front: numpy's partition leaves the order of ties open, and a
    # stable sort of whole rows takes ten times as long.
    columns = np.arange(len(distances))
    keys = (np.rint(distances * _STEPS).astype(np.int64) + 1) << 32 | columns
    np.fill_diagonal(keys, columns)
    k = min(k, len(keys))
    nearest: np.ndarray = np.sort(np.partition(keys, k - 1, axis=1)[:, :k], axis=1) & 0xFFFFFFFF
    return nearest


def _expanded(near: np.ndarray, k1: int) -> np.ndarray:
    """(n, n) bool: R*(i) of every row i."""
    half = near[:, : round(k1 / 2) + 1]
    in_half = _mutual(half)
    reach = np.zeros((len(near), len(near)), bool)
    row, place = np.nonzero(_mutual(near))
    column = near[row, place]
    reach[row, column] = True
    inside = reach[row[:, None], half[column]] & in_half[column]
    joins = 3 * inside.sum(axis=1) > 2 * in_half[column].sum(axis=1)
    row, column = row[joins], column[joins]
    pair, place = np.nonzero(in_half[column])
    reach[row[pair], half[column[pair], place]] = True
    return reach


def _mutual(near: np.ndarray) -> np.ndarray:
    """(n, k) bool: whether the row stands in the list of its neighbour, too."""
    own = np.arange(len(near))[:, None, None]
    mutual: np.ndarray = (near[near] == own).any(axis=2)
    return mutual
