"""Offline diffusion: what a random walk over the neighbour graph finds from each row, prepared before any query.

It searches nothing and keeps nothing on disk; neighbours come from the vector index, in any order of rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from dinosearch.retrieval.expansion import affinity

EDGES = 50
TRUNCATION = 1000
"""kd and the truncation size of fyang93/diffusion (rank.py); 5000 for collections of about 100,000."""
POWER = 3.0
"""Exponent of the cosines in the graph and of the query's neighbours (fyang93/diffusion, gamma)."""
DAMPING = 0.99
TOLERANCE = 1e-6
ITERATIONS = 20
"""alpha of the system and the limits of its solver (fyang93/diffusion, diffusion.py)."""


@dataclass(frozen=True)
class SparseRows:
    """Rows of an (n, n) matrix that is zero nearly everywhere, as compressed sparse rows.

    Attributes:
        indptr: (n + 1,) int64; row i lies in indptr[i] to indptr[i + 1] of the other two.
        columns: (entries,) int64, ascending within a row.
        values: (entries,) float32.
    """

    indptr: np.ndarray
    columns: np.ndarray
    values: np.ndarray

    def __len__(self) -> int:
        return len(self.indptr) - 1

    def row(self, i: int) -> tuple[np.ndarray, np.ndarray]:
        """Columns and values of row i."""
        part = slice(self.indptr[i], self.indptr[i + 1])
        return self.columns[part], self.values[part]


def prepare(
    neighbours: np.ndarray, cosines: np.ndarray, truncation: int = TRUNCATION, edges: int = EDGES
) -> SparseRows:
    """Diffuse from every row: f_i solves (I - 0.99 S) f_i = e_i on the subgraph of the rows nearest to i.

    Yang et al., "Efficient Image Retrieval via Decoupling Diffusion into Online and Offline Processing" (AAAI 2019), as
    in fyang93/diffusion: A holds max(s, 0)^3 of rows that are among the nearest of each other, S = D^-1/2 A D^-1/2 with
    the degrees D of the whole graph, and conjugate gradients stop at a residual of 1e-6 or after 20 steps, so that a
    value is near the solution's and not equal to it. As there, both `truncation` and `edges` count the row itself.

    Args:
        neighbours: (n, k) int64 row numbers, nearest first, no row twice, -1 where there are fewer; the row itself may
            be among them. With k < truncation the subgraph is what there is.
        cosines: (n, k) cosines with them.
        truncation: rows of a subgraph, at least 1.
        edges: nearest rows that may become edges of the graph, at least 1.

    Returns:
        n rows of at most `truncation` entries of 12 bytes, 12 MB for each 1000 rows of 1000; twice that while it works.
    """
    columns, weights = mutual_graph(neighbours, cosines, edges)
    found = list(diffused(0, neighbours, columns, weights, truncation))
    indptr = np.cumsum([0, *(len(row) for row, _ in found)], dtype=np.int64)
    empty = (np.empty(0, np.int64), np.empty(0, np.float32))
    all_columns, all_values = (np.concatenate(part) for part in zip(*(found or [empty]), strict=True))
    return SparseRows(indptr, all_columns, all_values)


def diffused(
    start: int, neighbours: np.ndarray, columns: np.ndarray, weights: np.ndarray, truncation: int = TRUNCATION
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """What is reached from some of the rows, for collections whose neighbours do not fit into memory.

    Args:
        start: number of the first of these rows.
        neighbours: (m, k) int64 of these rows, as for `prepare`.
        columns: of the whole graph, from `mutual_graph`.
        weights: likewise.
        truncation: as for `prepare`.

    Yields:
        For each row the rows reached, (r,) int64 ascending, and their values, (r,) float32.
    """
    position = np.full(len(columns), -1)
    for i, near in enumerate(neighbours, start):
        others = near[(near >= 0) & (near != i)][: truncation - 1]
        members = np.concatenate([[i], others]).astype(np.int64)
        position[members] = np.arange(len(members))
        local = position[columns[members]]
        # An edge to nowhere (-1) weighs nothing already; one that leaves the subgraph is cut here.
        values = _solve(local, np.where(local >= 0, weights[members], 0.0))
        position[members] = -1
        reached = np.flatnonzero(values)
        reached = reached[np.argsort(members[reached])]
        yield members[reached], values[reached].astype(np.float32)


def mutual_graph(neighbours: np.ndarray, cosines: np.ndarray, edges: int = EDGES) -> tuple[np.ndarray, np.ndarray]:
    """The normalised graph S of rows that are among the `edges` nearest of each other.

    Args:
        neighbours: as for `prepare`.
        cosines: as for `prepare`; where the two directions of an edge differ, as an inexact index may have it, their
            weights are averaged.
        edges: as for `prepare`.

    Returns:
        columns: (n, at most edges) int64, -1 where there is no neighbour.
        weights: the same shape, float64; 0 where the neighbour is not a mutual one. The matrix is symmetric.
    """
    count = len(neighbours)
    own = np.arange(count)[:, None]
    columns = np.asarray(neighbours[:, :edges], np.int64)
    columns = np.where(columns == own, -1, columns)
    columns = np.where(np.cumsum(columns >= 0, axis=1) < edges, columns, -1)
    if not columns.size:
        return columns, np.zeros(columns.shape)
    there = np.where(columns >= 0, own * count + columns, -1).ravel()
    back = np.where(columns >= 0, columns * count + own, -1).ravel()
    order = np.argsort(there)
    place = order[np.searchsorted(there, back, sorter=order).clip(max=len(order) - 1)]
    mutual = (there[place] == back) & (back >= 0)
    one_way = affinity(cosines[:, :edges], POWER).ravel()
    weights = np.where(mutual, (one_way + one_way[place]) / 2, 0.0).reshape(columns.shape)
    degrees = weights.sum(axis=1)
    scale = np.where(degrees > 0, 1.0 / np.sqrt(np.where(degrees > 0, degrees, 1.0)), 0.0)
    return columns, weights * scale[:, None] * scale[columns]


def _solve(columns: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(t,) float64: conjugate gradients for (I - 0.99 W) f = e_0; W is given as weights (t, k) at columns (t, k)."""
    solution = np.zeros(len(columns))
    residual = np.zeros(len(columns))
    residual[0] = 1.0
    direction = residual.copy()
    error = 1.0
    for _ in range(ITERATIONS):
        image = direction - DAMPING * np.einsum("tk,tk->t", weights, direction[columns])
        step = error / (direction @ image)
        solution += step * direction
        residual -= step * image
        previous, error = error, float(residual @ residual)
        if error <= TOLERANCE**2:
            break
        direction = residual + (error / previous) * direction
    return solution


def diffuse(cosines: np.ndarray, nearest: np.ndarray, rows: SparseRows) -> np.ndarray:
    """Score all database rows for a query: sum_t max(s_t, 0)^3 f_t over its nearest rows t.

    Args:
        cosines: (k,) cosines of the query with them; fyang93/diffusion takes k = 10.
        nearest: (k,) int64 row numbers, -1 where there are fewer.
        rows: from `prepare`.

    Returns:
        (n,) float32, higher is better, 0 for a row that the walk does not reach: rank those among each other by cosine.
    """
    scores = np.zeros(len(rows))
    for i, share in zip(nearest, affinity(cosines, POWER), strict=True):
        if i >= 0:
            columns, values = rows.row(i)
            scores[columns] += share * values
    return scores.astype(np.float32)
