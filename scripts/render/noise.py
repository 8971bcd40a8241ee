"""Tileable noise tables and their fast look-up, the source of every stain, grain and cloud.

It does not decide colours; all tables come from fixed seeds.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

F = NDArray[np.float32]
SIZE = 512


@cache
def table(name: str) -> F:
    """Noise table (512, 512) float32 with values about 0..1, mean 0.5.

    'smooth' and 'rough' are spectral noise (power falls with frequency); 'cell' is the distance to the nearest of
    random points; 'white' has independent values.
    """
    rng = np.random.default_rng({"smooth": 11, "rough": 12, "cell": 13, "white": 14}[name])
    if name == "white":
        return rng.random((SIZE, SIZE), dtype=np.float32)
    if name == "cell":
        points = rng.random((700, 2), dtype=np.float32) * SIZE
        grid = np.full((SIZE, SIZE), np.inf, dtype=np.float32)
        axis = np.arange(SIZE, dtype=np.float32)
        for px, py in points:
            dx, dy = np.abs(axis - px), np.abs(axis - py)
            dx, dy = np.minimum(dx, SIZE - dx), np.minimum(dy, SIZE - dy)
            np.minimum(grid, dy[:, None] ** 2 + dx[None, :] ** 2, out=grid)
        return np.clip(np.sqrt(grid) / 20.0, 0, 1).astype(np.float32)
    freq = np.hypot(np.fft.fftfreq(SIZE)[:, None], np.fft.fftfreq(SIZE)[None, :]) * SIZE
    slope = 1.75 if name == "smooth" else 1.15
    weight = np.where((freq > 1.5) & (freq < 220), 1.0 / np.maximum(freq, 1.0) ** slope, 0.0)
    field = np.fft.ifft2(np.fft.fft2(rng.standard_normal((SIZE, SIZE))) * weight).real
    return np.clip(0.5 + 0.2 * field / field.std(), 0, 1).astype(np.float32)


def sample(name: str, u: F, v: F) -> F:
    """Bilinear look-up; the table repeats every 8 units of u and v."""
    flat = table(name).ravel()
    x, y = u * (SIZE / 8), v * (SIZE / 8)
    fx, fy = np.floor(x), np.floor(y)
    tx, ty = x - fx, y - fy
    ix, iy = fx.astype(np.int32), fy.astype(np.int32)
    x0, x1 = ix & (SIZE - 1), (ix + 1) & (SIZE - 1)
    y0, y1 = (iy & (SIZE - 1)) * SIZE, ((iy + 1) & (SIZE - 1)) * SIZE
    top = flat[y0 + x0] * (1 - tx) + flat[y0 + x1] * tx
    low = flat[y1 + x0] * (1 - tx) + flat[y1 + x1] * tx
    return np.asarray(top * (1 - ty) + low * ty, dtype=np.float32)


def per_cell(i: F, j: F, salt: int = 0) -> F:
    """One random value in 0..1 for each pair of whole numbers."""
    a = (i.astype(np.int32) + salt * 37) & (SIZE - 1)
    b = (j.astype(np.int32) * 7 + salt * 101) & (SIZE - 1)
    return table("white")[b, a]


def lumps(x: F, y: F, z: F) -> F:
    """Noise of a point in space, about -1..1, features of about a metre; for foliage and rock."""
    a = sample("smooth", x * 0.9 + y * 0.31, z * 0.9 - y * 0.47)
    b = sample("smooth", y * 0.9 + 3.1, (x + z) * 0.64)
    return (a + b - 1.0) * 1.6


def smoothstep(lo: float, hi: float, x: F) -> F:
    """0 below lo, 1 above hi, smooth between."""
    t = np.clip((x - lo) / (hi - lo), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)
