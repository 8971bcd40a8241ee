"""How two sets of patch descriptors answer each other, by cosine alone.

It knows nothing of places (see `dinosearch.retrieval.geometry`) and computes no tokens. Sets may be empty. Chamfer
similarity, also known as MaxSim, is ColBERT's late interaction (Khattab and Zaharia 2020) with a mean for the sum.
"""

from __future__ import annotations

import numpy as np


def mutual_matches(a: np.ndarray, b: np.ndarray, least: float = -1.0) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of rows that are each other's nearest neighbour; of equally near ones the first counts.

    Args:
        a: (m, d) float32, rows of unit length.
        b: (n, d) float32, rows of unit length.
        least: cosine that a pair must reach.

    Returns:
        (p, 2) int64 rows of a and b, ascending, each row at most once; (p,) float32 cosines.
    """
    return mutual_pairs(finite(a) @ finite(b).T, least)


def mutual_pairs(cosines: np.ndarray, least: float = -1.0) -> tuple[np.ndarray, np.ndarray]:
    """As `mutual_matches`, from the (m, n) cosines of all pairs."""
    if 0 in cosines.shape:
        return np.empty((0, 2), dtype=np.int64), np.empty(0, dtype=np.float32)
    forth = cosines.argmax(axis=1)
    back = cosines.argmax(axis=0)
    rows = np.arange(len(cosines))
    best = cosines[rows, forth]
    kept = (back[forth] == rows) & (best >= least)
    return np.stack([rows[kept], forth[kept]], axis=1).astype(np.int64), best[kept].astype(np.float32)


def peaks(cosines: np.ndarray, pairs: np.ndarray, neighbours: np.ndarray) -> np.ndarray:
    """Where between the patches of b its pairs lie: the tops of parabolas through a cosine and its two neighbours'.

    Args:
        cosines: (m, n) of all rows of a with all rows of b.
        pairs: (p, 2) int64, rows of a and b, where b's is the nearest of a's.
        neighbours: (n, 4) int64, rows of b to the left, to the right, above and below, -1 where there is none.

    Returns:
        (p, 2) float64 from the patch in b to the right and down, -0.5..0.5 patches; 0 where a neighbour is missing.
    """
    rows, columns = pairs.T
    top, (left, right, above, below) = cosines[rows, columns].astype(np.float64), neighbours[columns].T
    offsets = np.zeros((len(pairs), 2))
    for axis, (before, after) in enumerate(((left, right), (above, below))):
        lower, upper = cosines[rows, before], cosines[rows, after]
        bend = lower - 2 * top + upper
        curved = (before >= 0) & (after >= 0) & (bend < 0)
        offsets[curved, axis] = ((lower - upper) / 2)[curved] / bend[curved]
    return offsets


def finite(rows: np.ndarray) -> np.ndarray:
    """(n, d) rows, those with a number that is not finite replaced by zeros, which are like nothing."""
    broken = ~np.isfinite(rows).all(axis=1)
    return np.where(broken[:, None], rows.dtype.type(0), rows) if broken.any() else rows


def max_sim(a: np.ndarray, b: np.ndarray, *, symmetric: bool = False) -> float:
    """Chamfer similarity of two sets: mean over the rows of a of the best cosine with a row of b.

    Args:
        a: (m, d) float32, rows of unit length.
        b: (n, d) float32, rows of unit length.
        symmetric: the mean of both directions, so that the order does not matter.

    Returns:
        A value in [-1, 1]; 0 where a set is empty.
    """
    if not len(a) or not len(b):
        return 0.0
    cosines = finite(a) @ finite(b).T
    forth = float(cosines.max(axis=1).mean(dtype=np.float64))
    return (forth + float(cosines.max(axis=0).mean(dtype=np.float64))) / 2 if symmetric else forth


def heat(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """For each row of b its best cosine with a row of a: where in b something of a is seen.

    Args:
        a: (m, d) float32, rows of unit length.
        b: (n, d) float32, rows of unit length.

    Returns:
        (n,) float32; zeros where a is empty.
    """
    if not len(a) or not len(b):
        return np.zeros(len(b), dtype=np.float32)
    best: np.ndarray = (finite(a) @ finite(b).T).max(axis=0).astype(np.float32)
    return best
