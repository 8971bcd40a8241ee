"""Columns of pictures under a title, each a photo with what was made of it below; layout only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

from dinosearch.images.drawing.heat_map import heat_bar
from dinosearch.images.drawing.look import (
    INK,
    MARGIN,
    MUTED,
    PAPER,
    TRACK,
    Colour,
    font,
    paste_rounded,
    png,
    wrapped,
    write,
)
from dinosearch.images.drawing.thumbnails import display_name

# Pixels. Few panels are large, many are small; one is never wider than half of the sheet.
_WIDTH, _GAP, _BETWEEN, _LINE = 1480, 20, 30, 20
_INNER = _WIDTH - 2 * MARGIN
_MOST = 6
_TALLEST = 1.4  # of a picture, times the width of its column
_CHIP, _BAR = 14, (180, 14)


@dataclass(frozen=True)
class Panel:
    """One column.

    Attributes:
        pictures: RGB, all of one size, one below the other.
        name: one line below them; of a path the last part is shown.
        note: a second, lesser line.
    """

    pictures: Sequence[Image.Image]
    name: str
    note: str = ""


@dataclass(frozen=True)
class Legend:
    """What colours mean.

    Attributes:
        chips: a colour and its meaning each, as many as fit on a line.
        scale: words at the low and the high end of the heat's colours; None draws no scale.
    """

    chips: Sequence[tuple[Colour, str]] = ()
    scale: tuple[str, str] | None = None


def panel_picture(picture: Image.Image, count: int) -> Image.Image:
    """The picture as it fits on a sheet of so many panels, enlarged where it is small."""
    width = _panel_width(count)
    scale = min(width / picture.width, _TALLEST * width / picture.height)
    sides = [max(1, round(side * scale)) for side in picture.size]
    return picture.resize(sides, Image.Resampling.LANCZOS if scale < 1 else Image.Resampling.BICUBIC)


def draw_panels(title: str, words: str, panels: Sequence[Panel], legend: Legend | None = None) -> bytes:
    """Draw the sheet.

    Args:
        title: one line.
        words: what is seen, in sentences.
        panels: their pictures are made by `panel_picture` for so many.
        legend: what colours mean.

    Returns:
        Encoded PNG, 1480 pixels wide; the same arguments give the same bytes.
    """
    columns, width = _columns(len(panels)), _panel_width(len(panels))
    lines = wrapped(words, 18, _INNER)
    top = MARGIN + 40 + 26 * len(lines) + (44 if legend else 8) + 22
    bands = [panels[start : start + columns] for start in range(0, len(panels), columns)]
    heights = [_band_height(band) for band in bands]
    sheet = Image.new("RGB", (_WIDTH, top + sum(heights) + _BETWEEN * (len(bands) - 1) + MARGIN), PAPER)
    draw = ImageDraw.Draw(sheet)
    write(draw, (MARGIN, MARGIN - 6), title, 26, INK, _INNER)
    for number, line in enumerate(lines):
        draw.text((MARGIN, MARGIN + 36 + 26 * number), line, fill=INK, font=font(18))
    if legend:
        _draw_legend(sheet, draw, legend, MARGIN + 36 + 26 * len(lines) + 22)
    draw.line((MARGIN, top - 22, _WIDTH - MARGIN, top - 22), fill=TRACK, width=2)
    # A single row that does not fill the sheet stands in its middle.
    left = MARGIN + (_INNER - min(columns, len(panels)) * (width + _GAP) + _GAP) // 2
    for band, height in zip(bands, heights, strict=True):
        for column, panel in enumerate(band):
            _draw_panel(sheet, draw, panel, (left + column * (width + _GAP), top), (width, _tallest(band)))
        top += height + _BETWEEN
    return png(sheet)


def _columns(count: int) -> int:
    """As many as give rows of about one length."""
    rows = math.ceil(count / _MOST)
    return max(2, math.ceil(count / rows)) if rows else 2


def _panel_width(count: int) -> int:
    columns = _columns(count)
    return (_INNER - (columns - 1) * _GAP) // columns


def _tallest(band: Sequence[Panel]) -> int:
    """Height of the tile of one picture."""
    return max(picture.height for panel in band for picture in panel.pictures)


def _band_height(band: Sequence[Panel]) -> int:
    rows = max(len(panel.pictures) for panel in band)
    return rows * (_tallest(band) + _GAP // 2) + (2 if any(panel.note for panel in band) else 1) * _LINE


def _draw_panel(
    sheet: Image.Image, draw: ImageDraw.ImageDraw, panel: Panel, corner: tuple[int, int], box: tuple[int, int]
) -> None:
    x, y = corner
    for picture in panel.pictures:
        paste_rounded(sheet, picture, (x, y), box)
        y += box[1] + _GAP // 2
    write(draw, (x, y - 2), display_name(panel.name), 15, INK, box[0])
    write(draw, (x, y - 2 + _LINE), panel.note, 15, MUTED, box[0])


def _draw_legend(sheet: Image.Image, draw: ImageDraw.ImageDraw, legend: Legend, middle: int) -> None:
    x, face = MARGIN, font(16)
    if legend.scale:
        low, high = legend.scale
        draw.text((x, middle), low, fill=INK, font=face, anchor="lm")
        x += round(face.getlength(low)) + 10
        paste_rounded(sheet, heat_bar(*_BAR), (x, middle - _BAR[1] // 2), _BAR)
        draw.text((x + _BAR[0] + 10, middle), high, fill=INK, font=face, anchor="lm")
        x += _BAR[0] + 10 + round(face.getlength(high)) + 28
    for colour, meaning in legend.chips:
        end = x + _CHIP + 8 + round(face.getlength(meaning))
        if end > _WIDTH - MARGIN:
            break  # what does not fit is left out
        paste_rounded(sheet, colour, (x, middle - _CHIP // 2), (_CHIP, _CHIP))
        draw.text((x + _CHIP + 8, middle), meaning, fill=INK, font=face, anchor="lm")
        x = end + 28
