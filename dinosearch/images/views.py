"""Other views of an upright image: turned about its centre, a part of it, without a part, or drawn elsewhere."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from dinosearch.images.resizing import MEAN_COLOUR


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


def drawn_on(image: Image.Image, size: tuple[int, int], matrix: np.ndarray, side: int) -> np.ndarray:
    """Draw an RGB image onto a canvas of the mean colour that is squashed to a square.

    Args:
        image: left as it is.
        size: of the canvas in pixels, before it is squashed.
        matrix: (2, 3) from points of the image to points of the canvas, in units of their longer sides.
        side: of the square in pixels.

    Returns:
        (side, side, 3) uint8.
    """
    to_pixels = np.diag([side * max(size) / size[0], side * max(size) / size[1], 1])
    whole = to_pixels @ np.vstack([matrix, [0, 0, 1]]) @ np.diag([1 / max(image.size), 1 / max(image.size), 1])
    # Pillow's transform does not filter: what shrinks is shrunk first.
    growth = np.minimum(1, np.linalg.norm(whole[:2, :2], axis=0))
    shrunk = image.resize(
        [max(1, round(length * by)) for length, by in zip(image.size, growth, strict=True)], Image.Resampling.BICUBIC
    )
    back = np.diag([shrunk.width / image.width, shrunk.height / image.height, 1]) @ np.linalg.inv(whole)
    drawn = shrunk.transform(
        (side, side), Image.Transform.AFFINE, tuple(back[:2].ravel()), Image.Resampling.BICUBIC, fillcolor=MEAN_COLOUR
    )
    return np.array(drawn)
