"""Grids of descriptors whose answer is known: each place shows a thing, and each thing has a direction of its own."""

from __future__ import annotations

import numpy as np

from dinosearch.analysis.dense import DenseImage

DIMENSION = 48
NOISE = 0.02


def directions(count: int, seed: int = 0) -> np.ndarray:
    """(count, DIMENSION) float32 orthonormal rows."""
    random = np.random.default_rng(seed).normal(size=(DIMENSION, DIMENSION))
    return np.linalg.qr(random)[0][:count].astype(np.float32)


def planted(
    things: np.ndarray,
    look: np.ndarray,
    *,
    salient: np.ndarray | None = None,
    seed: int = 0,
    noise: float = NOISE,
    size: int = 10,
) -> DenseImage:
    """An image whose place shows thing `things[y, x]`, each looking like its row of `look`, with a little noise.

    Args:
        things: (h, w) int.
        look: (n, DIMENSION).
        salient: (h, w) attention of the class token; None for a model that has none.
        seed: of the noise.
        noise: its deviation.
        size: pixels of a patch.
    """
    rows, columns = things.shape
    random = np.random.default_rng(seed)
    descriptors = look[things] + random.normal(0, noise, (*things.shape, DIMENSION))
    attention = None if salient is None else (salient / max(float(salient.sum()), 1.0)).astype(np.float32)[None]
    patch = (1 / rows, 1 / columns)
    return DenseImage(f"{seed}.jpg", columns * size, rows * size, descriptors.astype(np.float32), attention, patch)


def disc(rows: int, columns: int, middle: tuple[float, float], radius: float) -> np.ndarray:
    """(rows, columns) bool."""
    y, x = np.mgrid[:rows, :columns]
    return np.asarray((y - middle[0]) ** 2 + (x - middle[1]) ** 2 <= radius**2)
