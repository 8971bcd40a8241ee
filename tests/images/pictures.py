"""Small pictures with known pixels, and their encoded bytes."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from PIL import Image


def encoded(image: Image.Image, format_: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format_, **options)
    return buffer.getvalue()


def gradient(width: int, height: int) -> np.ndarray:
    """(height, width, 3) uint8: red grows to the right, green downwards, blue is a coarse checkerboard."""
    y, x = np.mgrid[:height, :width]
    blue = ((x // 8 + y // 8) % 2) * 160
    return np.stack([x * 255 // max(width - 1, 1), y * 255 // max(height - 1, 1), blue], axis=-1).astype(np.uint8)


def corners(size: int = 32) -> np.ndarray:
    """(size, 2 size, 3) uint8 with another colour in each quarter: no turn and no mirroring leaves it as it is."""
    picture = np.empty((size, 2 * size, 3), np.uint8)
    half = size // 2
    picture[:half, :size], picture[:half, size:] = (250, 20, 20), (20, 250, 20)
    picture[half:, :size], picture[half:, size:] = (20, 20, 250), (240, 240, 30)
    return picture
