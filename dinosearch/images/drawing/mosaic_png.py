"""The drawing of a mosaic as a PNG picture, row below row; layout only, no decoding."""

from __future__ import annotations

import math
from collections.abc import Iterable

from PIL import Image, ImageDraw

from dinosearch.images.drawing.look import (
    ACCENT,
    INK,
    MARGIN,
    MUTED,
    PAPER,
    RADIUS,
    TRACK,
    font,
    paste_rounded,
    png,
    wrapped,
    write,
)
from dinosearch.images.drawing.thumbnails import printable, thumbnail
from dinosearch.images.drawing.titled_row import Cell, DrawnRow

# Pixels.
_WIDTH, _COLUMNS, _GAP = 1496, 7, 16
_TILE = (_WIDTH - 2 * MARGIN - (_COLUMNS - 1) * _GAP) // _COLUMNS
_TILE_HEIGHT = _TILE * 3 // 4
_TITLE, _LINE, _BETWEEN = 40, 19, 28
_HIGHEST = 30_000  # of the picture: a viewer holds 130 MB of it


def mosaic_png(title: str, note: str, rows: Iterable[DrawnRow]) -> bytes:
    """Encoded PNG, 1496 pixels wide; what is beyond 30,000 pixels of height is left out, and a line says so."""
    bands, height, left_out = [_head(title, note)], 0, 0
    for row in rows:
        if height > _HIGHEST:
            left_out += 1
            continue
        bands.append(_band(row, first=len(bands) == 1))
        height += bands[-1].height
    if len(bands) == 1:
        bands.append(_words("nothing to show"))
    if left_out:
        bands.append(_words(f"{left_out:,} more rows are not drawn; an .html file shows them all"))
    sheet = Image.new("RGB", (_WIDTH, sum(band.height for band in bands) + MARGIN), PAPER)
    y = 0
    for band in bands:
        sheet.paste(band, (0, y))
        y += band.height
    return png(sheet)


def _head(title: str, note: str) -> Image.Image:
    lines = wrapped(printable(note), 15, _WIDTH - 2 * MARGIN)
    band = Image.new("RGB", (_WIDTH, MARGIN + 44 + 21 * len(lines) + 20), PAPER)
    draw = ImageDraw.Draw(band)
    write(draw, (MARGIN, MARGIN - 6), printable(title), 26, INK, _WIDTH - 2 * MARGIN)
    for i, line in enumerate(lines):
        write(draw, (MARGIN, MARGIN + 36 + 21 * i), line, 15, MUTED, _WIDTH - 2 * MARGIN)
    return band


def _band(row: DrawnRow, *, first: bool) -> Image.Image:
    lines = any(cell.caption for cell in row.cells) + any(cell.note for cell in row.cells)
    each = _TILE_HEIGHT + 8 + _LINE * lines if row.cells else _LINE
    title = _TITLE if row.title or row.note else 0
    count = max(1, math.ceil(len(row.cells) / _COLUMNS))
    top = 0 if first else _BETWEEN
    band = Image.new("RGB", (_WIDTH, top + title + count * each + (count - 1) * _GAP), PAPER)
    draw = ImageDraw.Draw(band)
    if title:
        draw.line((MARGIN, top, _WIDTH - MARGIN, top), fill=TRACK, width=1)
        name = printable(row.title)
        write(draw, (MARGIN, top + 9), name, 17, INK, _WIDTH - 2 * MARGIN)
        beyond = MARGIN + round(font(17).getlength(name)) + 14 if name else MARGIN
        if beyond < _WIDTH - 3 * MARGIN:
            write(draw, (beyond, top + 11), printable(row.note), 15, MUTED, _WIDTH - MARGIN - beyond)
    for place, cell in enumerate(row.cells):
        line, column = divmod(place, _COLUMNS)
        _draw_cell(band, draw, cell, (MARGIN + column * (_TILE + _GAP), top + title + line * (each + _GAP)))
    if not row.cells:
        write(draw, (MARGIN, top + title), "none", 15, MUTED, _TILE)
    return band


def _draw_cell(band: Image.Image, draw: ImageDraw.ImageDraw, cell: Cell, corner: tuple[int, int]) -> None:
    (x, y), box = corner, (_TILE, _TILE_HEIGHT)
    if cell.picture is None:
        paste_rounded(band, TRACK, corner, box)
        draw.text((x + _TILE // 2, y + _TILE_HEIGHT // 2), "cannot be read", fill=INK, font=font(14), anchor="mm")
    else:
        scale = min(_TILE / cell.picture.width, _TILE_HEIGHT / cell.picture.height, 1.0)
        fitted = thumbnail(cell.picture, max(1, round(max(cell.picture.size) * scale)))
        paste_rounded(band, fitted, corner, box)
    if cell.marked:
        draw.rounded_rectangle((x - 3, y - 3, x + _TILE + 2, y + _TILE_HEIGHT + 2), RADIUS + 3, None, ACCENT, 4)
    below = y + _TILE_HEIGHT + 7
    for text, colour in ((cell.caption, INK), (cell.note, MUTED)):
        if text:
            write(draw, (x, below), printable(text), 14, colour, _TILE)
            below += _LINE


def _words(text: str) -> Image.Image:
    band = Image.new("RGB", (_WIDTH, _BETWEEN + _LINE), PAPER)
    write(ImageDraw.Draw(band), (MARGIN, _BETWEEN), text, 15, MUTED, _WIDTH - 2 * MARGIN)
    return band
