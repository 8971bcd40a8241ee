"""The drawing of a contact sheet as a PNG picture: query on the left, hits in a grid; layout only, no decoding."""

from __future__ import annotations

import math

from PIL import Image, ImageDraw

from dinosearch.images.drawing.heat_map import heat_bar, heat_over
from dinosearch.images.drawing.look import (
    ACCENT,
    INK,
    MARGIN,
    MUTED,
    PAPER,
    TILE,
    TRACK,
    font,
    hundredths,
    paste_rounded,
    png,
    wrapped,
    write,
)
from dinosearch.images.drawing.pair_lines import framed
from dinosearch.images.drawing.thumbnails import display_name, printable, thumbnail
from dinosearch.images.drawing.tile import Sheet, Tile, agreement

# Pixels.
_GAP, _HEADER = 24, 64
_QUERY_SIDE, _TILE_WIDTH, _TILE_HEIGHT = 360, 240, 180
_CAPTION, _SURE, _WHY = 58, 20, 122
_HEAT, _BAR_HEIGHT, _LINE, _PARAGRAPH = 104, 14, 21, 8
_COLUMNS = 4
_MAX_QUERIES = 4
_WIDTH = 2 * MARGIN + _QUERY_SIDE + 2 * _GAP + _COLUMNS * (_TILE_WIDTH + _GAP) - _GAP


def draw_png(content: Sheet) -> bytes:
    """Encoded PNG of the sheet, 1496 pixels wide."""
    height = _TILE_HEIGHT + _CAPTION
    height += _SURE * any(tile.sure for tile in content.tiles) + _WHY * bool(content.explained)
    rows = max(1, math.ceil(len(content.tiles) / _COLUMNS))
    # Higher than any left column; cut below what was drawn.
    most = sum(_query_box(image)[1] + _GAP for image in content.query[:_MAX_QUERIES]) + 1000
    sheet = Image.new("RGB", (_WIDTH, 2 * MARGIN + _HEADER + max(rows * (height + _GAP), most)), PAPER)
    draw = ImageDraw.Draw(sheet)

    write(draw, (MARGIN, MARGIN - 6), printable(content.title), 26, INK, _WIDTH - 2 * MARGIN)
    top, left = MARGIN + _HEADER, MARGIN + _QUERY_SIDE + 2 * _GAP
    draw.line((MARGIN, top - 22, _WIDTH - MARGIN, top - 22), fill=TRACK, width=2)
    end = _draw_query(sheet, draw, content, top)
    for place, tile in enumerate(content.tiles):
        row, column = divmod(place, _COLUMNS)
        _draw_hit(sheet, draw, tile, (left + column * (_TILE_WIDTH + _GAP), top + row * (height + _GAP)), content.scale)
    if not content.tiles:
        write(draw, (left, top), "no hits", 20, MUTED, _TILE_WIDTH)
    return png(sheet.crop((0, 0, _WIDTH, max(end, top + rows * (height + _GAP) - _GAP) + MARGIN)))


def _draw_query(sheet: Image.Image, draw: ImageDraw.ImageDraw, content: Sheet, y: int) -> int:
    """The left column: the query and what the marks mean; where it ends."""
    for image in content.query[:_MAX_QUERIES]:
        box = _query_box(image)
        paste_rounded(sheet, framed(thumbnail(image, _QUERY_SIDE), content.shapes), (MARGIN, y), box)
        y += box[1] + _GAP
    y += 10 - _GAP
    write(draw, (MARGIN, y), content.label, 15, MUTED, _QUERY_SIDE)
    y += _LINE + _GAP
    for paragraph in content.legend:
        for line in wrapped(paragraph, 15, _QUERY_SIDE):
            write(draw, (MARGIN, y), line, 15, INK, _QUERY_SIDE)
            y += _LINE
        y += _PARAGRAPH
    if content.explained:
        write(draw, (MARGIN, y), "Light and warm: this place is seen in the query too.", 15, INK, _QUERY_SIDE)
        y += _LINE + 6
        low, high = (hundredths(end) for end in content.scale)
        middle, ends = y + _BAR_HEIGHT // 2, [round(font(15).getlength(end)) + 10 for end in (low, high)]
        draw.text((MARGIN, middle), low, fill=INK, font=font(15), anchor="lm")
        draw.text((MARGIN + _QUERY_SIDE, middle), high, fill=INK, font=font(15), anchor="rm")
        size = (_QUERY_SIDE - sum(ends), _BAR_HEIGHT)
        paste_rounded(sheet, heat_bar(*size), (MARGIN + ends[0], y), size)
        y += _BAR_HEIGHT
    return y


