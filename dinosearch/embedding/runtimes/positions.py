"""Where patches lie, for any grid of them, in NumPy: what the exported graph is given beside the pixels.

It is the same arithmetic as torch's in `families`, for programs that do not load torch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

OFFSET = 0.1  # hub/backbones.py: interpolate_offset of the models without registers


@dataclass(frozen=True)
class Positions:
    """How a model knows where a patch lies.

    Attributes:
        scheme: a name in `SCHEMES`.
        table: what is stored for it, float32.
    """

    scheme: str
    table: np.ndarray

    def cells(self, grid: tuple[int, int]) -> np.ndarray:
        """(1, h, w, c) float32 for h rows and w columns of patches."""
        return SCHEMES[self.scheme](self.table, grid)


def resized(interpolation: str, table: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    """Bring the stored grid to another size.

    Args:
        interpolation: as `TransformerConfig.interpolation`.
        table: (side, side, d) float32, the stored position embedding of the patches.
        grid: rows and columns of patches.

    Returns:
        (1, h, w, d) float32.
    """
    side = len(table)
    if grid == (side, side):
        return table[None]
    down, across = (_matrix(count, side, interpolation) for count in grid)
    return np.asarray(np.einsum("hi,wj,ijd->hwd", down, across, table, optimize=True)[None], np.float32)


def turned(periods: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    """Sines and cosines by which DINOv3 turns queries and keys, of a quarter head's angles for the row and the column.

    Args:
        periods: (head / 4,) float32.
        grid: rows and columns of patches.

    Returns:
        (1, h, w, head) float32.
    """
    rows, columns = ((np.arange(count, dtype=np.float32) + np.float32(0.5)) / count * 2 - 1 for count in grid)
    place = np.stack(np.meshgrid(rows, columns, indexing="ij"), axis=-1).astype(np.float32)
    angles = (np.float32(2 * np.pi) * place[..., None] / periods).reshape(*grid, -1)
    return np.concatenate((np.sin(angles), np.cos(angles)), axis=-1)[None]


SCHEMES: dict[str, Callable[[np.ndarray, tuple[int, int]], np.ndarray]] = {
    **{name: partial(resized, name) for name in ("offset", "antialias", "size")},
    "rotary": turned,
}
"""What makes the cells of a grid of what a model stores: bicubic resizing in three ways, or angles."""


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
