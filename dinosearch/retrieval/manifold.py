"""Ranking on the manifold of a shortlist: what many small steps between near neighbours reach. It reorders nothing."""

from __future__ import annotations

import numpy as np

NEIGHBOURS = 20
"""k: with 10 to 15 landmarks of dozens of views gain more and other things less, with 30 it is the other way round."""
DAMPING = 0.9
SHARE = 1.0
"""alpha and beta of the formula; from 0.8 to 0.95, and from 0.5 to 2, the gains are within each other's intervals."""


def manifold(
    query: np.ndarray,
    vectors: np.ndarray,
    neighbours: int = NEIGHBOURS,
    damping: float = DAMPING,
    share: float = SHARE,
) -> np.ndarray:
    """Score a shortlist by cosine and by a random walk with restart from the query.

    The system is that of Zhou et al., "Ranking on Data Manifolds" (NIPS 2003), as Iscen et al., "Efficient Diffusion on
    Region Manifolds" (CVPR 2017), solve it on a shortlist; over the query x_0 and its shortlist x_1 ... x_m:

        s_ij  = x_i . x_j
        b_ij  = max(mean of s_i. over the others, mean of s_j. over the others)
        w_ij  = max(0, (s_ij - b_ij) / (1 - b_ij)) where i is among the k nearest of j and j of i, else 0
        W     = D^-1/2 w D^-1/2, D the row sums of w
        f     = (I - alpha W)^-1 e_0
        score = s_0i + beta sqrt(f_i / max f), i and the maximum over the shortlist

    The weights are ours. Diffusion takes s^3 with published settings, by which, where all cosines are high, a stranger
    weighs nearly as much as a neighbour, so that things with two or three images are led away. Here a cosine counts by
    how far it is above what is usual in the shortlist: a row without a true neighbour has few and weak edges, and if
    there is nothing to walk to, the cosines decide. The root is taken because f falls by a factor with each step.

    Args:
        query: (d,) float32 of unit length.
        vectors: (m, d) float32 of unit length, the shortlist, in any order; m may be 0.
        neighbours: k, at least 1; rows at the same cosine as the k-th count as well.
        damping: alpha, at least 0 and below 1.
        share: beta, at least 0; 0 is the order of the cosines.

    Returns:
        (m,) float32, higher is better.
    """
    if not len(vectors):
        return np.empty(0, np.float32)
    rows = np.concatenate([np.asarray(query)[None], vectors])
    similar = rows @ rows.T
    cosines = similar[0, 1:].astype(np.float64)
    reached = _from_query(*_edges(similar, neighbours), len(rows), damping)[1:].clip(0.0)
    scores: np.ndarray = cosines + share * np.sqrt(reached / max(float(reached.max()), _SMALLEST))
    return scores.astype(np.float32)


_SMALLEST = 1e-12
"""Below it a sum, a difference or a residual is nought: there is no edge, no room above the background, no error."""


def _edges(similar: np.ndarray, neighbours: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows, columns and values of W where it is not 0, in the order of rows, from the cosines (n, n), which it spoils.

    What is made for all pairs is little and in the type of the cosines: memory that is new for every question costs
    more than the sums.
    """
    count = len(similar)
    usual = (similar.sum(axis=1, dtype=np.float64) - similar.diagonal()) / (count - 1)
    np.fill_diagonal(similar, -np.inf)
    k = min(neighbours, count - 1)
    near = similar >= np.partition(similar, count - k, axis=1)[:, count - k, None]
    both = np.flatnonzero(near & near.T)
    row, column = np.divmod(both, count)
    background = np.maximum(usual[row], usual[column])
    room = 1.0 - background
    above = similar.ravel()[both] - background
    weights = np.where(room > _SMALLEST, above / np.maximum(room, _SMALLEST), 0.0).clip(0.0, 1.0)
    degrees = np.maximum(np.bincount(row, weights, count), _SMALLEST)
    return row, column, weights / np.sqrt(degrees[row] * degrees[column])


def _from_query(row: np.ndarray, column: np.ndarray, walk: np.ndarray, count: int, damping: float) -> np.ndarray:
    """(n,) float64: f of the formula by conjugate gradients; the graph is sparse and a dense solver takes longer."""
    solution = np.zeros(count)
    begin = np.flatnonzero(np.diff(row, prepend=-1))  # of the edges of each node that has any
    nodes = row[begin]
    if not len(nodes) or nodes[0] != 0:
        solution[0] = 1.0  # nothing can be walked to
        return solution
    column, walk = np.searchsorted(nodes, column), -damping * walk
    reached, residual = np.zeros(len(nodes)), np.zeros(len(nodes))
    residual[0] = error = 1.0
    direction, steps = residual.copy(), np.empty(len(walk))
    for _ in range(count):
        direction.take(column, out=steps, mode="clip")  # any other mode copies
        steps *= walk
        image = np.add.reduceat(steps, begin)
        image += direction
        step = error / float(direction @ image)
        reached += step * direction
        image *= step
        residual -= image
        previous, error = error, float(residual @ residual)
        if error <= _SMALLEST**2:
            break
        direction *= error / previous
        direction += residual
    solution[nodes] = reached
    return solution
