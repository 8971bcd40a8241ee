"""The drawing of a contact sheet as a PNG picture: query on the left, hits in a grid; layout only, no decoding."""

from __future__ import annotations

import functools
import io
import math

from PIL import Image, ImageDraw, ImageFont

from dinosearch.images.thumbnail import display_name, printable, shorten, thumbnail
from dinosearch.records import Hit

# Pixels.
_MARGIN, _GAP, _HEADER = 40, 24, 64
_QUERY_SIDE, _TILE_WIDTH, _TILE_HEIGHT, _CAPTION = 360, 240, 180, 58
_COLUMNS = 4
_MAX_QUERIES = 4

_PAPER, _TILE, _INK, _MUTED = (250, 249, 246), (235, 233, 228), (28, 27, 25), (122, 118, 110)
_ACCENT, _TRACK = (196, 77, 44), (222, 219, 212)


def draw_png(query: list[Image.Image], tiles: list[tuple[Hit, Image.Image | None]], title: str) -> bytes:
    """Encoded PNG of the sheet; the arguments are those of `contact_sheet` with the images decoded."""
    rows = max(1, math.ceil(len(tiles) / _COLUMNS))
    grid_height = rows * (_TILE_HEIGHT + _CAPTION + _GAP) - _GAP
    shown = query[:_MAX_QUERIES]
    query_height = sum(_query_box(image)[1] + _GAP for image in shown) + 28
    width = 2 * _MARGIN + _QUERY_SIDE + 2 * _GAP + _COLUMNS * (_TILE_WIDTH + _GAP) - _GAP
    sheet = Image.new("RGB", (width, 2 * _MARGIN + _HEADER + max(grid_height, query_height)), _PAPER)
    draw = ImageDraw.Draw(sheet)

    _text(draw, (_MARGIN, _MARGIN - 6), printable(title), 26, _INK, width - 2 * _MARGIN)
    top = _MARGIN + _HEADER
    draw.line((_MARGIN, top - 22, width - _MARGIN, top - 22), fill=_TRACK, width=2)

    y = top
    for image in shown:
        box = _query_box(image)
        _paste(sheet, thumbnail(image, _QUERY_SIDE), (_MARGIN, y), box)
        y += box[1] + _GAP
    label = "query" if len(query) == 1 else f"query: {len(query)} images combined"
    _text(draw, (_MARGIN, y - _GAP + 10), label, 15, _MUTED, _QUERY_SIDE)

    left = _MARGIN + _QUERY_SIDE + 2 * _GAP
    for place, (hit, picture) in enumerate(tiles):
        row, column = divmod(place, _COLUMNS)
        corner = (left + column * (_TILE_WIDTH + _GAP), top + row * (_TILE_HEIGHT + _CAPTION + _GAP))
        _draw_hit(sheet, draw, hit, picture, corner)
    if not tiles:
        _text(draw, (left, top), "no hits", 20, _MUTED, _TILE_WIDTH)
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG")
    return buffer.getvalue()


def _draw_hit(
    sheet: Image.Image, draw: ImageDraw.ImageDraw, hit: Hit, picture: Image.Image | None, corner: tuple[int, int]
) -> None:
    x, y = corner
    if picture is None:
        draw.rounded_rectangle((x, y, x + _TILE_WIDTH - 1, y + _TILE_HEIGHT - 1), 8, fill=_TRACK)
        position = (x + _TILE_WIDTH // 2, y + _TILE_HEIGHT // 2)
        draw.text(position, "cannot be read", fill=_MUTED, font=_font(16), anchor="mm")
    else:
        scale = min(_TILE_WIDTH / picture.width, _TILE_HEIGHT / picture.height, 1.0)
        small = thumbnail(picture, max(1, round(max(picture.size) * scale)))
        _paste(sheet, small, corner, (_TILE_WIDTH, _TILE_HEIGHT))
    below = y + _TILE_HEIGHT + 10
    number = f"{hit.score:.3f}"
    number_width = round(_font(15).getlength(number))
    draw.text((x, below), str(hit.rank), fill=_INK, font=_font(17))
    draw.text((x + _TILE_WIDTH - number_width, below + 1), number, fill=_INK, font=_font(15))
    bar = (x + 44, x + _TILE_WIDTH - number_width - 10)
    _draw_bar(draw, bar, below + 10, hit.score)
    _text(draw, (x, below + 26), display_name(hit.path), 14, _MUTED, _TILE_WIDTH)


def _draw_bar(draw: ImageDraw.ImageDraw, span: tuple[int, int], y: int, score: float) -> None:
    start, end = span
    draw.rounded_rectangle((start, y - 3, end, y + 3), 3, fill=_TRACK)
    length = round((end - start) * min(max(score, 0.0), 1.0))
    if length >= 6:
        draw.rounded_rectangle((start, y - 3, start + length, y + 3), 3, fill=_ACCENT)


def _query_box(image: Image.Image) -> tuple[int, int]:
    small_height = round(image.height * min(1.0, _QUERY_SIDE / max(image.size)))
    return _QUERY_SIDE, max(40, small_height)


def _paste(sheet: Image.Image, picture: Image.Image, corner: tuple[int, int], box: tuple[int, int]) -> None:
    """Centre the picture in a tile with rounded corners."""
    tile = Image.new("RGB", box, _TILE)
    tile.paste(picture, ((box[0] - picture.width) // 2, (box[1] - picture.height) // 2))
    mask = Image.new("L", (box[0] * 2, box[1] * 2), 0)
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, box[0] * 2 - 1, box[1] * 2 - 1), 16, fill=255)
    sheet.paste(tile, corner, mask.resize(box, Image.Resampling.BILINEAR))


def _text(
    draw: ImageDraw.ImageDraw, at: tuple[int, int], text: str, size: int, colour: tuple[int, int, int], width: int
) -> None:
    font = _font(size)
    draw.text(at, shorten(text, lambda candidate: font.getlength(candidate) <= width), fill=colour, font=font)


@functools.lru_cache(maxsize=16)
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
