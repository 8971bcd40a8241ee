"""Surface materials: procedural colour and relief over surface coordinates (u, v) in metres.

It does not light anything; a material answers albedo and height, and light.py does the rest.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .noise import per_cell, sample, smoothstep
from .shapes import F

Rgb = tuple[float, float, float]
Surface = tuple[F, F]
Paint = Callable[[F, F, F], Surface]


@dataclass(frozen=True, eq=False)
class Material:
    """Paint (u, v, size of a pixel in m) -> (albedo (n, 3) linear, height (n,) m), and how it shines."""

    paint: Paint
    gloss: float = 0.0  # 0 matt .. 1 polished
    mirror: float = 0.0  # share reflected head-on; grazing angles reflect more
    wrap: str = "planar"  # "planar" for flat faces, "round" for bodies turned about an upright axis
    relief: float = 1.0
    leafy: float = 0.0  # light that comes through
    traced: bool = False  # reflections show the scene and not only the sky
    ripple: float = 0.0
    glow: Rgb = (0.0, 0.0, 0.0)  # emitted where the height is below -0.5 (lit windows)


def hexa(code: str) -> Rgb:
    """Linear colour of an sRGB code such as 'd9c7a3'."""
    r, g, b = (((int(code[i : i + 2], 16) / 255) ** 2.2) for i in (0, 2, 4))
    return (r, g, b)


def courses(
    colour: str,
    joint: str,
    w: float,
    h: float,
    gap: float = 0.012,
    vary: float = 0.25,
    bulge: float = 0.01,
    stain: float = 0.35,
    shift: float = 0.5,
    second: str | None = None,
    grain: float = 0.15,
    wrap: str = "planar",
    gloss: float = 0.0,
    relief: float = 1.0,
) -> Material:
    """Rows of blocks: bricks, ashlar, paving, tiles or planks, w by h metres with joints and weather stains."""
    base, line, other = np.float32(hexa(colour)), np.float32(hexa(joint)), np.float32(hexa(second or colour))

    def paint(u: F, v: F, fp: F) -> Surface:
        row = np.floor(v / h)
        s = u / w + row * shift
        col = np.floor(s)
        du, dv = (s - col) * w, v - row * h
        edge = np.minimum(np.minimum(du, w - du), np.minimum(dv, h - dv))
        fade = np.clip(1.3 - fp / (0.45 * min(w, h)), 0.0, 1.0)
        body = smoothstep(0.0, 1.0, (edge + fp * 0.3) / (gap + fp))
        body = 1 - (1 - body) * fade
        tone = (per_cell(col, row) - 0.5) * np.clip(2 - fp / (0.7 * min(w, h)), 0.15, 1)
        fine = sample("rough", u * 1.7, v * 1.7) - 0.5
        wet = _stains(u, v, stain)
        mix = (per_cell(col, row, 3) ** 2 * (0.9 if second else 0.0))[:, None]
        rgb = base * (1 - mix) + other * mix
        rgb = rgb * np.exp(2 * vary * tone + 2 * grain * fine)[:, None]
        rgb = line * (1 - body)[:, None] + rgb * body[:, None]
        height = bulge * body + (0.5 * bulge * tone + 0.014 * grain * fine) * fade
        return rgb * wet[:, None], height

    return Material(paint, wrap=wrap, gloss=gloss, relief=relief)


def plaster(
    colour: str, stain: float = 0.4, grain: float = 0.12, wrap: str = "planar", gloss: float = 0.0, bump: float = 0.006
) -> Material:
    """Even coat with blotches and rain streaks: render, concrete, plain marble, painted metal."""
    base = np.float32(hexa(colour))

    def paint(u: F, v: F, fp: F) -> Surface:
        fine = sample("rough", u * 1.3, v * 1.3) - 0.5
        big = sample("smooth", u * 0.31 + 2.2, v * 0.31) - 0.5
        rgb = base * (np.exp(2 * grain * fine + 1.2 * grain * big) * _stains(u, v, stain))[:, None]
        return rgb, bump * (fine + big) / (1 + fp * 8)

    return Material(paint, wrap=wrap, gloss=gloss)


def bands(colours: tuple[str, ...], height: float, offset: float = 0.0, stain: float = 0.3) -> Material:
    """Horizontal painted bands, bottom to top, on a round body."""
    table = np.float32([hexa(c) for c in colours])

    def paint(u: F, v: F, fp: F) -> Surface:
        band = np.floor((v + offset) / height).astype(np.int32) % len(colours)
        fine = sample("rough", u * 1.2, v * 1.2) - 0.5
        row = np.floor(v / 0.45)
        joint = smoothstep(0.0, 1.0, np.abs(v / 0.45 - row - 0.5) * 0.45 / (0.02 + fp))
        rgb = table[band] * (np.exp(0.25 * fine) * _stains(u, v, stain))[:, None] * (0.88 + 0.12 * joint)[:, None]
        return rgb, 0.004 * fine + 0.004 * joint

    return Material(paint, wrap="round", gloss=0.15)


def rock(colour: str, second: str, size: float = 1.0, moss: str | None = None, wrap: str = "planar") -> Material:
    """Broken rock, earth or rubble in two tones, layered; `moss` grows in patches."""
    a, b, c = np.float32(hexa(colour)), np.float32(hexa(second)), np.float32(hexa(moss or second))

    def paint(u: F, v: F, fp: F) -> Surface:
        u, v = u / size, v / size
        bend = sample("smooth", u * 0.25, v * 0.25)
        layer = sample("rough", u * 0.3 + bend * 2, v * 1.3 + bend * 3)
        crack = sample("cell", u * 1.1 + bend, v * 1.6)
        m = smoothstep(0.3, 0.7, layer)[:, None]
        rgb = (a * m + b * (1 - m)) * (0.55 + 0.75 * np.sqrt(crack))[:, None]
        grown = (smoothstep(0.5, 0.65, bend) * (0.8 if moss else 0.0))[:, None]
        return rgb * (1 - grown) + c * grown, size * (0.10 * crack + 0.12 * layer)

    return Material(paint, wrap=wrap)


def foliage(colour: str, second: str | None = None, size: float = 1.0) -> Material:
    """Leaves of trees, hedges and bushes, with dark depths between clumps."""
    a, b = np.float32(hexa(colour)), np.float32(hexa(second or colour))

    def paint(u: F, v: F, fp: F) -> Surface:
        u, v = u / size, v / size
        clump = sample("smooth", u * 1.1, v * 1.1)
        leaf = sample("cell", u * 4.1, v * 4.1)
        fine = sample("rough", u * 2.3 + 1.7, v * 2.3)
        m = smoothstep(0.35, 0.65, fine)[:, None]
        depth = 0.25 + 1.3 * clump * (1.15 - 0.7 * leaf) * (0.4 + fine)
        return (a * m + b * (1 - m)) * depth[:, None], size * (0.30 * clump - 0.10 * leaf + 0.12 * fine)

    return Material(paint, leafy=0.35)


def meadow(colour: str, second: str, bare: str | None = None, path: float = 0.0) -> Material:
    """Grass, sand or soil of the ground plane: patches, tufts, worn spots; a worn path of half width `path` along z."""
    a, b, c = np.float32(hexa(colour)), np.float32(hexa(second)), np.float32(hexa(bare or second))

    def paint(u: F, v: F, fp: F) -> Surface:
        far = np.clip(1.5 - fp / 0.5, 0.0, 1.0)
        patch = sample("smooth", u * 0.05, v * 0.05)
        mid = sample("smooth", u * 0.37, v * 0.37 + 1.0)
        tuft = sample("rough", u * 2.9, v * 2.9) * far + 0.5 * (1 - far)
        blade = sample("cell", u * 7.3, v * 7.3) * far + 0.5 * (1 - far)
        m = smoothstep(0.3, 0.7, 0.6 * patch + 0.4 * mid)[:, None]
        rgb = (a * m + b * (1 - m)) * (0.45 + 0.8 * tuft * (0.6 + 0.7 * blade) + 0.25 * mid)[:, None]
        worn = smoothstep(0.62, 0.72, mid * 0.6 + patch * 0.5) * (0.8 if bare else 0.0)
        if path:
            edge = np.abs(u + 1.5 * (sample("smooth", v * 0.06, v * 0.0) - 0.5))
            worn = np.maximum(worn, smoothstep(path + 0.35, path - 0.35, edge + 0.8 * (tuft - 0.5)))
        soil = c * (0.6 + 0.8 * tuft)[:, None]
        return rgb * (1 - worn)[:, None] + soil * worn[:, None], 0.05 * tuft * (1 - 0.6 * worn) + 0.03 * mid

    return Material(paint)


def water(colour: str, ripple: float = 0.04, traced: bool = True) -> Material:
    """Open water with small waves of slope `ripple`."""
    base = np.float32(hexa(colour))

    def paint(u: F, v: F, fp: F) -> Surface:
        patch = sample("smooth", u * 0.03, v * 0.03)
        return base * (0.7 + 0.6 * patch)[:, None], np.zeros_like(u)

    return Material(paint, mirror=0.04, traced=traced, ripple=ripple)


def glazing(
    w: float = 1.0, h: float = 1.2, bar: float = 0.06, frame: str = "e8e4da", tint: str = "1c242a",
    mirror: float = 0.12, lit: float = 0.0, wrap: str = "planar", centre: float = 0.5,
) -> Material:  # fmt: skip
    """Window glass with glazing bars every w by h metres; a share `lit` of the panes glows."""
    bars, pane = np.float32(hexa(frame)), np.float32(hexa(tint))

    def paint(u: F, v: F, fp: F) -> Surface:
        s, r = u / w + centre, v / h
        i, j = np.floor(s), np.floor(r)
        du, dv = (s - i) * w, (r - j) * h
        edge = np.minimum(np.minimum(du, w - du), np.minimum(dv, h - dv))
        glass = smoothstep(0.0, 1.0, 0.5 + (edge - bar / 2) / (0.012 + fp))
        room = per_cell(i, j)
        curtain = (smoothstep(0.62, 0.7, room) * 0.5 * (0.6 + 0.8 * sample("smooth", u * 0.9, v * 0.1)))[:, None]
        rgb = pane * (0.5 + room)[:, None] * (1 - curtain) + np.float32([0.55, 0.5, 0.42]) * curtain
        rgb = rgb * glass[:, None] + bars * (1 - glass)[:, None]
        on = (per_cell(i, j, 5) < lit) & (glass > 0.5)
        return rgb, np.where(on, np.float32(-1.0), 0.03 * (1 - glass))

    return Material(paint, gloss=0.5, mirror=mirror, glow=(1.0, 0.62, 0.28), wrap=wrap)


def cloth(colour: str, second: str | None = None, stripe: float = 0.0) -> Material:
    """Cloth or enamel of one colour, or striped."""
    a, b = np.float32(hexa(colour)), np.float32(hexa(second or colour))

    def paint(u: F, v: F, fp: F) -> Surface:
        fine = sample("smooth", u * 3, v * 3)
        m = (np.floor(u / stripe) % 2 == 0)[:, None] if stripe else np.ones((len(u), 1), bool)
        return np.where(m, a, b) * (0.75 + 0.5 * fine)[:, None], 0.03 * fine

    return Material(paint)


def metal(colour: str, patina: str | None = None, amount: float = 0.6, gloss: float = 0.5) -> Material:
    """Bronze, copper, steel or gilding with patina running down."""
    a, b = np.float32(hexa(colour)), np.float32(hexa(patina or colour))

    def paint(u: F, v: F, fp: F) -> Surface:
        run = sample("rough", u * 0.9, v * 0.12) * 0.6 + sample("smooth", u * 0.5, v * 0.5) * 0.4
        m = (smoothstep(0.35, 0.62, run) * amount)[:, None]
        fine = sample("rough", u * 1.9, v * 1.9)
        return (a * (1 - m) + b * m) * (0.75 + 0.5 * fine)[:, None], 0.006 * fine

    return Material(paint, gloss=gloss, mirror=0.05 * gloss, wrap="round")


def _stains(u: F, v: F, amount: float) -> F:
    """Darkening by rain streaks, blotches and splash near the ground, about 0.4..1."""
    streak = smoothstep(0.45, 0.85, sample("rough", u * 0.9, v * 0.07 + 0.4))
    blotch = smoothstep(0.45, 0.8, sample("smooth", u * 0.22 + 5.0, v * 0.22))
    return 1.0 - amount * np.clip(0.55 * streak + 0.5 * blotch, 0.0, 0.9)
