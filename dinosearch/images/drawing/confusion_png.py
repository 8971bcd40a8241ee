"""Draw what classifiers take for what: a bar for each method, the matrix of one of them, and its frequent mistakes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from dinosearch.images.drawing.look import (
    ACCENT,
    INK,
    LIGHT,
    MARGIN,
    MUTED,
    PAPER,
    TRACK,
    Colour,
    font,
    png,
    wrapped,
    write,
)
from dinosearch.images.drawing.thumbnails import printable, shorten

RIGHT: Colour = (46, 86, 120)
"""What is right; mistakes have the accent colour."""
_EMPTY: Colour = (241, 239, 235)
# Pixels.
_WIDTH, _MATRIX = 1496, 1030  # the matrix is at most so wide, whatever the number of classes
_SIDE = _WIDTH - 2 * MARGIN
_SMALLEST, _LARGEST = 2, 96  # of a cell
_LABELS, _LIST, _BAR_LINE, _LINE, _AFTER = 210, 460, 30, 26, 28
_READABLE = 9  # of a line of type


@dataclass(frozen=True)
class Bar:
    """One method: its name, the share that is right (0..1), and a lesser text behind it."""

    name: str
    share: float
    note: str = ""


def draw_confusion(
    title: str, note: str, bars: Sequence[Bar], classes: Sequence[str], confusion: np.ndarray, matrix_of: str
) -> bytes:
    """Draw the sheet.

    Args:
        title: one line.
        note: a lesser text below it.
        bars: of the methods.
        classes: names, 2 or more; from some 100 on only every second one has room, and so on.
        confusion: (classes, classes) counts; the row is the true class, the column what it was taken for.
        matrix_of: which method the matrix is of.

    Returns:
        Encoded PNG, 1496 pixels wide; the same arguments give the same bytes.
    """
    lines = wrapped(printable(note), 15, _SIDE)
    top = MARGIN + 44 + 21 * len(lines) + 14
    matrix_top = top + _BAR_LINE * len(bars) + _AFTER
    cell = max(_SMALLEST, min(_LARGEST, (_MATRIX - _LABELS) // len(classes)))
    side = cell * len(classes)
    names = _label_height(classes, cell)
    below = matrix_top + 34 + names + side
    sheet = Image.new("RGB", (max(_WIDTH, 2 * MARGIN + _LABELS + side), max(below, matrix_top + 420) + MARGIN), PAPER)
    draw = ImageDraw.Draw(sheet)
    write(draw, (MARGIN, MARGIN - 6), printable(title), 26, INK, _SIDE)
    for number, line in enumerate(lines):
        write(draw, (MARGIN, MARGIN + 36 + 21 * number), line, 15, MUTED, _SIDE)
    for number, bar in enumerate(bars):
        _draw_bar(draw, bar, top + _BAR_LINE * number)
    draw.line((MARGIN, matrix_top - 12, sheet.width - MARGIN, matrix_top - 12), fill=TRACK, width=1)
    write(draw, (MARGIN, matrix_top), f"What is taken for what: {matrix_of}", 17, INK, _SIDE)
    corner = MARGIN + _LABELS, matrix_top + 34 + names
    _draw_matrix(sheet, draw, classes, confusion, corner, cell)
    beside = corner[0] + side + 56
    if beside + 260 <= sheet.width:
        width = min(_LIST, sheet.width - MARGIN - beside)
        _draw_mistakes(draw, classes, confusion, (beside, corner[1]), width, side)
    return png(sheet)


def _draw_bar(draw: ImageDraw.ImageDraw, bar: Bar, top: int) -> None:
    left, width = MARGIN + 300, 460
    write(draw, (MARGIN, top), printable(bar.name), 17, INK, 290)
    draw.rounded_rectangle((left, top + 4, left + width, top + 17), 6, TRACK)
    if bar.share > 0:
        draw.rounded_rectangle((left, top + 4, left + max(12, round(width * bar.share)), top + 17), 6, RIGHT)
    write(draw, (left + width + 16, top), f"{bar.share:.1%}", 17, INK, 80)
    write(draw, (left + width + 100, top + 2), printable(bar.note), 15, MUTED, _WIDTH - MARGIN - left - width - 100)


def _step(cell: int) -> int:
    """Every how many-th class has its name written, so that the lines do not touch."""
    return -(-_READABLE // cell)


def _type(cell: int) -> int:
    return max(_READABLE, min(15, cell - 1))


def _label_height(classes: Sequence[str], cell: int) -> int:
    face = font(_type(cell))
    return min(150, 8 + max(round(face.getlength(printable(name))) for name in classes))


def _draw_matrix(
    sheet: Image.Image,
    draw: ImageDraw.ImageDraw,
    classes: Sequence[str],
    confusion: np.ndarray,
    corner: tuple[int, int],
    cell: int,
) -> None:
    left, top = corner
    face, step = font(_type(cell)), _step(cell)
    shares = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    gap = 2 if cell >= 24 else 1 if cell >= 10 else 0
    for number in range(confusion.size):
        row, column = divmod(number, len(classes))
        x, y = left + column * cell, top + row * cell
        share = float(shares[row, column])
        colour = _shade(share, row == column)
        draw.rectangle((x, y, x + cell - 1 - gap, y + cell - 1 - gap), fill=colour)
        if cell >= 20 and confusion[row, column]:
            centre = x + (cell - gap) / 2, y + (cell - gap) / 2
            ink = LIGHT if row == column and share > 0.35 or share > 0.6 else INK
            draw.text(centre, _count(int(confusion[row, column])), ink, font(min(16, cell // 2 + 1)), "mm")
    for place in range(0, len(classes), step):
        name = printable(classes[place])
        middle = place * cell + cell // 2
        short = shorten(name, lambda text: face.getlength(text) <= _LABELS - 14)
        draw.text((left - 10, top + middle), short, INK, face, "rm")
        short = shorten(name, lambda text: face.getlength(text) <= 142)
        _write_upright(sheet, short, (left + middle, top - 8), _type(cell))


def _write_upright(sheet: Image.Image, text: str, foot: tuple[int, int], size: int) -> None:
    """Write a line that is read from below, ending at `foot`, its middle there."""
    face = font(size)
    width, height = round(face.getlength(text)) + 2, size + 8
    line = Image.new("RGB", (width, height), PAPER)
    ImageDraw.Draw(line).text((0, height // 2), text, INK, face, "lm")
    turned = line.rotate(90, expand=True)
    # Only what is darker is taken over, so that lines that are close do not cut each other.
    mask = turned.convert("L").point([255 if value < 240 else 0 for value in range(256)])
    sheet.paste(turned, (foot[0] - height // 2, foot[1] - width), mask)


def _shade(share: float, right: bool) -> Colour:
    """The colour of a cell; little is seen as well, so that no mistake hides."""
    if share <= 0:
        return _EMPTY
    full, depth = (RIGHT, 0.12 + 0.88 * share) if right else (ACCENT, 0.25 + 0.75 * share)
    red, green, blue = (round(ground + (colour - ground) * depth) for ground, colour in zip(PAPER, full, strict=True))
    return red, green, blue


def _count(number: int) -> str:
    return str(number) if number < 1000 else f"{number / 1000:.0f}k" if number >= 10_000 else f"{number / 1000:.1f}k"


def _draw_mistakes(
    draw: ImageDraw.ImageDraw,
    classes: Sequence[str],
    confusion: np.ndarray,
    corner: tuple[int, int],
    width: int,
    height: int,
) -> None:
    left, top = corner
    write(draw, (left, top), "rows: what it is; columns: what it is taken for", 15, MUTED, width)
    for number, (colour, meaning) in enumerate(((RIGHT, "right"), (ACCENT, "mistaken"))):
        x = left + number * 110
        draw.rounded_rectangle((x, top + 30, x + 14, top + 44), 3, colour)
        write(draw, (x + 22, top + 28), meaning, 15, INK, 90)
    write(draw, (left, top + 70), "Most frequent mistakes", 17, INK, width)
    wrong = confusion.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[: max(8, min(24, (height - 110) // _LINE))]
    found = [(int(place) // len(classes), int(place) % len(classes)) for place in order if wrong.flat[place]]
    for number, (row, column) in enumerate(found):
        y = top + 100 + number * _LINE
        total = int(confusion[row].sum())
        write(draw, (left, y), f"{printable(classes[row])} as {printable(classes[column])}", 15, INK, width - 90)
        draw.text((left + width, y), f"{wrong[row, column]:,} of {total:,}", MUTED, font(15), "ra")
    if not found:
        write(draw, (left, top + 100), "none", 15, MUTED, width)
