"""One encoded image as a small JPEG for a page, with an optional frame drawn on it; it reads no files."""

from __future__ import annotations

import io

from PIL import Image, ImageDraw

from dinosearch.images.drawing.thumbnails import thumbnail
from dinosearch.images.workers.contained import decode_apart

Box = tuple[float, float, float, float]
"""Left, top, right, bottom in pixels of the upright image."""

_QUALITY = 80
_DARK, _ACCENT = (28, 27, 25), (196, 77, 44)
# From the outside inwards, one pixel each: the dark lines keep the accent visible on any picture.
_FRAME = (_DARK, _ACCENT, _ACCENT, _ACCENT, _DARK)


def thumbnail_jpeg(data: bytes, name: str, side: int, box: Box | None = None) -> bytes:
    """Decode an image, make it small and encode it again.

    Args:
        data: the encoded image.
        name: what to call it in errors, such as its path.
        side: longest side of the result in pixels; a smaller image is not enlarged.
        box: part of the upright image that is framed in the accent colour, cut to the image; None draws nothing.

    Returns:
        JPEG, sRGB, without metadata.

    Raises:
        ImageUnreadableError: no image, or a damaged one.
    """
    image, info = decode_apart(data, name, hint=max(1, side // 2))
    small = thumbnail(image, side)
    if box is not None:
        _draw_frame(small, box, (small.width / info.width, small.height / info.height))
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=_QUALITY)
    return buffer.getvalue()


def _draw_frame(image: Image.Image, box: Box, scale: tuple[float, float]) -> None:
    """Draw a frame just inside the box; a box too small for all five lines gets those that fit."""
    left, right = _inside(box[0] * scale[0], box[2] * scale[0], image.width)
    top, bottom = _inside(box[1] * scale[1], box[3] * scale[1], image.height)
    draw = ImageDraw.Draw(image)
    for inset, colour in enumerate(_FRAME):
        if min(right - left, bottom - top) >= 2 * inset:
            draw.rectangle((left + inset, top + inset, right - inset, bottom - inset), outline=colour)


def _inside(start: float, end: float, length: int) -> tuple[int, int]:
    """First and last pixel of the span from `start` to `end`, cut to 0 .. length - 1 and at least one pixel long."""
    first = min(max(round(start), 0), length - 1)
    return first, min(max(round(end) - 1, first), length - 1)
