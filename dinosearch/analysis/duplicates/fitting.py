"""The exact place of one picture in another from a guess of it: least squares on pixels, from coarse to fine.

The inverse compositional way of Baker and Matthews (2004, "Lucas-Kanade 20 years on"), for affine maps; pixels that do
not fit, as of a caption that was laid over, weigh less and less.
"""

from __future__ import annotations

import numpy as np

from dinosearch.analysis.duplicates.pyramid import Pyramid, chained, drawn, inverse, level, places

COARSE = ((32, 12), (64, 10), (128, 8))
"""Sizes and the steps at each, for a guess that may be off by a tenth of a side."""
FINE = ((128, 4), (256, 6))
"""For a map that fits already."""
_OUTLYING = 0.5  # a difference of structure that weighs half
_STILL = 0.02  # pixels: a step below ends


def fitted(one: Pyramid, other: Pyramid, matrix: np.ndarray, steps: tuple[tuple[int, int], ...]) -> np.ndarray | None:
    """Improve a map from places of one picture to places of the other.

    Returns:
        (2, 3); None where nothing holds it: the pictures have no structure in common there.
    """
    for n, most in steps:
        wanted = one.even(n)
        seen = other.even(level(n, matrix))
        down, right = (part.ravel() for part in np.gradient(wanted, 2 / n))
        x, y = (axis.astype(np.float32) for axis in places(n))
        slopes = np.stack([right * x, right * y, right, down * x, down * y, down], axis=1)
        for _ in range(most):
            values, inside = drawn(seen, matrix, n)
            rest = (values - wanted).ravel()
            weighed = slopes * (inside.ravel() / (1 + (rest / _OUTLYING) ** 2))[:, None]
            normal = (weighed.T @ slopes).astype(np.float64) + 1e-5 * n * n * np.eye(6)
            a, b, c, d, e, f = np.linalg.solve(normal, (weighed.T @ rest).astype(np.float64))
            step = np.array([[1 + a, b, c], [d, 1 + e, f]])
            if not np.isfinite(step).all() or abs(np.linalg.det(step[:, :2])) < 1e-3:
                return None
            matrix = chained(matrix, inverse(step))
            if not np.isfinite(matrix).all() or np.abs(matrix).max() > 20:
                return None
            if max(map(abs, (a, b, c, d, e, f))) < _STILL / n:
                break
    return matrix
