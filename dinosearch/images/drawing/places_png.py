"""Two pictures side by side with the same places numbered in both; layout only."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from dinosearch.images.drawing.look import (
    INK,
    LIGHT,
    MARGIN,
    MUTED,
    PAPER,
    TILE,
    TRACK,
    font,
    paste_rounded,
    png,
    write,
)
from dinosearch.images.drawing.overlays import PARTS
from dinosearch.images.drawing.thumbnails import display_name

# Pixels.
_WIDTH, _PADDING, _BETWEEN, _TALL, _HEADER, _NAME = 1480, 20, 90, 640, 92, 34
_INNER = _WIDTH - 2 * MARGIN
_HALF = (_INNER - 2 * _PADDING - _BETWEEN) // 2
_DISC, _RING, _LINE, _OPACITY = 12.0, 2.0, 2.0, 150
_FINE = 3  # sub-pixels per pixel and axis


def draw_places(
    pictures: tuple[Image.Image, Image.Image], names: tuple[str, str], pairs: np.ndarray, title: str, words: str
) -> bytes:
    """Draw places that correspond.

    Args:
        pictures: upright RGB of any size.
        names: file names or paths of both; of a path the last part is shown.
        pairs: (p, 4) float, x and y in the first picture, x and y in the second, as fractions; in the order of their
            numbers, from 1.
        title: one line.
        words: a second, lesser one.

    Returns:
        Encoded PNG, 1480 pixels wide; the same arguments give the same bytes.
    """
    first, second = (_fitted(picture) for picture in pictures)
    height = max(first.height, second.height) + 2 * _PADDING
    top = MARGIN + _HEADER
    sheet = Image.new("RGB", (_WIDTH, top + height + _NAME + MARGIN), PAPER)
    draw = ImageDraw.Draw(sheet)
    write(draw, (MARGIN, MARGIN - 6), title, 26, INK, _INNER)
    write(draw, (MARGIN, MARGIN + 36), words, 18, INK, _INNER)
    draw.line((MARGIN, top - 22, _WIDTH - MARGIN, top - 22), fill=TRACK, width=2)
    paste_rounded(sheet, TILE, (MARGIN, top), (_INNER, height))
    gap = max(_BETWEEN, (_INNER - first.width - second.width) // 3)
    left = MARGIN + (_INNER - first.width - gap - second.width) // 2
    corners = []
    for picture, name, x in ((first, names[0], left), (second, names[1], left + first.width + gap)):
        y = top + (height - picture.height) // 2
        sheet.paste(picture, (x, y))
        write(draw, (x, top + height + 10), display_name(name), 16, MUTED, picture.width)
        corners.append((x, y))
    ends = np.hstack(
        [
            part * picture.size + corner
            for part, picture, corner in zip((pairs[:, :2], pairs[:, 2:]), (first, second), corners, strict=True)
        ]
    )
    _draw_pairs(sheet, ends)
    return png(sheet)


def _draw_pairs(sheet: Image.Image, ends: np.ndarray) -> None:
    """Faint lines below, discs above them, numbers on top; anti-aliased."""
    layer = Image.new("RGBA", (sheet.width * _FINE, sheet.height * _FINE), (0, 0, 0, 0))
    draw = ImageDraw.Draw(layer)
    colours = [PARTS[i % len(PARTS)] for i in range(len(ends))]
    for row, colour in zip(ends, colours, strict=True):
        draw.line(
            [tuple(end) for end in (row.reshape(2, 2) * _FINE).tolist()], (*colour, _OPACITY), round(_LINE * _FINE)
        )
    for row, colour in zip(ends, colours, strict=True):
        for x, y in (row.reshape(2, 2) * _FINE).tolist():
            for radius, fill in ((_DISC + _RING, LIGHT), (_DISC, colour)):
                reach = radius * _FINE
                draw.ellipse((x - reach, y - reach, x + reach, y + reach), fill=(*fill, 255))
    small = layer.resize(sheet.size, Image.Resampling.BOX)
    sheet.paste(small, (0, 0), small)
    written = ImageDraw.Draw(sheet)
    for number, (row, colour) in enumerate(zip(ends, colours, strict=True), start=1):
        for x, y in row.reshape(2, 2).tolist():
            written.text((x, y), str(number), fill=_readable(colour), font=font(14), anchor="mm")


def _readable(colour: Sequence[int]) -> tuple[int, int, int]:
    """Dark on light colours, light on dark ones."""
    return INK if 0.2126 * colour[0] + 0.7152 * colour[1] + 0.0722 * colour[2] > 140 else LIGHT


def _fitted(picture: Image.Image) -> Image.Image:
    scale = min(_HALF / picture.width, _TALL / picture.height)
    width, height = (max(1, round(side * scale)) for side in picture.size)
    return picture.resize((width, height), Image.Resampling.LANCZOS if scale < 1 else Image.Resampling.BICUBIC)
