"""Random variations of a picture: what another photo or copy of the same thing may look like, for calibration.

A variation is another crop, turn, slant, light and encoding of the same picture; it is never mirrored, because a
mirrored photo is not a view of the thing.
"""

from __future__ import annotations

import io
import math

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

AREA = (0.4, 1.0)
"""Share of the picture's area that is kept, before the turn; a turned crop that does not fit is made smaller."""
TURN = 15.0
"""Degrees to either side."""
STRETCH, SLANT = 0.15, 0.05
"""Natural logarithm of the change of aspect, and the shift of a corner as a share of the sides (perspective)."""
LIGHT = 0.35
"""Natural logarithm of the change of brightness, of contrast and of colour."""
BLUR = 0.008
"""Largest radius of the blur as a share of the shorter side."""
QUALITY = (30, 96)
"""JPEG quality, the second one excluded."""
OFTEN, SELDOM = 0.5, 0.1
"""How often a variation is blurred or encoded again (each on its own), and how often it is grey."""


def variation(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    """One random variation of a picture.

    Args:
        picture: upright, mode RGB; left as it is.
        rng: decides everything; the same state gives the same variation.

    Returns:
        Mode RGB, smaller than the picture by the part that was cut off.
    """
    varied = _cut(picture, rng)
    for enhance in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        varied = enhance(varied).enhance(math.exp(rng.uniform(-LIGHT, LIGHT)))
    if rng.random() < SELDOM:
        varied = varied.convert("L").convert("RGB")
    if rng.random() < OFTEN:
        varied = varied.filter(ImageFilter.GaussianBlur(rng.uniform(0, BLUR) * min(varied.size)))
    if rng.random() < OFTEN:
        varied = _encoded_again(varied, int(rng.integers(*QUALITY)))
    return varied


def _cut(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    """A crop, turned and slanted, that lies inside the picture."""
    stretch = math.exp(rng.uniform(-STRETCH, STRETCH) / 2)
    sides = np.array(picture.size) * math.sqrt(rng.uniform(*AREA)) * (stretch, 1 / stretch)
    corners = (np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) / 2 + rng.uniform(-SLANT, SLANT, (4, 2))) * sides
    angle = math.radians(rng.uniform(-TURN, TURN))
    corners = corners @ np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    fit = min(1.0, float((np.array(picture.size) / np.ptp(corners, axis=0)).min()))
    corners *= fit
    corners += rng.uniform(0, 1, 2) * (picture.size - np.ptp(corners, axis=0)) - corners.min(axis=0)
    width, height = (max(1, round(side * fit)) for side in sides)
    return picture.transform(
        (width, height),
        Image.Transform.PERSPECTIVE,
        _perspective(np.array([[0, 0], [width, 0], [width, height], [0, height]]), corners),
        Image.Resampling.BICUBIC,
    )


def _perspective(a: np.ndarray, b: np.ndarray) -> tuple[float, ...]:
    """The numbers c of x' = (c0 x + c1 y + c2) / (c6 x + c7 y + 1), y' likewise, that take four points to four.

    Each pair gives two equations that are linear in c: c0 x + c1 y + c2 - c6 x x' - c7 y x' = x', and so for y'.
    """
    rows, right = [], []
    for (x, y), (u, v) in zip(a, b, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -x * u, -y * u], [0, 0, 0, x, y, 1, -x * v, -y * v]]
        right += [u, v]
    return tuple(float(number) for number in np.linalg.solve(np.array(rows, float), np.array(right, float)))


def _encoded_again(picture: Image.Image, quality: int) -> Image.Image:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    buffer.seek(0)
    with Image.open(buffer, formats=["JPEG"]) as decoded:
        return decoded.convert("RGB")
