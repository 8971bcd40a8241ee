"""k-means of some thousand descriptors, and how many clusters they fall into; no library is needed for so few."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dinosearch.retrieval.threads import one_thread

MOST = 14
"""Clusters that the elbow is looked for in, as Amir et al. do."""
ELBOW = 0.975
"""A further cluster has to bring the mean squared distance below this share of what it was (the same)."""
_ROUNDS, _STARTS = (
    300,
    5,
)  # of Lloyd's algorithm at most, and how often it is begun; they begin ten times at random rows
_STILL = 1e-6  # share of the spread that a round gains when it is the last


@dataclass(frozen=True)
class Clusters:
    """Centres of clusters.

    Attributes:
        centres: (k, d) float32; those of larger clusters come first.
        spread: mean squared distance of what they were made of to the nearest centre.
    """

    centres: np.ndarray
    spread: float

    def distances(self, rows: np.ndarray) -> np.ndarray:
        """(n, k) float32 squared distances of (n, d) rows to the centres."""
        return _distances(rows, self.centres)

    def labels(self, rows: np.ndarray) -> np.ndarray:
        """(n,) int64, the nearest centre of each row."""
        return np.asarray(self.distances(rows).argmin(axis=1))


def find_clusters(rows: np.ndarray, count: int, seed: int = 0) -> Clusters:
    """k-means, the best of several starts with k-means++ (Arthur and Vassilvitskii 2007).

    Args:
        rows: (n, d) float32, at least one.
        count: clusters wanted; fewer where there are fewer different rows.
        seed: of the first centres; the same seed gives the same clusters.
    """
    rng = np.random.default_rng(seed)
    with one_thread():  # sums are the same on every machine
        starts = [_moved(rows, _first_centres(rows, count, rng)) for _ in range(_STARTS if count > 1 else 1)]
    labels, centres, spread = min(starts, key=lambda start: start[2])
    order = np.argsort(-np.bincount(labels, minlength=len(centres)), kind="stable")
    return Clusters(centres[order], spread)


def find_elbow(rows: np.ndarray, elbow: float = ELBOW, seed: int = 0) -> Clusters:
    """As many clusters as the rows fall into: one more each time, until one more brings little.

    Args:
        rows: (n, d) float32, at least one.
        elbow: share of the spread before that a further cluster must get below.
        seed: as for `find_clusters`.

    Returns:
        The first clustering that did not get below it, which is what Amir et al. take, or that of `MOST` clusters.
    """
    found = find_clusters(rows, 1, seed)
    for count in range(2, MOST + 1):
        before, found = found, find_clusters(rows, count, seed)
        if found.spread >= elbow * before.spread:
            break
    return found


def _first_centres(rows: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Rows far from each other: each next one is drawn by its squared distance to those before."""
    chosen = [int(rng.integers(len(rows)))]
    near = _distances(rows, rows[chosen])[:, 0]
    while len(chosen) < count:
        # Rounding leaves equal rows a little apart.
        weights = np.where(near > 1e-6, near, 0).astype(np.float64)
        if not weights.any():
            break
        chosen.append(int(rng.choice(len(rows), p=weights / weights.sum())))
        near = np.minimum(near, _distances(rows, rows[chosen[-1:]])[:, 0])
    return rows[chosen]


def _moved(rows: np.ndarray, centres: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Lloyd's algorithm: labels, centres and spread when nothing moves any more."""
    spread, every = np.inf, np.arange(len(rows))
    for _ in range(_ROUNDS):
        squares = _distances(rows, centres)
        labels = squares.argmin(axis=1)
        before, spread = spread, float(squares[every, labels].mean(dtype=np.float64))
        if spread >= before * (1 - _STILL):
            break
        members = (labels == np.arange(len(centres))[:, None]).astype(rows.dtype)
        counts = members.sum(axis=1, keepdims=True)
        # A centre that nothing is nearest to stays where it is.
        centres = np.where(counts > 0, members @ rows / np.maximum(counts, 1), centres)
    return labels, centres, spread


def _distances(rows: np.ndarray, centres: np.ndarray) -> np.ndarray:
    lengths = (rows**2).sum(axis=1)[:, None] + (centres**2).sum(axis=1)
    squares: np.ndarray = np.maximum(lengths - 2 * rows @ centres.T, 0)
    return squares
