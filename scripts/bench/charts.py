"""Line charts as PNG, drawn with Pillow at twice the size and brought down, so that lines are smooth."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

SCALE = 2
PALETTE = ("#d6282b", "#1f6fb4", "#2f9e44", "#8b4fb8", "#e08a00", "#0d9fb0", "#8a5a44", "#6b7280", "#111827")
INK, PALE, GRID = "#1f2933", "#7b8794", "#e4e7eb"
MARGIN = (70, 34, 22, 52)
"""Left, top, right and bottom of a panel, in pixels."""


@dataclass(frozen=True)
class Axis:
    """One direction of a panel.

    Attributes:
        title: what it shows, with the unit.
        place: turns a value into something that is even on paper.
        ticks: values with a line and their label.
        low: value at the beginning.
        high: value at the end.
    """

    title: str
    place: Callable[[float], float]
    ticks: Sequence[tuple[float, str]]
    low: float
    high: float

    def at(self, value: float) -> float:
        """0..1 within the axis."""
        low, high = self.place(self.low), self.place(self.high)
        return (self.place(min(max(value, self.low), self.high)) - low) / (high - low)


@dataclass(frozen=True)
class Panel:
    """Lines over two axes.

    Attributes:
        title: above it.
        x: horizontal axis.
        y: vertical axis.
        lines: points by name; a name has the same colour in every panel.
    """

    title: str
    x: Axis
    y: Axis
    lines: dict[str, list[tuple[float, float]]] = field(default_factory=dict)


def log_axis(title: str, values: Sequence[float], unit: str = "") -> Axis:
    """A logarithmic axis around the values, with ticks at powers of ten and, where those are few, at 2 and 5 times."""
    low, high = min(values) / 1.3, max(values) * 1.3
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    steps = (1,) if math.log10(high / low) > 2.5 else (1, 2, 5)
    ticks = [(step * 10.0**power, _short(step * 10.0**power) + unit) for power in powers for step in steps]
    return Axis(title, math.log10, [tick for tick in ticks if low <= tick[0] <= high], low, high)


def recall_axis(low: float = 0.88, high: float = 0.9995) -> Axis:
    """Recall, stretched towards 1: every halving of what is missing is as wide; the right edge stands for 1."""
    ticks = [*((v, f"{v:g}") for v in (0.9, 0.95, 0.98, 0.99, 0.995, 0.999)), (high, "1")]
    return Axis("recall@10", lambda value: -math.log10(1 - value), ticks, low, high)


def draw(path: Path, panels: Sequence[Panel], columns: int = 2, size: tuple[int, int] = (520, 380)) -> None:
    """Draw the panels side by side under one legend."""
    names = list(dict.fromkeys(name for panel in panels for name in panel.lines))
    colours = {name: PALETTE[number % len(PALETTE)] for number, name in enumerate(names)}
    columns = min(columns, len(panels))
    width, places, rows = size[0] * columns, [], 1
    left = float(MARGIN[0])
    for name in names:
        wide = 34 + _font(13).getlength(name) / SCALE + 18
        if left + wide > width - 10 and left > MARGIN[0]:
            left, rows = float(MARGIN[0]), rows + 1
        places.append((left, 14 + 24 * (rows - 1)))
        left += wide
    top = 24 * rows + 16
    height = top + size[1] * -(-len(panels) // columns)
    image = Image.new("RGB", (width * SCALE, height * SCALE), "#ffffff")
    pen = ImageDraw.Draw(image)
    for name, (x, y) in zip(names, places, strict=True):
        _line(pen, [(x, y + 8), (x + 26, y + 8)], colours[name], 3 if name == names[0] else 2)
        _dot(pen, x + 13, y + 8, colours[name])
        pen.text(((x + 34) * SCALE, (y + 8) * SCALE), name, INK, _font(13), anchor="lm")
    for number, panel in enumerate(panels):
        _panel(pen, panel, (number % columns * size[0], top + number // columns * size[1]), size, colours, names[0])
    path.parent.mkdir(parents=True, exist_ok=True)
    image.resize((width, height), Image.Resampling.LANCZOS).save(path, optimize=True)


def _panel(
    pen: ImageDraw.ImageDraw,
    panel: Panel,
    corner: tuple[int, int],
    size: tuple[int, int],
    colours: dict[str, str],
    first: str,
) -> None:
    x0, y0 = corner[0] + MARGIN[0], corner[1] + MARGIN[1]
    x1, y1 = corner[0] + size[0] - MARGIN[2], corner[1] + size[1] - MARGIN[3]
    pen.text((x0 * SCALE, (y0 - 12) * SCALE), panel.title, INK, _font(15), anchor="ls")
    for value, label in panel.x.ticks:
        x = x0 + panel.x.at(value) * (x1 - x0)
        _line(pen, [(x, y0), (x, y1)], GRID, 1)
        pen.text((x * SCALE, (y1 + 7) * SCALE), label, PALE, _font(12), anchor="ma")
    for value, label in panel.y.ticks:
        y = y1 - panel.y.at(value) * (y1 - y0)
        _line(pen, [(x0, y), (x1, y)], GRID, 1)
        pen.text(((x0 - 8) * SCALE, y * SCALE), label, PALE, _font(12), anchor="rm")
    pen.text(((x0 + x1) / 2 * SCALE, (y1 + 27) * SCALE), panel.x.title, INK, _font(13), anchor="ma")
    pen.text(((x1 - 2) * SCALE, (y0 - 12) * SCALE), panel.y.title, PALE, _font(12), anchor="rs")
    _line(pen, [(x0, y0), (x0, y1), (x1, y1)], PALE, 1)
    for name, points in sorted(panel.lines.items(), key=lambda item: item[0] == first):
        spots = [(x0 + panel.x.at(x) * (x1 - x0), y1 - panel.y.at(y) * (y1 - y0)) for x, y in points]
        if len(spots) > 1:
            _line(pen, spots, colours[name], 3 if name == first else 2)
        for x, y in spots:
            _dot(pen, x, y, colours[name])


def _line(pen: ImageDraw.ImageDraw, points: Sequence[tuple[float, float]], colour: str, width: int) -> None:
    pen.line([(x * SCALE, y * SCALE) for x, y in points], colour, width * SCALE, joint="curve")


def _dot(pen: ImageDraw.ImageDraw, x: float, y: float, colour: str) -> None:
    r = 3.6 * SCALE
    pen.ellipse((x * SCALE - r, y * SCALE - r, x * SCALE + r, y * SCALE + r), colour, "#ffffff", SCALE)


def _font(points: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(points * SCALE)


def _short(value: float) -> str:
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"
