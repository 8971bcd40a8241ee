"""SuperGlobal re-ranking: a shortlist scored again by global vectors alone. It does not reorder anything."""

from __future__ import annotations

import numpy as np

NEIGHBOURS = 9
BETA = 0.15
"""K and beta of the published re-ranking, on a shortlist of M = 400 (ShihaoShao-GH/SuperGlobal, modules/reranking)."""


def superglobal(query: np.ndarray, vectors: np.ndarray, neighbours: int = NEIGHBOURS, beta: float = BETA) -> np.ndarray:
    """Score a shortlist by refined vectors and an expanded query.

    Shao et al., "Global Features are All You Need for Image Retrieval and Reranking" (ICCV 2023), as their code has it
    (ShihaoShao-GH/SuperGlobal, modules/reranking/MDescAug.py and RerankwMDA.py):

        x^_i = (x_i + beta sum_j s_ij x_j) / (1 + beta sum_j s_ij), j over the K nearest of i within the shortlist
        S1_i = q . x^_i
        q_e  = elementwise maximum of the K + 1 refined vectors of the highest S1
        S2_i = q_e . x^_i
        score = (S1 + S2) / 2

    As published, neither x^_i nor q_e is scaled to unit length, so that scores are no cosines and may exceed 1; and the
    maximum is taken elementwise although it was made for the non-negative channels of a CNN and a ViT's are signed. One
    deviation: a neighbour of negative cosine weighs 0, because the denominator could vanish otherwise; in a shortlist
    worth re-ranking there is none.

    With m < K + 1 rows every row is refined by the m - 1 others, and q_e is the maximum over all m.

    Args:
        query: (d,) float32 of unit length.
        vectors: (m, d) float32 of unit length, the shortlist; m may be 0.
        neighbours: K, at least 0.
        beta: weight of the neighbours.

    Returns:
        (m,) float32, higher is better. The order of the shortlist matters only where rows tie in S1 at rank K + 1.
    """
    if not len(vectors):
        return np.empty(0, np.float32)
    refined = _refine(np.asarray(vectors, np.float64), neighbours, beta)
    first = refined @ np.asarray(query, np.float64)
    best = np.argsort(-first, kind="stable")[: neighbours + 1]
    second = refined @ refined[best].max(axis=0)
    scores: np.ndarray = ((first + second) / 2).astype(np.float32)
    return scores


def _refine(rows: np.ndarray, neighbours: int, beta: float) -> np.ndarray:
    count = min(neighbours, len(rows) - 1)
    if count < 1:
        return rows
    similar = rows @ rows.T
    np.fill_diagonal(similar, -np.inf)
    nearest = np.argpartition(-similar, count - 1, axis=1)[:, :count]
    weights = np.zeros_like(similar)
    np.put_along_axis(weights, nearest, beta * np.take_along_axis(similar, nearest, axis=1).clip(0.0), axis=1)
    refined: np.ndarray = (rows + weights @ rows) / (1.0 + weights.sum(axis=1, keepdims=True))
    return refined