def _draw_hit(
    sheet: Image.Image, draw: ImageDraw.ImageDraw, tile: Tile, corner: tuple[int, int], scale: tuple[float, float]
) -> None:
    (x, y), box = corner, (_TILE_WIDTH, _TILE_HEIGHT)
    if tile.picture is None:
        paste_rounded(sheet, TRACK, corner, box)
        position = (x + _TILE_WIDTH // 2, y + _TILE_HEIGHT // 2)
        draw.text(position, "cannot be read", fill=INK, font=font(16), anchor="mm")
    else:
        paste_rounded(sheet, framed(_fitted(tile.picture, *box), [*tile.marks.values()]), corner, box)
    below = y + _TILE_HEIGHT + 10
    number = f"{tile.hit.score:.3f}"
    number_width = round(font(15).getlength(number))
    draw.text((x, below), str(tile.hit.rank), fill=INK, font=font(17))
    draw.text((x + _TILE_WIDTH - number_width, below + 1), number, fill=INK, font=font(15))
    bar = (x + 44, x + _TILE_WIDTH - number_width - 10)
    _draw_bar(draw, bar, below + 10, tile.share)
    below += 26
    if tile.sure:
        write(draw, (x, below), tile.sure, 14, INK, _TILE_WIDTH)
        below += _SURE
    write(draw, (x, below), display_name(tile.hit.path), 14, MUTED, _TILE_WIDTH)
    if tile.why is not None and tile.picture is not None:
        _draw_why(sheet, draw, tile, (x, below + 26), scale)


def _draw_why(
    sheet: Image.Image, draw: ImageDraw.ImageDraw, tile: Tile, corner: tuple[int, int], scale: tuple[float, float]
) -> None:
    """The heat of the hit, and to its right how many places agree."""
    if tile.why is None or tile.picture is None:
        return
    (x, y), left = corner, corner[0] + _HEAT + 12
    paste_rounded(sheet, TILE, corner, (_TILE_WIDTH, _HEAT))
    warm = heat_over(_fitted(tile.picture, _HEAT, _HEAT), tile.why.heat[1], scale)
    paste_rounded(sheet, warm, corner, (_HEAT, _HEAT))
    number, lines = agreement(tile.why)
    draw.text((left, y + 10), number, fill=INK, font=font(26))
    for i, line in enumerate(lines):
        write(draw, (left, y + 42 + 19 * i), line, 13, INK, x + _TILE_WIDTH - left - 4)


def _draw_bar(draw: ImageDraw.ImageDraw, span: tuple[int, int], y: int, share: float) -> None:
    start, end = span
    draw.rounded_rectangle((start, y - 3, end, y + 3), 3, fill=TRACK)
    length = round((end - start) * share)
    if length >= 6:
        draw.rounded_rectangle((start, y - 3, start + length, y + 3), 3, fill=ACCENT)


def _fitted(picture: Image.Image, width: int, height: int) -> Image.Image:
    """As large as the box allows, never enlarged."""
    scale = min(width / picture.width, height / picture.height, 1.0)
    return thumbnail(picture, max(1, round(max(picture.size) * scale)))


def _query_box(image: Image.Image) -> tuple[int, int]:
    small_height = round(image.height * min(1.0, _QUERY_SIDE / max(image.size)))
    return _QUERY_SIDE, max(40, small_height)
