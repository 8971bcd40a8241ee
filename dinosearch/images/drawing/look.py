"""What all drawings share: colours, type, rounded tiles and encoding; it knows neither sheets nor explanations."""

from __future__ import annotations

import base64
import functools
import io

from PIL import Image, ImageDraw, ImageFont

from dinosearch.images.drawing.thumbnails import shorten

Colour = tuple[int, int, int]
"""Red, green and blue, 0..255."""

PAPER, TILE, TRACK = (250, 249, 246), (235, 233, 228), (222, 219, 212)
"""The ground, what pictures lie on, and the empty part of a bar; a rule has the colour of the track."""
INK, MUTED = (28, 27, 25), (111, 107, 100)
"""Text and lesser text, with 16.3 and 5.0 to 1 of contrast on the paper (WCAG 2.2 asks for 4.5)."""
ACCENT, LIGHT = (196, 77, 44), (255, 255, 255)
"""What is found, and what is drawn beside it."""
MARGIN, RADIUS = 40, 8
"""Pixels around a drawing and of a tile's corners."""


def css(colour: Colour) -> str:
    """The colour as a style sheet writes it."""
    return "#" + bytes(colour).hex()


@functools.lru_cache(maxsize=16)
def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's own typeface at a size in pixels."""
    return ImageFont.load_default(size)


def write(draw: ImageDraw.ImageDraw, at: tuple[int, int], text: str, size: int, colour: Colour, width: int) -> None:
    """Write one line from its top left corner, its middle left out where it is longer than `width` pixels."""
    face = font(size)
    draw.text(at, shorten(text, lambda candidate: face.getlength(candidate) <= width), fill=colour, font=face)


def wrapped(text: str, size: int, width: int) -> list[str]:
    """The words of a text on lines of at most `width` pixels; a longer word has a line of its own."""
    lines: list[str] = []
    for word in text.split():
        if lines and font(size).getlength(f"{lines[-1]} {word}") <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def paste_rounded(
    sheet: Image.Image, picture: Image.Image | Colour, corner: tuple[int, int], box: tuple[int, int]
) -> None:
    """Centre a picture on a tile of `box` pixels with rounded corners, or fill the tile with one colour."""
    if isinstance(picture, tuple):
        tile = Image.new("RGB", box, picture)
    else:
        tile = Image.new("RGB", box, TILE)
        tile.paste(picture, ((box[0] - picture.width) // 2, (box[1] - picture.height) // 2))
    mask = Image.new("L", (box[0] * 2, box[1] * 2), 0)
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, box[0] * 2 - 1, box[1] * 2 - 1), RADIUS * 2, fill=255)
    sheet.paste(tile, corner, mask.resize(box, Image.Resampling.BILINEAR))


def png(image: Image.Image) -> bytes:
    """The picture encoded as PNG."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def jpeg_uri(image: Image.Image) -> str:
    """The picture as a JPEG inside a `data:` address."""
    buffer = io.BytesIO()
    image.convert("RGB").save(buffer, "JPEG", quality=85)
    return data_uri(buffer.getvalue(), "image/jpeg")


def data_uri(encoded: bytes, kind: str) -> str:
    """Bytes of a media type as a `data:` address."""
    return f"data:{kind};base64," + base64.b64encode(encoded).decode("ascii")


def hundredths(number: float) -> str:
    """Two decimals; adding zero turns -0.00 into 0.00."""
    return f"{round(number, 2) + 0.0:.2f}"
