"""Pictures that are the same everywhere, and how well a runtime's vectors of them agree with float32's.

Each runtime and number format is held against them with the very weights in use before it may embed anything: a
processor, a driver or a format that spoils the vectors is found out here and not in the answers.
"""

from __future__ import annotations

import numpy as np

SIDE = 224
_COUNT = 8
_SEED = 20230417


def probe_images(patch: int) -> np.ndarray:
    """(8, s, s, 3) uint8, s the multiple of the patch next to 224: smooth colour, noise of all sizes, edges."""
    side = max(1, round(SIDE / patch)) * patch
    rng = np.random.default_rng(_SEED)
    place = np.linspace(0, 1, side)
    images = np.empty((_COUNT, side, side, 3), np.uint8)
    for image in images:
        picture = np.zeros((side, side, 3))
        for waves in (1, 2, 5, 11, 23):
            turn, phase = rng.uniform(0, np.pi), rng.uniform(0, 2 * np.pi, 3)
            run = np.cos(turn) * place[:, None] + np.sin(turn) * place[None, :]
            picture += np.sin(2 * np.pi * waves * run[..., None] + phase) / waves**0.7
        for _ in range(12):
            top, left, height, width = rng.integers(0, side, 2).tolist() + rng.integers(4, side // 2, 2).tolist()
            picture[top : top + height, left : left + width] += rng.normal(0, 0.7, 3)
        picture += rng.normal(0, 0.12, picture.shape)
        image[:] = np.clip(127 + 60 * picture, 0, 255)
    return images


def agreement(vectors: np.ndarray, reference: np.ndarray) -> float:
    """Mean cosine between (n, d) rows of unit length, to six digits; 0 where a number is not finite."""
    cosines = np.einsum("nd,nd->n", vectors.astype(np.float64), reference.astype(np.float64))
    return round(float(cosines.mean()), 6) if np.isfinite(cosines).all() else 0.0
