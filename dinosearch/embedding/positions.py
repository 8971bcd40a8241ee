"""DINOv2's position embedding for any grid of patches, in NumPy: what the exported graph is given beside the pixels.

It is the same arithmetic as torch's `interpolate` in `transformer`, for programs that do not load torch.
"""

from __future__ import annotations

import numpy as np

OFFSET = 0.1  # hub/backbones.py: interpolate_offset of the models without registers


def cells(table: np.ndarray, grid: tuple[int, int], interpolation: str) -> np.ndarray:
    """Bring the stored grid to another size.

    Args:
        table: (side, side, d) float32, the stored position embedding of the patches.
        grid: rows and columns of patches.
        interpolation: as `TransformerConfig.interpolation`.

    Returns:
        (1, h, w, d) float32.
    """
    side = len(table)
    if grid == (side, side):
        return table[None]
    down, across = (_matrix(count, side, interpolation) for count in grid)
    return np.asarray(np.einsum("hi,wj,ijd->hwd", down, across, table, optimize=True)[None], np.float32)


def _matrix(count: int, side: int, interpolation: str) -> np.ndarray:
    """(count, side) weights of the stored values: bicubic interpolation, half-pixel centres."""
    if interpolation == "antialias":
        # The kernel is widened by the reduction, its weights beyond the edge are left out and the rest sums to one.
        step = side / count
        width = max(step, 1.0)
        centre = step * (np.arange(count)[:, None] + 0.5)
        place = np.arange(side)
        first, last = (np.floor(centre + sign * 2 * width + 0.5) for sign in (-1, 1))
        weights = np.where((place >= first) & (place < last), _cubic((place + 0.5 - centre) / width, -0.5), 0.0)
        return np.asarray(weights / weights.sum(axis=1, keepdims=True))
    scale = (count + OFFSET) / side if interpolation == "offset" else count / side
    source = (np.arange(count) + 0.5) / scale - 0.5
    matrix = np.zeros((count, side))
    for shift in range(-1, 3):  # the four neighbours; those beyond the edge are the edge
        place = np.floor(source).astype(int) + shift
        np.add.at(matrix, (np.arange(count), place.clip(0, side - 1)), _cubic(source - place, -0.75))
    return matrix


def _cubic(x: np.ndarray, a: float) -> np.ndarray:
    """Keys' cubic convolution kernel (1981); torch has a = -0.75, with antialiasing -0.5 as Pillow."""
    x = np.abs(x)
    near = (a + 2) * x**3 - (a + 3) * x**2 + 1
    far = a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a
    return np.where(x <= 1, near, np.where(x < 2, far, 0.0))
