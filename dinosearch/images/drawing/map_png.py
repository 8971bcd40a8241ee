"""The drawing of a map as a PNG picture: thumbnails in the cells of a grid; layout only, no decoding."""

from __future__ import annotations

from collections.abc import Iterable

from PIL import Image, ImageDraw

from dinosearch.images.drawing.look import INK, MARGIN, MUTED, PAPER, TRACK, png, write
from dinosearch.images.drawing.thumbnails import printable

WIDTH, HEIGHT = 2000, 1400
"""Pixels that the map itself has at most, without its margins and words."""
_HEAD = 92
_GAP = 0.06  # of a cell's side, kept free on each side


def map_png(
    title: str, note: str, grid: tuple[int, int], placed: Iterable[tuple[int, int, Image.Image | None]]
) -> bytes:
    """Encoded PNG.

    Args:
        title: one line for the top.
        note: a lesser line below it.
        grid: columns and rows.
        placed: column, row and RGB picture of each image; None where it cannot be read.
    """
    side = cell_side(grid)
    gap = max(1, round(side * _GAP))
    width, height = grid[0] * side, grid[1] * side
    sheet = Image.new("RGB", (max(width, 600) + 2 * MARGIN, height + 2 * MARGIN + _HEAD), PAPER)
    draw = ImageDraw.Draw(sheet)
    write(draw, (MARGIN, MARGIN - 6), printable(title), 26, INK, sheet.width - 2 * MARGIN)
    write(draw, (MARGIN, MARGIN + 32), printable(note), 15, MUTED, sheet.width - 2 * MARGIN)
    inside = side - 2 * gap
    mask = Image.new("L", (2 * inside, 2 * inside), 0)
    round_by = max(2, inside // 12)
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, 2 * inside - 1, 2 * inside - 1), 2 * round_by, fill=255)
    mask = mask.resize((inside, inside), Image.Resampling.BILINEAR)
    left = (sheet.width - width) // 2
    for column, row, picture in placed:
        corner = left + column * side + gap, MARGIN + _HEAD + row * side + gap
        sheet.paste(TRACK if picture is None else _square(picture, inside), _box(corner, inside), mask)
    return png(sheet)


def cell_side(grid: tuple[int, int]) -> int:
    """Pixels of a cell's side, so that the grid fits; at most 200."""
    return max(8, min(WIDTH // grid[0], HEIGHT // grid[1], 200))


def _square(picture: Image.Image, side: int) -> Image.Image:
    """The middle of a picture, so that cells touch no paper inside them."""
    short = min(picture.size)
    left, top = (picture.width - short) // 2, (picture.height - short) // 2
    return picture.resize((side, side), Image.Resampling.LANCZOS, (left, top, left + short, top + short))


def _box(corner: tuple[int, int], side: int) -> tuple[int, int, int, int]:
    return corner[0], corner[1], corner[0] + side, corner[1] + side
