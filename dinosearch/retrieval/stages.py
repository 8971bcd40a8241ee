"""The re-scoring stages by name, and how new scores change a ranking. It fetches no vectors and searches nothing."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from dinosearch.retrieval.manifold import manifold
from dinosearch.retrieval.reciprocal import k_reciprocal
from dinosearch.retrieval.superglobal import superglobal

Stage = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""(query (d,), shortlist (m, d) best first, its cosines (m,)) -> scores (m,) float32, finite, higher is better."""

STAGES: dict[str, Stage] = {
    "superglobal": lambda query, vectors, cosines: superglobal(query, vectors),
    "k-reciprocal": lambda query, vectors, cosines: k_reciprocal(query, vectors),
    "manifold": lambda query, vectors, cosines: manifold(query, vectors),
}
"""The first two with their published settings."""


def reorder(ids: np.ndarray, cosines: np.ndarray, scores: np.ndarray, top: int) -> np.ndarray:
    """Apply new scores to the first ranks of a ranking; no hit is ever lost or doubled.

    Args:
        ids: (m,) int64 in rank order.
        cosines: (m,) in rank order; -inf marks a place without a hit, which stays behind the hits.
        scores: one for each of the first min(top, m) ranks, higher is better.
        top: how many ranks were scored again.

    Returns:
        (m,) int64 positions in the old ranking, a permutation: the first `top` by falling score, ties by smaller id,
        then the others as they were.

    Raises:
        ValueError: the number of scores is not min(top, m), or one is not a number.
    """
    head = min(top, len(ids))
    if len(scores) != head:
        raise ValueError(f"{len(scores)} scores for the first {head} ranks")
    if np.isnan(scores).any():
        raise ValueError("a score is not a number")
    order = np.lexsort((ids[:head], -np.asarray(scores, np.float64), np.isneginf(cosines[:head])))
    return np.concatenate([order, np.arange(head, len(ids))]).astype(np.int64)
