"""Alpha query expansion: the query moves towards its nearest vectors. It searches nothing."""

from __future__ import annotations

import numpy as np

from dinosearch.retrieval.unit import unit

ALPHA = 3.0
"""The usual exponent of alpha query expansion (Radenovic et al., "Fine-tuning CNN Image Retrieval with No Human
Annotation", TPAMI 2019): near neighbours count, far ones hardly."""


def affinity(cosines: np.ndarray, alpha: float = ALPHA) -> np.ndarray:
    """Weights s^alpha of neighbours by their cosine s.

    Args:
        cosines: any shape; -inf (no neighbour there) and not-a-number are allowed.
        alpha: exponent, at least 0.

    Returns:
        The same shape, float64; 0 where the cosine is not positive, even for alpha = 0.
    """
    cosines = np.asarray(cosines, np.float64)
    near = cosines > 0
    weights: np.ndarray = np.where(near, np.where(near, cosines, 0.0) ** alpha, 0.0)
    return weights


def expand(query: np.ndarray, vectors: np.ndarray, cosines: np.ndarray, alpha: float = ALPHA) -> np.ndarray:
    """Expand a query: q' = L2(mean(q, s_1^alpha x_1, ..., s_k^alpha x_k)).

    The formula of naver/deep-image-retrieval (dirtorch/test_dir.py, expand_descriptors). There a negative cosine to an
    odd alpha pushes the query away from the vector; here it weighs 0.

    Args:
        query: (d,) float32 of unit length.
        vectors: (k, d) float32, its nearest vectors, of unit length; k may be 0.
        cosines: (k,) cosines of the query with them.
        alpha: exponent of the cosines; 0 weighs all neighbours like the query itself.

    Returns:
        (d,) float32 of unit length.
    """
    total = np.asarray(query, np.float64) + affinity(cosines, alpha) @ np.asarray(vectors, np.float64)
    return unit(total).astype(np.float32)
