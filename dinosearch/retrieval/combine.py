"""Several query images made into one query vector."""

from __future__ import annotations

import numpy as np

from dinosearch.errors import SettingError

# Rocchio's feedback formula weighs what is wanted more than what is not (Manning et al., Introduction to Information
# Retrieval, section 9.1.1): negatives push the query away but must not outvote the positives.
NEGATIVE_WEIGHT = 0.5


def combine(positive: np.ndarray, negative: np.ndarray | None = None) -> np.ndarray:
    """Combine query vectors: unit(mean(positive) - 0.5 mean(negative)).

    Args:
        positive: (n, d) float32, rows of unit length, n >= 1.
        negative: (m, d) float32, rows of unit length, or None.

    Returns:
        (d,) float32 of unit length; a single positive is returned as it is.

    Raises:
        SettingError: the vectors cancel out, so that no direction is left.
    """
    if len(positive) == 1 and (negative is None or not len(negative)):
        return np.ascontiguousarray(positive[0], dtype=np.float32)
    query = positive.mean(axis=0, dtype=np.float64)
    if negative is not None and len(negative):
        query = query - NEGATIVE_WEIGHT * negative.mean(axis=0, dtype=np.float64)
    length = float(np.linalg.norm(query))
    if length < 1e-6:
        raise SettingError("the query images cancel each other out; leave out one of them or a --negative")
    combined: np.ndarray = (query / length).astype(np.float32)
    return combined
