"""Other views of an upright image: turned about its centre, a part of it, or without a part."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from dinosearch.images.resize import MEAN_COLOUR


def turned(image: Image.Image, degrees: float) -> Image.Image:
    """Turn an RGB image clockwise about its centre on a canvas of its size; the corners get the mean colour."""
    if not degrees:
        return image
    return image.rotate(-degrees, Image.Resampling.BICUBIC, fillcolor=MEAN_COLOUR)


def cut_out(image: Image.Image, box: tuple[float, float, float, float]) -> Image.Image:
    """The part of an image inside a box of fractions (left, top, right, bottom); one pixel each way at least."""
    left, top = (min(int(box[i] * side), side - 1) for i, side in enumerate(image.size))
    right, bottom = (max(round(box[2 + i] * image.size[i]), low + 1) for i, low in enumerate((left, top)))
    return image.crop((left, top, right, bottom))


def painted_over(image: Image.Image, outline: np.ndarray) -> Image.Image:
    """Paint a part of an RGB image in the mean colour, which a model sees as nothing.

    Args:
        image: left as it is.
        outline: (n, 2) corners of the part as fractions of width and height; they may lie outside.
    """
    copy = image.copy()
    corners = [(float(x) * image.width, float(y) * image.height) for x, y in outline]
    ImageDraw.Draw(copy).polygon(corners, fill=MEAN_COLOUR)
    return copy
