"""What is checked before anything goes over the wire: engines take what would spoil every search."""

from __future__ import annotations

import numpy as np

TOLERANCE = 1e-3
"""How far a vector's length may be from 1."""


def checked_rows(ids: np.ndarray, vectors: np.ndarray, dimension: int) -> tuple[np.ndarray, np.ndarray]:
    """The ids as int64 and the vectors as float32, both contiguous.

    Raises:
        ValueError: shapes that do not fit, an id that is negative or there twice, a vector that is not finite or not of
            unit length.
    """
    keys = np.ascontiguousarray(ids, np.int64)
    rows = np.ascontiguousarray(vectors, np.float32)
    if rows.ndim != 2 or rows.shape[1] != dimension or keys.shape != (len(rows),):
        raise ValueError(f"{np.shape(vectors)} vectors for {np.shape(ids)} ids do not fit: (n, {dimension}) for (n,)")
    if len(np.unique(keys)) != len(keys) or np.any(keys < 0):
        raise ValueError("ids are distinct and not negative")
    lengths = np.linalg.norm(rows.astype(np.float64), axis=1)
    wrong = np.flatnonzero(~(np.abs(lengths - 1) <= TOLERANCE))  # also where the length is no number
    if len(wrong):
        raise ValueError(
            f"the vector of id {keys[wrong[0]]} has length {lengths[wrong[0]]:g}; vectors are finite and of length 1"
        )
    return keys, rows


def checked_queries(queries: np.ndarray, k: int, dimension: int) -> np.ndarray:
    """(n, dimension) float32, contiguous.

    Raises:
        ValueError: another dimension, numbers that are not finite, or k below 1.
    """
    rows = np.ascontiguousarray(np.atleast_2d(queries), np.float32)
    if rows.ndim != 2 or rows.shape[1] != dimension:
        raise ValueError(f"queries have shape {np.shape(queries)}; the stored vectors have {dimension} numbers each")
    if k < 1:
        raise ValueError(f"k is at least 1, not {k}")
    if not np.isfinite(rows).all():
        raise ValueError("a query is not finite")
    return rows
