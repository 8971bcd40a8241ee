"""Maps of the plane between two images, and their least-squares fit to point pairs; wrong pairs are not its concern."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_FLAT = 1e-9  # share of the spread of points, squared, below which they lie on a line


@dataclass(frozen=True)
class Transform:
    """An affine map from points of one image to points of another.

    Attributes:
        matrix: (2, 3) float64; a point (x, y) goes to matrix @ (x, y, 1).
        inliers: (p,) bool, the pairs that agree with it.
    """

    matrix: np.ndarray
    inliers: np.ndarray

    def apply(self, points: np.ndarray) -> np.ndarray:
        """Map (n, 2) points."""
        mapped: np.ndarray = points @ self.matrix[:, :2].T + self.matrix[:, 2]
        return mapped

    def inverse(self) -> Transform:
        """The map back, with the same inliers."""
        linear = np.linalg.inv(self.matrix[:, :2])
        return Transform(np.column_stack([linear, -linear @ self.matrix[:, 2]]), self.inliers)

    @property
    def scale(self) -> float:
        """Growth of lengths; of an affine map the geometric mean over directions."""
        return float(scales(self.matrix[None])[0])

    @property
    def angle(self) -> float:
        """Rotation in degrees, -180..180, from the x axis towards the y axis: clockwise where y points down."""
        (a, b), (c, d) = self.matrix[:, :2]
        return float(np.degrees(np.arctan2(c - b, a + d)))


def scales(matrices: np.ndarray) -> np.ndarray:
    """(h,) growth of lengths of (h, 2, 3) matrices; 0 for those that reflect."""
    determinants = matrices[:, 0, 0] * matrices[:, 1, 1] - matrices[:, 0, 1] * matrices[:, 1, 0]
    growth: np.ndarray = np.sqrt(np.maximum(determinants, 0))
    return growth


def fit_similarity(a: np.ndarray, b: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The rotations, scales and shifts that bring a nearest to b, in closed form (Umeyama 1991).

    Args:
        a: (..., p, 2) points.
        b: (..., p, 2) points they are paired with; broadcasts against a.
        weights: (..., p), not negative.

    Returns:
        (..., 2, 3) matrices, NaN where fewer than two different points have a weight.
    """
    # As complex numbers a turn with a scale is one factor.
    p, q = a[..., 0] + 1j * a[..., 1], b[..., 0] + 1j * b[..., 1]
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = weights / weights.sum(axis=-1, keepdims=True)
        mean_p, mean_q = (shares * p).sum(axis=-1), (shares * q).sum(axis=-1)
        p, q = p - mean_p[..., None], q - mean_q[..., None]
        turned = shares * p.conj()
        factor = (turned * q).sum(axis=-1) / (turned * p).sum(axis=-1).real
    shift = mean_q - factor * mean_p
    rows = (factor.real, -factor.imag, shift.real, factor.imag, factor.real, shift.imag)
    matrices: np.ndarray = np.stack(rows, axis=-1).reshape(*factor.shape, 2, 3)
    return matrices


def fit_affine(a: np.ndarray, b: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The affine maps that bring a nearest to b; as `fit_similarity`, NaN where the points lie on a line."""
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = (weights / weights.sum(axis=-1, keepdims=True))[..., None]
        mean_a, mean_b = (a * shares).sum(axis=-2, keepdims=True), (b * shares).sum(axis=-2, keepdims=True)
        weighted = np.swapaxes((a - mean_a) * shares, -1, -2)
        spread, shared = weighted @ (a - mean_a), weighted @ (b - mean_b)
        usable = np.linalg.det(spread) > _FLAT * np.trace(spread, axis1=-2, axis2=-1) ** 2
    usable = usable[..., None, None]
    linear = np.swapaxes(np.linalg.solve(np.where(usable, spread, np.eye(2)), shared), -1, -2)
    shift = np.swapaxes(mean_b, -1, -2) - linear @ np.swapaxes(mean_a, -1, -2)
    return np.where(usable, np.concatenate([linear, shift], axis=-1), np.nan)
