"""Lines between places of two pictures and the outline of one in the other, anti-aliased on a transparent layer."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from PIL import Image, ImageDraw

from dinosearch.images.drawing.look import ACCENT, INK, LIGHT, Colour

Rectangle = tuple[int, int, int, int]
"""Left, top, width and height in pixels."""

# Told apart by colour-blind readers, and neighbours in this order differ most: Okabe and Ito, "Color Universal Design",
# https://jfly.uni-koeln.de/color/ (2008), without black and without the vermilion that is the accent.
LINES: tuple[Colour, ...] = (
    (0, 114, 178),
    (230, 159, 0),
    (0, 158, 115),
    (204, 121, 167),
    (86, 180, 233),
    (240, 228, 66),
)
"""Colours of the lines, from the top of the first picture downwards and again from the start."""
Shape = tuple[np.ndarray, Colour]
"""(n, 2) float corners in order, as fractions of a picture, and the colour of the line around them."""
MAX_LINES = 60
"""More cannot be followed."""

# Pixels. The outline and the box keep the inset from the picture's edge, where half of the line would be cut off.
_LINE, _OUTLINE, _FRAME, _THIN, _DOT, _INSET = 2.0, 4.0, 3.0, 2.4, 4.0, 3.0
# Line opacity: where many lines cross, the picture still shows.
_OPACITY = 205
_FINE = 3
"""Sub-pixels per pixel and axis."""


def spread(pairs: np.ndarray, count: int = MAX_LINES) -> np.ndarray:
    """Choose pairs that lie far from each other: each next one has the longest way to all before it.

    Args:
        pairs: (p, 4) float, x and y in the one picture, x and y in the other; rows with other than finite numbers are
            left out.
        count: at most so many.

    Returns:
        (min(p, count), 4) of them, ordered from the top of the first picture downwards.
    """
    pairs = pairs[np.isfinite(pairs).all(axis=1)]
    if len(pairs) > count:
        chosen = [int(np.linalg.norm(pairs - pairs.mean(axis=0), axis=1).argmax())]
        distances = np.full(len(pairs), np.inf)
        while len(chosen) < count:
            distances = np.minimum(distances, np.linalg.norm(pairs - pairs[chosen[-1]], axis=1))
            distances[chosen] = -1.0
            chosen.append(int(distances.argmax()))
        pairs = pairs[np.sort(chosen)]
    return pairs[np.lexsort((pairs[:, 0], pairs[:, 1]))]


def clip(polygon: np.ndarray, low: tuple[float, float], high: tuple[float, float]) -> np.ndarray:
    """Cut a polygon to a rectangle, side by side.

    Args:
        polygon: (n, 2) float corners in order.
        low: left and top of the rectangle.
        high: right and bottom.

    Returns:
        (m, 2) float64 corners; none where the polygon lies outside or has a corner that is not finite.
    """
    corners = polygon.astype(np.float64)
    if not np.isfinite(corners).all():
        return corners[:0]
    for axis in (0, 1):
        for sign, limit in ((1.0, low[axis]), (-1.0, high[axis])):
            corners = _cut(corners, axis, sign, limit)
    return corners


def lines_layer(
    size: tuple[int, int],
    rectangles: tuple[Rectangle, Rectangle],
    pairs: np.ndarray,
    outline: np.ndarray | None,
    box: tuple[float, float, float, float] | None,
) -> Image.Image:
    """Everything that is drawn across the two pictures.

    Args:
        size: width and height of the layer.
        rectangles: where the pictures lie on it.
        pairs: (p, 4) float, fractions of the pictures, all of them drawn.
        outline: (4, 2) float, corners of the first picture as fractions of the second; also frames the first.
        box: left, top, right, bottom as fractions of the second picture.

    Returns:
        RGBA of that size.
    """
    layer = Image.new("RGBA", (size[0] * _FINE, size[1] * _FINE), (0, 0, 0, 0))
    draw = ImageDraw.Draw(layer)
    ends = np.hstack([_placed(pairs[:, :2], rectangles[0]), _placed(pairs[:, 2:], rectangles[1])])
    coloured = [(row, LINES[i % len(LINES)]) for i, row in enumerate(ends)]
    for row, colour in coloured:
        draw.line(_fine(row.reshape(2, 2)), fill=(*colour, _OPACITY), width=round(_LINE * _FINE))
    if outline is not None:
        _polygon(draw, corners_of((0, 0, 1, 1)), rectangles[0], _OUTLINE, ACCENT)
        if box is not None:
            _polygon(draw, corners_of(box), rectangles[1], _THIN, LIGHT)
        _polygon(draw, outline, rectangles[1], _OUTLINE, ACCENT)
    for row, colour in coloured:
        for end in row.reshape(2, 2):
            for radius, fill in ((_DOT + 1, LIGHT), (_DOT, colour)):
                (x, y), reach = _fine(end[None])[0], radius * _FINE
                draw.ellipse((x - reach, y - reach, x + reach, y + reach), fill=fill)
    return layer.resize(size, Image.Resampling.BOX)


def framed(picture: Image.Image, shapes: Iterable[Shape]) -> Image.Image:
    """A copy of an RGB picture with closed lines on it, each cut to the picture and the later ones on top."""
    layer = Image.new("RGBA", (picture.width * _FINE, picture.height * _FINE), (0, 0, 0, 0))
    draw = ImageDraw.Draw(layer)
    for corners, colour in shapes:
        _polygon(draw, corners, (0, 0, *picture.size), _FRAME if colour == ACCENT else _THIN, colour)
    copy, small = picture.copy(), layer.resize(picture.size, Image.Resampling.BOX)
    copy.paste(small, (0, 0), small)
    return copy


def corners_of(box: tuple[float, float, float, float]) -> np.ndarray:
    """(4, 2) float64 corners of left, top, right, bottom, clockwise from the top left."""
    left, top, right, bottom = box
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)], dtype=np.float64)


def _cut(corners: np.ndarray, axis: int, sign: float, limit: float) -> np.ndarray:
    """The part of a polygon on one side of a line."""
    depths = (corners[:, axis] - limit) * sign
    kept = []
    for i, (corner, depth) in enumerate(zip(corners, depths, strict=True)):
        before, depth_before = corners[i - 1], depths[i - 1]
        if (depth >= 0) != (depth_before >= 0):
            kept.append(before + depth_before / (depth_before - depth) * (corner - before))
        if depth >= 0:
            kept.append(corner)
    return np.array(kept, dtype=np.float64).reshape(-1, 2)


def _placed(fractions: np.ndarray, rectangle: Rectangle) -> np.ndarray:
    left, top, width, height = rectangle
    return fractions.astype(np.float64) * (width, height) + (left, top)


def _fine(points: np.ndarray) -> list[tuple[float, float]]:
    """Pixels to Pillow's coordinates on the fine layer, where whole numbers are the centres of sub-pixels."""
    return [(x, y) for x, y in (points * _FINE - 0.5).tolist()]


def _polygon(
    draw: ImageDraw.ImageDraw,
    fractions: np.ndarray,
    rectangle: Rectangle,
    width: float,
    colour: Colour,
) -> None:
    """A closed line on a wider dark one, which keeps it visible on any picture."""
    left, top, across, down = rectangle
    inset = min(_INSET, across / 2, down / 2)
    low, high = (left + inset, top + inset), (left + across - inset, top + down - inset)
    corners = clip(_placed(fractions, rectangle), low, high)
    if not len(corners):
        return
    # The first side again at the end: the joint at the first corner is rounded like the others.
    closed = _fine(np.concatenate([corners, corners[:2]]))
    for thickness, fill in ((width + 1.6, INK), (width, colour)):
        draw.line(closed, fill=fill, width=round(thickness * _FINE), joint="curve")
