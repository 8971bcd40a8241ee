"""The drawing of an explanation as a PNG picture: verdict, agreeing places, heat and patch colours; layout only."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw

from dinosearch.images.drawing.heat_map import heat_bar, heat_over, heat_scale
from dinosearch.images.drawing.look import INK, MARGIN, PAPER, TILE, TRACK, font, hundredths, paste_rounded, png, write
from dinosearch.images.drawing.pair_lines import Rectangle, lines_layer, spread
from dinosearch.images.drawing.thumbnails import display_name, shorten, thumbnail
from dinosearch.records import Explanation

# Pixels. A row is a caption and a band on which two pictures lie; neither is wider than half of it.
_WIDTH, _BETWEEN, _PADDING = 1480, 80, 20
_HEADER, _CAPTION, _ROW_GAP = 108, 32, 34
_TALL, _LOW, _LEAST = 540, 340, 60
_BAR_WIDTH, _BAR_HEIGHT = 180, 14
_INNER = _WIDTH - 2 * MARGIN
_HALF = (_INNER - 2 * _PADDING - _BETWEEN) // 2

# Characters; longer names are cut before they are measured, and end up with dots in the middle all the same.
_LONGEST = 400

_Pair = tuple[Image.Image, Image.Image]


def draw_explanation(
    explanation: Explanation, query: Image.Image, result: Image.Image, names: tuple[str, str]
) -> bytes:
    """Draw why two images match.

    Args:
        explanation: the comparison of the two.
        query: upright RGB of any size.
        result: the same.
        names: file names or paths of both; of a path the last part is shown.

    Returns:
        Encoded PNG, 1480 pixels wide; the same arguments give the same bytes.
    """
    small = (thumbnail(query, 2 * _HALF), thumbnail(result, 2 * _HALF))
    large, low = _fitted(small, _TALL), _fitted(small, _LOW)
    tall_band, low_band = _band_height(large), _band_height(low)
    tops = [MARGIN + _HEADER + _CAPTION]
    for height in (tall_band, low_band):
        tops.append(tops[-1] + height + _ROW_GAP + _CAPTION)
    sheet = Image.new("RGB", (_WIDTH, tops[-1] + low_band + MARGIN), PAPER)

    _draw_header(sheet, names, verdict(explanation))
    _draw_lines(sheet, tops[0], large, explanation)
    _draw_heat(sheet, tops[1], low, explanation.heat)
    _draw_caption(sheet, tops[2], "Equal colours: similar patches.")
    first, second = (
        Image.fromarray(np.ascontiguousarray(grid)).resize(picture.size, Image.Resampling.NEAREST)
        for grid, picture in zip(explanation.colours, low, strict=True)
    )
    _draw_band(sheet, tops[2], (first, second))
    return png(sheet)


def verdict(explanation: Explanation) -> str:
    """What the comparison found, in words."""
    agree = f"{explanation.inliers} place{' agrees' if explanation.inliers == 1 else 's agree'}"
    similarity = f"Similarity {hundredths(explanation.score)}"
    if not explanation.matched:
        return f"No common thing found: {agree}, {explanation.bound} would be needed. {similarity}."
    without = "" if explanation.without is None else f"; {hundredths(explanation.without)} without the matched part"
    return f"The same thing: {agree} (fewer than {explanation.bound} could be chance). {similarity}{without}."


def _draw_header(sheet: Image.Image, names: tuple[str, str], words: str) -> None:
    draw = ImageDraw.Draw(sheet)
    face, between = font(26), "  and  "
    width = (_INNER - face.getlength(between)) / 2
    shown = [_cut(display_name(name), lambda text: face.getlength(text) <= width) for name in names]
    write(draw, (MARGIN, MARGIN - 6), between.join(shown), 26, INK, _INNER)
    write(draw, (MARGIN, MARGIN + 36), words, 20, INK, _INNER)
    rule = MARGIN + 78
    draw.line((MARGIN, rule, _WIDTH - MARGIN, rule), fill=TRACK, width=2)


def _draw_lines(sheet: Image.Image, top: int, pictures: _Pair, explanation: Explanation) -> None:
    """Row 1: agreeing places, the outline and the box."""
    caption = "Too few of the places that look alike also lie alike in both pictures."
    if explanation.matched:
        caption = (
            "Lines join places that agree. Orange: the edges of the left picture, found again in the right one. "
            "White: the box around them."
        )
    pairs = spread(explanation.pairs)
    if len(pairs) < len(explanation.pairs):
        caption += f" {len(pairs)} of {len(explanation.pairs)} lines are drawn."
    _draw_caption(sheet, top, caption)
    first, second = ((x, y - top, width, height) for x, y, width, height in _draw_band(sheet, top, pictures))
    size = (_WIDTH, _band_height(pictures))
    layer = lines_layer(size, (first, second), pairs, explanation.outline, explanation.box)
    sheet.paste(layer, (0, top), layer)


def _draw_heat(sheet: Image.Image, top: int, pictures: _Pair, heats: tuple[np.ndarray, np.ndarray]) -> None:
    """Row 2: heat over grey pictures, and its scale at the right end of the caption."""
    draw, scale = ImageDraw.Draw(sheet), heat_scale(heats)
    low, high = (hundredths(end) for end in scale)
    right, middle = _WIDTH - MARGIN, top - _CAPTION + 10
    draw.text((right, middle), high, fill=INK, font=font(15), anchor="rm")
    right -= round(font(15).getlength(high)) + 10 + _BAR_WIDTH
    paste_rounded(
        sheet,
        heat_bar(_BAR_WIDTH, _BAR_HEIGHT),
        (right, middle - _BAR_HEIGHT // 2),
        (_BAR_WIDTH, _BAR_HEIGHT),
    )
    legend = f"how well the best patch of the other picture fits:   {low}"
    draw.text((right - 10, middle), legend, fill=INK, font=font(15), anchor="rm")
    _draw_caption(sheet, top, "Light and warm: this place is also seen in the other picture.")
    first, second = (heat_over(*of_one, scale) for of_one in zip(pictures, heats, strict=True))
    _draw_band(sheet, top, (first, second))


def _draw_caption(sheet: Image.Image, top: int, text: str) -> None:
    write(ImageDraw.Draw(sheet), (MARGIN, top - _CAPTION), text, 17, INK, _INNER)


def _draw_band(sheet: Image.Image, top: int, pictures: _Pair) -> tuple[Rectangle, Rectangle]:
    """Lay two pictures on a band below `top`; where they are."""
    height = _band_height(pictures)
    paste_rounded(sheet, TILE, (MARGIN, top), (_INNER, height))
    first, second = pictures
    # A third of the free width each to the left, between and to the right, but room for the lines between.
    gap = max(_BETWEEN, (_INNER - first.width - second.width) // 3)
    left = MARGIN + (_INNER - first.width - gap - second.width) // 2
    corners = (left, left + first.width + gap)
    places = [(x, top + (height - shown.height) // 2, *shown.size) for x, shown in zip(corners, pictures, strict=True)]
    for place, shown in zip(places, pictures, strict=True):
        sheet.paste(shown, place[:2])
    return places[0], places[1]


def _band_height(pictures: _Pair) -> int:
    return 2 * _PADDING + max(_LEAST, *(picture.height for picture in pictures))


def _fitted(pictures: _Pair, height: int) -> _Pair:
    """Both as large as the row allows; small ones are enlarged, so that lines have room."""
    first, second = (_enlarged(picture, min(_HALF / picture.width, height / picture.height)) for picture in pictures)
    return first, second


def _enlarged(picture: Image.Image, scale: float) -> Image.Image:
    width, height = (max(1, round(length * scale)) for length in picture.size)
    return picture.resize((width, height), Image.Resampling.LANCZOS if scale < 1 else Image.Resampling.BICUBIC)


def _cut(name: str, fits: Callable[[str], bool]) -> str:
    """The name, its middle left out where too long; measuring every cut of a name without end would take minutes."""
    return shorten(name if len(name) <= _LONGEST else name[: _LONGEST // 2] + name[-_LONGEST // 2 :], fits)
