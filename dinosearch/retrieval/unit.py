"""Vectors scaled to length one, for vectors that were computed here; embedders normalise their own."""

from __future__ import annotations

import numpy as np

_NOTHING = 1e-12  # below this a vector is rounding error and has no direction


def unit(vectors: np.ndarray) -> np.ndarray:
    """Divide vectors by their L2 length.

    Args:
        vectors: (..., d) of any real type.

    Returns:
        (..., d) float64 of unit length; a vector of length zero stays zero, it never becomes not-a-number.
    """
    vectors = np.asarray(vectors, np.float64)
    lengths = np.sqrt(np.square(vectors).sum(axis=-1, keepdims=True))
    scaled: np.ndarray = vectors / np.where(lengths > _NOTHING, lengths, 1.0)
    return scaled
