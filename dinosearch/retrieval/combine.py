"""Several query images made into one query vector."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dinosearch.errors import SettingError

# Rocchio's feedback formula weighs what is wanted more than what is not (Manning et al., Introduction to Information
# Retrieval, section 9.1.1): negatives push the query away but must not outvote the positives.
NEGATIVE_WEIGHT = 0.5


def combine(
    positive: np.ndarray,
    negative: np.ndarray | None = None,
    weights: Sequence[float] | None = None,
    negative_weights: Sequence[float] | None = None,
) -> np.ndarray:
    """Combine query vectors: unit(mean(positive) - 0.5 mean(negative)), the means weighted.

    Args:
        positive: (n, d) float32, rows of unit length, n >= 1.
        negative: (m, d) float32, rows of unit length, or None.
        weights: n positive numbers, of which only the ratios count; None for all alike.
        negative_weights: the same for the negatives.

    Returns:
        (d,) float32 of unit length; a single positive is returned as it is.

    Raises:
        SettingError: the vectors cancel out, so that no direction is left, or the weights are not as they should be.
    """
    mean, against = _mean(positive, weights), None
    if negative is not None and len(negative):
        against = _mean(negative, negative_weights)
    elif negative_weights is not None and len(negative_weights):
        raise SettingError("there are weights of negatives without negatives; leave them out")
    if len(positive) == 1 and against is None:
        return np.ascontiguousarray(positive[0], dtype=np.float32)
    query = mean if against is None else mean - NEGATIVE_WEIGHT * against
    length = float(np.linalg.norm(query))
    if length < 1e-6:
        raise SettingError("the query images cancel each other out; leave out one of them or a --negative")
    combined: np.ndarray = (query / length).astype(np.float32)
    return combined


def _mean(rows: np.ndarray, weights: Sequence[float] | None) -> np.ndarray:
    if weights is None:
        mean: np.ndarray = rows.mean(axis=0, dtype=np.float64)
        return mean
    shares = np.asarray(weights, np.float64)
    if shares.shape != (len(rows),) or not np.all(np.isfinite(shares)) or np.any(shares <= 0):
        raise SettingError(f"weights are positive numbers, one for each of the {len(rows)} images; leave them out")
    shares = shares / shares.max()  # of the largest numbers, the sum is infinite
    weighted: np.ndarray = shares @ rows.astype(np.float64) / shares.sum()
    return weighted
