"""Smooth random token maps sampled under known warps: an oracle for matching without a model."""

from __future__ import annotations

import numpy as np

from dinosearch.retrieval.patches import Patches, describe


class Field:
    """A smooth random function of the plane with values in R^d: random Fourier features of limited frequency.

    Args:
        seed: another seed, another field.
        dimension: d.
        wavelength: of the fastest wave, in units of the image's longer side; neighbours on a grid finer than that are
            alike, as neighbouring tokens are.
    """

    def __init__(self, seed: int, dimension: int = 64, wavelength: float = 0.15) -> None:
        rng = np.random.default_rng(seed)
        radius = 2 * np.pi / wavelength * np.sqrt(rng.random((dimension, 6)))
        angle = rng.random((dimension, 6)) * 2 * np.pi
        self._waves = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=-1)
        self._phases = rng.random((dimension, 6)) * 2 * np.pi

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """(n, d) values at (n, 2) points."""
        return np.cos(np.einsum("nk,dwk->ndw", points, self._waves) + self._phases).sum(axis=-1)


def similarity_matrix(degrees: float, scale: float, shift: tuple[float, float] = (0.0, 0.0)) -> np.ndarray:
    """(2, 3): turn and resize about (0.5, 0.5), then shift."""
    cosine, sine = scale * np.cos(np.radians(degrees)), scale * np.sin(np.radians(degrees))
    linear = np.array([[cosine, -sine], [sine, cosine]])
    centre = np.array([0.5, 0.5])
    return np.column_stack([linear, centre + shift - linear @ centre])


def view(
    field: Field,
    matrix: np.ndarray | None = None,
    grid: int = 16,
    noise: float = 0.5,
    seed: int = 0,
    aspect: float = 1.0,
) -> Patches:
    """Patches of an image that shows the field as warped by `matrix` (field coordinates to image coordinates).

    Args:
        noise: standard deviation, where that of the field is about 1.7.
        aspect: height over width.
    """
    width, height = 1000, round(1000 * aspect)
    places = describe(np.ones((grid, grid, 1)), width, height)
    matrix = np.eye(2, 3) if matrix is None else matrix
    seen = (places.points - matrix[:, 2]) @ np.linalg.inv(matrix[:, :2]).T
    tokens = field(seen) + noise * np.random.default_rng(seed).normal(size=(grid * grid, field(seen[:1]).shape[1]))
    return describe(tokens.reshape(grid, grid, -1), width, height)
