"""Plots as inline SVG: curves of precision over recall, and one bar a query. No scripts, no libraries."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from dinosearch.evaluation.report.figures import Unit
from dinosearch.evaluation.report.markup import escape

MOST_BARS = 240
"""More queries than this share bars, so that the page stays small."""

_WIDTH, _HEIGHT = 400, 280
_LEFT, _RIGHT, _TOP, _BOTTOM = 50, 386, 12, 234
_COLOURS, _DASHES = 6, ("", "7 4", "2 3", "10 3 2 3")


@dataclass(frozen=True)
class Curve:
    """One line of a plot.

    Attributes:
        name: for the legend.
        precision: (101,) shares at recall 0, 0.01 ... 1.
    """

    name: str
    precision: np.ndarray


def curve_plot(curves: Sequence[Curve], label: str) -> str:
    """Interpolated precision over recall, with a legend where there is more than one line.

    Args:
        curves: at least one; each gets another colour and another dash.
        label: what the plot shows, for those who cannot see it.
    """
    lines = "".join(_line(place, curve) for place, curve in enumerate(curves))
    axes = _axes(np.linspace(0, 100, 6), 100.0, "interpolated precision (%)")
    ticks = "".join(_x_tick(_x(share / 100), f"{share}") for share in range(0, 101, 20))
    plot = _svg(f"{axes}{ticks}{_x_label('recall (%)')}{lines}", label)
    if len(curves) == 1:
        return plot
    entries = "".join(
        f'<li><svg viewBox="0 0 32 8" aria-hidden="true"><path d="M0 4H32" {_stroke(place)}/></svg>'
        f"{escape(curve.name)}</li>"
        for place, curve in enumerate(curves)
    )
    return f'{plot}<ul class="legend">{entries}</ul>'


def bar_plot(values: np.ndarray, names: Sequence[str], unit: Unit, measure: str) -> str:
    """One bar for each query that counts, best first, its name in a tooltip; a dashed line at the mean.

    Args:
        values: (n,) as stored; NaN where the query does not count.
        names: n names.
        unit: how the values are written.
        measure: its name, for the axis.
    """
    order = np.argsort(-values, kind="stable")
    order = order[~np.isnan(values[order])]
    written = values * unit.factor
    shares = np.array_split(order, min(len(order), MOST_BARS)) if len(order) else []
    slot = (_RIGHT - _LEFT) / max(1, len(shares))
    bars = "".join(
        _bar(_LEFT + place * slot, slot, float(written[share].mean()) / unit.top, _tooltip(share, written, names, unit))
        for place, share in enumerate(shares)
    )
    mean = float(written[order].mean()) if len(order) else float("nan")
    steps = int(min(unit.top, 5))
    queries = "queries" if len(order) == len(shares) else f"queries in {MOST_BARS} bars"
    content = _axes(np.linspace(0, unit.top, steps + 1), unit.top, f"{measure} ({unit.name})") + bars
    if len(order):
        content += _mean_line(mean, unit) + _x_tick(_LEFT + slot / 2, "1")
    if len(order) > 1:
        content += _x_tick(_RIGHT - slot / 2, f"{len(order):,}")
    return _svg(content + _x_label(f"{queries}, best first"), f"{measure} of each query, mean {mean:.2f} {unit.name}")


def _svg(content: str, label: str) -> str:
    return f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(label)}">{content}</svg>'


def _line(place: int, curve: Curve) -> str:
    recalls = np.linspace(0, 1, len(curve.precision))
    points = " ".join(f"{_x(x):.1f},{_y(y):.1f}" for x, y in zip(recalls, curve.precision, strict=True))
    return f'<polyline class="line" points="{points}" {_stroke(place)}><title>{escape(curve.name)}</title></polyline>'


def _stroke(place: int) -> str:
    dash = _DASHES[place % len(_DASHES)]
    dashes = f' stroke-dasharray="{dash}"' if dash else ""
    return f'style="stroke:var(--line{place % _COLOURS})" stroke-width="2"{dashes}'


def _bar(left: float, slot: float, share: float, tooltip: str) -> str:
    """A bar, and behind it an area as high as the plot, because a bar of nothing cannot be pointed at."""
    width = min(0.8 * slot, 28.0)
    top = _y(share)
    return (
        f'<g><title>{escape(tooltip)}</title><rect class="reach" x="{left:.1f}" y="{_TOP}" width="{slot:.2f}" '
        f'height="{_BOTTOM - _TOP}"/><rect class="bar" x="{left + (slot - width) / 2:.1f}" y="{top:.1f}" '
        f'width="{width:.2f}" height="{_BOTTOM - top:.1f}"/></g>'
    )


def _tooltip(share: np.ndarray, written: np.ndarray, names: Sequence[str], unit: Unit) -> str:
    if len(share) == 1:
        return f"{names[share[0]]}: {written[share[0]]:.2f} {unit.name}"
    best, worst = written[share[0]], written[share[-1]]
    return f"{len(share)} queries, {names[share[0]]} to {names[share[-1]]}: {best:.2f} to {worst:.2f} {unit.name}"


def _mean_line(mean: float, unit: Unit) -> str:
    height = _y(mean / unit.top)
    return (
        f'<path class="average" d="M{_LEFT} {height:.1f}H{_RIGHT}"/>'
        f'<text class="average-name" x="{_RIGHT}" y="{max(height - 6, _TOP + 12):.1f}" text-anchor="end">'
        f"mean {mean:.2f}</text>"
    )


def _axes(ticks: np.ndarray, top: float, name: str) -> str:
    return "".join(_y_ticks(ticks, top)) + (
        f'<path class="axis" fill="none" d="M{_LEFT} {_TOP}V{_BOTTOM}H{_RIGHT}"/>'
        f'<text transform="translate(12 {(_TOP + _BOTTOM) / 2:.0f}) rotate(-90)" text-anchor="middle">'
        f"{escape(name)}</text>"
    )


def _y_ticks(ticks: np.ndarray, top: float) -> Iterator[str]:
    for value in ticks:
        height = _y(float(value) / top)
        yield f'<path class="grid" d="M{_LEFT} {height:.1f}H{_RIGHT}"/>'
        yield f'<text x="{_LEFT - 8}" y="{height + 4:.1f}" text-anchor="end">{value:g}</text>'


def _x_tick(x: float, name: str) -> str:
    return f'<text x="{x:.1f}" y="{_BOTTOM + 18}" text-anchor="middle">{name}</text>'


def _x_label(name: str) -> str:
    return f'<text x="{(_LEFT + _RIGHT) / 2:.0f}" y="{_HEIGHT - 6}" text-anchor="middle">{escape(name)}</text>'


def _x(share: float) -> float:
    return _LEFT + share * (_RIGHT - _LEFT)


def _y(share: float) -> float:
    return _BOTTOM - share * (_BOTTOM - _TOP)
