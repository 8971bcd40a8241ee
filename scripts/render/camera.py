"""The camera: rays through jittered pixels, tone mapping, vignette and grain.

It does not know what is photographed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .light import World, radiance
from .shapes import F, Vec

TILE = 64


@dataclass(frozen=True)
class Camera:
    """Where the camera stands, where it looks, and its field of view (degrees, along the longer side)."""

    eye: Vec
    target: Vec
    view: float = 50.0
    roll: float = 0.0


def orbit(target: Vec, bearing: float, distance: float, eye_y: float, view: float = 50.0, roll: float = 0.0) -> Camera:
    """Camera at `distance` metres from the target in the direction `bearing` (0 = +z), at height eye_y."""
    a = math.radians(bearing)
    eye = (target[0] + distance * math.sin(a), eye_y, target[2] + distance * math.cos(a))
    return Camera(eye, target, view, roll)


def photograph(
    world: World, camera: Camera, width: int, height: int, oversample: int = 2, seed: int = 0
) -> NDArray[np.uint8]:
    """Picture (height, width, 3) uint8 sRGB with oversample**2 rays a pixel; grain and jitter come from `seed`."""
    w, h = width * oversample, height * oversample
    rng = np.random.default_rng(seed)
    eye, target = np.float64(camera.eye), np.float64(camera.target)
    forward = (target - eye) / np.linalg.norm(target - eye)
    right = np.cross(forward, [0.0, 1.0, 0.0])
    right /= np.linalg.norm(right)
    above = np.cross(right, forward)
    c, s = math.cos(math.radians(camera.roll)), math.sin(math.radians(camera.roll))
    right, above = c * right + s * above, c * above - s * right
    reach = math.tan(math.radians(camera.view) / 2)
    pixel = 2 * reach / max(w, h)
    linear = np.zeros((h, w, 3), np.float32)
    for y in range(0, h, TILE):
        for x in range(0, w, TILE):
            th, tw = min(TILE, h - y), min(TILE, w - x)
            jy, jx = rng.random((2, th, tw))
            gy = (y + np.arange(th)[:, None] + jy - h / 2) * -pixel
            gx = (x + np.arange(tw)[None, :] + jx - w / 2) * pixel
            ray = forward + gx[..., None] * right + gy[..., None] * above
            ray /= np.linalg.norm(ray, axis=-1, keepdims=True)
            ray = ray.reshape(-1, 3).astype(np.float32)
            origin = np.broadcast_to(eye.astype(np.float32), ray.shape)
            linear[y : y + th, x : x + tw] = radiance(world, origin, ray, pixel).reshape(th, tw, 3)
    # Highlights are limited before averaging, or single bright samples leave jagged edges.
    small = np.minimum(linear, 4.0).reshape(height, oversample, width, oversample, 3).mean(axis=(1, 3))
    return develop(small, world.light.exposure, rng)


def develop(linear: F, exposure: float, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Tone curve, vignette, a little flare and grain on a linear picture (h, w, 3)."""
    h, w, _ = linear.shape
    gy, gx = np.mgrid[-1 : 1 : h * 1j, -1 : 1 : w * 1j]
    vignette = 1 / (1 + 0.16 * (gx**2 + gy**2)) ** 1.2
    x = linear * (0.72 * exposure * vignette[..., None]) + 0.004
    curve = x * (2.51 * x + 0.03) / (x * (2.43 * x + 0.59) + 0.14)  # filmic curve, K. Narkowicz 2016
    tone = np.clip(curve, 0, 1) ** (1 / 2.2)
    grain = rng.standard_normal((h, w, 1)) * 0.010 + rng.standard_normal((h, w, 3)) * 0.006
    return np.asarray(np.clip(tone + grain * (1.15 - tone), 0, 1) * 255 + 0.5).astype(np.uint8)
