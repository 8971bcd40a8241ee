"""Pixels in memory as a file that keeps every one of them."""

from __future__ import annotations

import io
from typing import Any

from dinosearch.images.resizing import upright


def encode_png(image: Any) -> bytes:
    """An image as PNG: upright, RGB.

    Args:
        image: as for `prepare_pixels`: a Pillow image, or an array of uint8 or of floats in 0..1.

    Raises:
        TypeError, ValueError: as `prepare_pixels`.
    """
    buffer = io.BytesIO()
    upright(image)[0].save(buffer, "PNG", compress_level=1)  # it goes over the wire once: little work, not few bytes
    return buffer.getvalue()
