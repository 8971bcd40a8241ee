"""Pillow's antialiased bicubic resize as a product of matrices, for devices that Pillow does not run on."""

from __future__ import annotations

import numpy as np

_A = -0.5  # of Keys' cubic kernel, as Pillow has it (libImaging/Resample.c, bicubic_filter)
_SUPPORT = 2.0


def resampling(side: int, low: float, high: float, count: int) -> np.ndarray:
    """Weights that bring the part low..high of a line of pixels to another number of pixels.

    Args:
        side: pixels of the line.
        low: where the part begins, in pixels.
        high: where it ends.
        count: pixels wanted.

    Returns:
        (count, side) float32; rows add up to 1. The kernel is widened by the reduction and looks beyond the part, not
        beyond the line.
    """
    step = (high - low) / count
    width = max(step, 1.0)
    centre = low + step * (np.arange(count)[:, None] + 0.5)
    first = np.maximum(np.floor(centre - _SUPPORT * width + 0.5), 0)
    last = np.minimum(np.floor(centre + _SUPPORT * width + 0.5), side)
    place = np.arange(side)
    weights = np.where((place >= first) & (place < last), _cubic((place + 0.5 - centre) / width), 0.0)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), np.float32)


def centre_box(width: int, height: int, size: int, target: int) -> tuple[tuple[float, float], tuple[float, float]]:
    """The part of a picture that remains when its shorter side is resized to `target` and the centre is cut.

    Args:
        width: of the picture in pixels.
        height: of the picture.
        size: side of the square that is cut.
        target: length that the shorter side is resized to.

    Returns:
        (left, right) and (top, bottom), in pixels of the picture.
    """
    short = min(width, height)
    edges = []
    for side in (width, height):
        resized = target if side == short else int(target * side / short)
        start = round((resized - size) / 2)
        edges.append((start * side / resized, (start + size) * side / resized))
    return edges[0], edges[1]


def _cubic(x: np.ndarray) -> np.ndarray:
    x = np.abs(x)
    near = (_A + 2) * x**3 - (_A + 3) * x**2 + 1
    far = _A * (x**3 - 5 * x**2 + 8 * x - 4)
    return np.where(x < 1, near, np.where(x < 2, far, 0.0))
