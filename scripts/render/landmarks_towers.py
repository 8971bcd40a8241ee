"""Landmarks that rise: lighthouse, windmill, pagoda, obelisk and glass tower.

It does not choose views; landmarks.py does.
"""

from __future__ import annotations

import math

import numpy as np

from . import materials as m
from . import props
from .light import Ridge
from .noise import lumps
from .scene import Scene
from .setting import Setting
from .shapes import F, Shape, box, drum, ellipsoid, gable, lathe, opening, rod, slab, torus


def lighthouse() -> Setting:
    """Red and white tower with a keeper's house on a rock in the sea."""
    s = Scene(m.water("22404c", 0.07))
    big = ellipsoid(17, 6, 12).at(0, -1.2, 0).blend(ellipsoid(9, 4, 8).at(13, -1.2, 2), 3)
    cliff = m.rock("8a7a68", "54493e", 1.6, "59633a")
    s.add(cliff, big.warp(lambda x, y, z: lumps(x * 0.28, y * 0.5, z * 0.28) + 0.4 * lumps(x, y, z), 1.5, 0.55))
    for x, z, r in ((-19, 7, 2.4), (-15, 11, 1.7), (17, 10, 2.1), (6, 14, 1.5), (22, 3, 1.8)):
        s.add(cliff, ellipsoid(r, r * 0.7, r).at(x, -0.1, z).warp(lambda a, b, c: lumps(a * 0.7, b, c * 0.7), 0.6, 0.6))
    tower = lathe([(3.5, 3), (3.4, 6), (2.8, 15), (2.45, 25), (2.9, 25.8), (2.9, 26.2)])
    door = opening(1.2, 2.4, 1, True).at(0, 4.9, 3.2)
    slits = (
        opening(0.6, 1.1, 1.5, True).at(0, 10, 2.8)
        | opening(0.6, 1.1, 1.5, True).at(0, 15.5, 2.6)
        | opening(0.6, 1.1, 1.5, True).at(0, 20.5, 2.4)
    )
    s.add(m.bands(("b8302a", "eee8dc"), 4.4, 1.2, 0.4), tower - (door | slits))
    s.add(m.plaster("2a2522"), drum(2.2, 4, 24, 1.8))
    s.add(m.plaster("e8e2d6", 0.4, wrap="round"), drum(3.5, 25.8, 26.3))
    s.add(
        props.IRON,
        box(0.04, 0.55, 0.04).at(3.35, 26.85, 0).around(20),
        torus(3.35, 0.05).at(0, 27.4, 0),
        torus(3.35, 0.035).at(0, 26.9, 0),
    )
    s.add(m.glazing(0.9, 1.25, 0.09, "a8241f", "31424a", 0.2, 1.0, "round"), drum(1.6, 26.3, 29))
    s.add(
        m.plaster("a8241f", 0.3, gloss=0.5, wrap="round"),
        lathe([(2.0, 29), (1.9, 29.3), (1.3, 30.4), (0.35, 31), (0.3, 31.5), (0.04, 31.7), (0.03, 33)]),
    )
    house = slab(6.2, 13.2, 2.2, 7.0, -2.5, 3.0)
    holes = opening(0.9, 1.3, 0.4).repeat("x", 2.3, 2).at(10.6, 4.9, 3.0) | opening(1.0, 2.2, 0.4).at(7.6, 4.2, 3.0)
    s.add(m.plaster("efe9dd", 0.45), (house - holes) | gable(2.75, 6.9, 9.2, 3.5).turn("y", 90).at(9.7, 0, 0.25))
    s.add(m.glazing(0.45, 0.65), slab(6.5, 12.9, 3, 6.6, -2.2, 2.75))
    roof = gable(3.2, 6.85, 9.6, 3.8).turn("y", 90).at(9.7, 0, 0.25) - gable(2.95, 6.3, 9.25, 5).turn("y", 90).at(
        9.7, 0, 0.25
    )
    s.add(m.courses("9a4a34", "4a2a20", 0.28, 0.36, bulge=0.04, vary=0.4), roof | slab(11.6, 12.4, 8, 10.4, -0.3, 0.5))
    return Setting(s, (2.2, 15.2, 0), 62, 3.4, 0, 50, (Ridge("hills", -0.6, 2.2, "7d8a80", 5000, 1.3),), True,
                   ("boat", "buoy", "boat", "none", "none", "buoy"))  # fmt: skip


def windmill() -> Setting:
    """Thatched octagonal mill on a brick base beside a canal."""
    s = Scene(m.meadow("4f6330", "6d7a3e", "7d6f50"))
    s.add(
        m.courses("8f4f3a", "b8aa94", 0.4, 0.14, vary=0.4, wrap="planar"),
        drum(5.0, 0, 5.2, 4.8, 8) - opening(1.8, 2.8, 0.8, True).at(0, 0, 4.9),
    )
    s.add(m.plaster("244a38", 0.2), slab(-0.85, 0.85, 0, 2.7, 4.0, 4.5))
    s.add(m.courses("d8d2c4", "6e675a", 0.3, 3.0, 0.02), drum(6.9, 5.0, 5.3, sides=8))
    s.add(
        m.plaster("e6e0d2", 0.3),
        box(0.05, 0.5, 0.05).at(6.6, 5.8, 0).around(24),
        lathe([(6.65, 6.2), (6.65, 6.32)], 8) - lathe([(6.5, 5), (6.5, 7)], 8),
    )
    s.add(props.BARK, rod((4.9, 3.2, 0), (6.6, 5.1, 0), 0.12).around(8, 22.5))
    panes = opening(0.9, 1.2, 2).at(0, 8, 4) | opening(0.8, 1.0, 2).at(0, 12, 3.4)
    thatch = m.courses("6e5a44", "4a3b2c", 0.16, 0.9, 0.03, 0.5, 0.05, 0.6, grain=0.45)
    s.add(thatch, lathe([(4.7, 5.2), (3.5, 11), (2.9, 16.6)], 8) - panes)
    s.add(m.glazing(0.45, 0.4, 0.07), lathe([(4.3, 5.2), (2.6, 15)], 8))
    s.add(m.plaster("e6e0d2", 0.2), lathe([(3.15, 16.4), (3.15, 16.9)], 8))
    cap = ellipsoid(3.1, 3.0, 3.9).at(0, 16.9, 0) - slab(-9, 9, 0, 16.9, -9, 9)
    s.add(m.courses("5b4a38", "33291f", 0.14, 0.7, 0.03, 0.5, 0.05, 0.5, grain=0.45), cap)
    s.add(m.plaster("2f5d46", 0.3), slab(-1.1, 1.1, 16.9, 19.2, 3.2, 3.75), box(0.5, 0.5, 0.9).at(0, 18.2, 4.2))
    blade = slab(-0.12, 0.12, 0, 11.5, -0.1, 0.1)
    lattice = (
        slab(0.1, 1.75, -0.03, 0.03, -0.03, 0.03).repeat("y", 0.55, 18).at(0, 6.7, 0)
        | slab(0.85, 0.9, 1.9, 11.4, -0.03, 0.03)
        | slab(1.7, 1.76, 1.9, 11.4, -0.03, 0.03)
    )
    arms: list[Shape] = []
    canvas: list[Shape] = []
    sheet = slab(0.12, 1.65, 2.2, 9.5, -0.06, -0.03)
    for k in range(4):
        arms.append((blade | lattice).turn("z", 90 * k + 28).at(0, 18.2, 5.0))
        canvas.append(sheet.turn("z", 90 * k + 28).at(0, 18.2, 5.0))
    s.add(m.plaster("8a2f26", 0.3), *arms)
    s.add(m.plaster("ded5bf", 0.3), *canvas)
    s.add(m.water("2a3a30", 0.03), slab(-120, 120, -2, 0.04, 15, 23))
    s.add(
        m.courses("6b5a44", "3a3026", 0.25, 2.0),
        slab(-120, 120, -2, 0.35, 14.7, 15),
        slab(-120, 120, -2, 0.3, 23, 23.3),
    )
    cottage = slab(-19, -11, 0, 3.2, -8, -2)
    s.add(
        m.courses("7a4434", "b0a28c", 0.24, 0.08),
        (cottage - opening(1, 1.3, 0.4).repeat("x", 2.2, 3).at(-15, 1.2, -2))
        | gable(3, 3.1, 6.4, 3.9).turn("y", 90).at(-15, 0, -5),
    )
    s.add(m.glazing(0.5, 0.65), slab(-18.7, -11.3, 0.5, 3, -7.5, -2.25))
    s.add(
        m.courses("a8583c", "4a2a20", 0.3, 0.35, bulge=0.04),
        gable(3.5, 3.0, 6.9, 4.2).turn("y", 90).at(-15, 0, -5) - gable(3.3, 2.4, 6.5, 5).turn("y", 90).at(-15, 0, -5),
    )
    props.tree(s, 17, -9, 9, leaves="fresh", seed=4)
    props.spire_tree(s, -26, -14, 12, kind="poplar")
    props.spire_tree(s, -31, -14, 13, kind="poplar", seed=3)
    return Setting(s, (-1.5, 12.5, 0), 52, 2.2, 0, 54, (Ridge("trees", 0.2, 0.9, "4c5a38", 900, 2.0),), True,
                   ("person", "none", "bush", "people", "tree", "none"))  # fmt: skip


def pagoda() -> Setting:
    """Five-storeyed red pagoda between blossoming trees."""
    s = Scene(m.meadow("8a8168", "9a9078", "6f7448", 2.2))
    s.add(
        m.courses("8f8a80", "5c574e", 1.1, 0.45),
        box(8.0, 0.6, 8.0).at(0, 0.6, 0),
        *[slab(-2, 2, 0, 1.2 - 0.3 * k, 8, 8.5 + 0.4 * k) for k in range(4)],
    )
    red, white = m.plaster("9c3024", 0.3), m.plaster("e6dcc6", 0.35)
    tile = m.courses("4d5557", "2b3032", 0.32, 0.5, 0.05, 0.25, 0.06, 0.4)
    y = 1.2
    for k in range(5):
        h, w = 3.3 - 0.12 * k, 4.6 - 0.5 * k
        s.add(white, box(w, h / 2, w).at(0, y + h / 2, 0))
        beams = box(0.17, h / 2, 0.17).repeat("x", w * 2 / 3, 4).at(0, y + h / 2, w).mirror("z")
        s.add(
            red,
            beams,
            beams.turn("y", 90),
            box(w + 0.12, 0.16, w + 0.12).at(0, y + h - 0.3, 0),
            box(w + 0.12, 0.14, w + 0.12).at(0, y + h * 0.45, 0),
        )
        door = slab(-w / 3 + 0.2, w / 3 - 0.2, y, y + h * 0.72, -w - 0.06, w + 0.06)
        s.add(m.glazing(0.3, 0.3, 0.08, "6e2018", "2c1a12", 0.02, 0.15), door, door.turn("y", 90))
        s.add(red, box(w + 0.9, 0.1, w + 0.9).at(0, y + 0.05, 0))
        if k:
            posts = box(0.05, 0.35, 0.05).repeat("x", (w + 0.8) / 4, 9).at(0, y + 0.45, w + 0.8).mirror("z")
            bar = box(w + 0.85, 0.05, 0.05).repeat("y", 0.3, 2).at(0, y + 0.6, w + 0.8).mirror("z")
            s.add(red, posts | bar, (posts | bar).turn("y", 90))
        s.add(red, lathe([(w + 0.2, y + h - 0.3), (w + 1.5, y + h + 0.1), (w, y + h + 0.3)], 4))
        e = w + 2.6
        roof = lathe(
            [
                (e, y + h - 0.05),
                (e, y + h + 0.22),
                (e - 1.6, y + h + 0.75),
                (w - 0.2, y + h + 1.55),
                (w - 1.4, y + h + 1.6),
            ],
            4,
        )
        s.add(tile, _upturned(roof, e, 0.75))
        y += h + 1.35
    s.add(tile, lathe([(2.4, y), (1.2, y + 0.7), (0.25, y + 1.9)], 4))
    s.add(m.metal("b08a3a", "6a5a34", 0.4, 0.8), lathe([(0.7, y + 1.5), (0.5, y + 2), (0.12, y + 2.2), (0.1, y + 7), (0.3, y + 7.2), (0.02, y + 7.8)]),
          torus(0.55, 0.09).repeat("y", 0.5, 8).at(0, y + 4.6, 0))  # fmt: skip
    for x, z, t, k in (
        (-12, 7, 7, "blossom"),
        (13, 5, 8, "blossom"),
        (-14, -8, 10, "dark"),
        (15, -9, 11, "green"),
        (-19, 1, 8, "blossom"),
    ):
        props.tree(s, x, z, t, leaves=k, seed=int(x + 40))
    for x in (-4.5, 4.5):
        stem = lathe(
            [
                (0.6, 0),
                (0.6, 0.3),
                (0.2, 0.4),
                (0.2, 1.5),
                (0.5, 1.7),
                (0.4, 1.8),
                (0.4, 2.3),
                (0.8, 2.4),
                (0.1, 2.9),
                (0.02, 3.1),
            ],
            6,
        )
        s.add(props.STONE, stem.at(x, 0, 13))
    return Setting(s, (0, 14.0, 0), 50, 1.7, 20, 56, (Ridge("trees", 0.5, 3.2, "3f4f33", 500, 4.0), Ridge("hills", 2, 5, "5d7060", 4000, 2)), True,
                   ("person", "people", "none", "tree", "lamp", "none"))  # fmt: skip


def _upturned(roof: Shape, edge: float, lift: float) -> Shape:
    f = roof.fn

    def fn(x: F, y: F, z: F) -> F:
        corner = np.minimum(np.abs(x), np.abs(z)) / edge
        return f(x, y - lift * np.minimum(corner, 1.1) ** 3, z) * np.float32(0.8)

    return Shape(fn, roof.lo, (roof.hi[0], roof.hi[1] + lift, roof.hi[2]))


def obelisk() -> Setting:
    """Red granite needle with a gilded tip in a formal garden with a fountain."""
    s = Scene(m.courses("b5a78e", "857a66", 1.6, 1.6, 0.03, 0.16, 0.0, 0.4))
    granite = m.plaster("a4624c", 0.25, 0.35, gloss=0.45)
    s.add(granite, lathe([(1.75, 6.2), (1.15, 25.0)], 4))
    s.add(m.metal("c79a34", "e0bc5a", 0.5, 0.9), lathe([(1.15, 25.0), (0.02, 27.4)], 4))
    glyph = box(0.3, 0.28, 0.03).repeat("y", 0.95, 18).at(0, 15.2, 0).turn("x", -1.8).at(0, 0, 1.47 + 0.02)
    carved = m.plaster("6e3e30", 0.4, 0.3)
    for turn in (0, 90, 180, 270):
        s.add(carved, glyph.turn("y", turn))
    pale = m.courses("cfc8b8", "958c7a", 1.4, 0.7, 0.02, 0.14, gloss=0.1)
    s.add(
        pale,
        lathe(
            [
                (4.6, 0),
                (4.6, 0.4),
                (4.0, 0.4),
                (4.0, 0.8),
                (3.4, 0.8),
                (3.4, 1.2),
                (2.6, 1.4),
                (2.4, 1.9),
                (2.3, 4.6),
                (2.8, 4.9),
                (2.8, 5.3),
                (2.2, 5.6),
                (2.2, 6.2),
            ],
            4,
        ),
    )
    s.add(m.metal("4c4a34", "5d8a74", 0.8), box(1.5, 0.9, 0.06).at(0, 3.3, 2.36).mirror("z"))
    lion = (
        ellipsoid(0.75, 0.8, 1.5)
        .at(0, 1.5, 0)
        .blend(ellipsoid(0.65, 0.7, 0.65).at(0, 2.3, 1.3), 0.5)
        .blend(ellipsoid(0.4, 0.35, 0.4).at(0, 2.1, 1.8), 0.3)
    )
    lion = lion.blend(
        rod((0.45, 0.95, 1.0), (0.45, 0.9, 2.3), 0.25) | rod((-0.45, 0.95, 1.0), (-0.45, 0.9, 2.3), 0.25), 0.3
    )
    for a in (45, 135, 225, 315):
        r = math.radians(a)
        spot = (6.4 * math.sin(r), 0.0, 6.4 * math.cos(r))
        s.add(pale, box(1.2, 0.35, 2.2).at(0, 0.35, 0).turn("y", a).at(*spot))
        s.add(m.metal("3a3c34", "55705f", 0.5), lion.turn("y", a).at(*spot))
    props.fountain(s, 0, 19, 5.0)
    hedge = m.foliage("2f4526", "475c30", 0.6)
    for x in (-16, 16):
        s.add(hedge, box(3.2, 0.6, 16, 0.3).at(x, 0.5, 4).warp(lambda a, b, c: lumps(a * 3, b * 3, c * 3), 0.12, 0.7))
        s.add(m.meadow("4a6a2c", "5f7a38"), box(2.2, 0.1, 15).at(x, 0.9, 4))
        for z in (-10, 2, 14):
            s.add(
                props.LEAVES["dark"],
                lathe([(1.2, 0.2), (0.9, 2), (0.05, 5.2)])
                .at(x, 0.6, z)
                .warp(lambda a, b, c: lumps(a * 2, b * 2, c * 2), 0.15, 0.6),
            )
    for x in (-34, -26, 26, 34):
        props.tree(s, x, -14, 11, leaves="green", seed=int(x + 60))
    return Setting(s, (0, 12.2, 0), 50, 1.7, -15, 54, (Ridge("trees", 1.2, 2.6, "43532f", 300, 7.0, 1.5),), True,
                   ("person", "people", "lamp", "none", "bench", "none"))  # fmt: skip


def glass_tower() -> Setting:
    """Twisted skyscraper of blue glass over a plaza with low stone blocks."""
    s = Scene(m.courses("8f8d88", "6c6a66", 1.2, 0.6, 0.02, 0.16, 0.0, 0.35))
    plan = box(11, 47, 11, 3.0).at(0, 50, 0)
    f = plan.fn

    def twisted(x: F, y: F, z: F) -> F:
        a = y * np.float32(0.0098)
        shrink = 1.0 + 0.0035 * y
        c, d = np.cos(a) * shrink, np.sin(a) * shrink
        return f(c * x - d * z, y, d * x + c * z) * np.float32(0.68)

    shape = Shape(twisted, (-15, 3, -15), (15, 97, 15))
    s.add(m.glazing(1.55, 3.4, 0.5, "dfe6ea", "1d4a66", 0.42, 0.18, "round"), shape)
    s.add(
        m.plaster("d5d8d8", 0.2),
        box(12.4, 0.6, 12.4, 0.5).at(0, 4.6, 0),
        drum(0.6, 0, 4.2).at(10.5, 0, 10.5).mirror("xz"),
        rod((0, 94, 0), (0, 112, 0), 0.45, 0.1),
    )
    s.add(m.glazing(2.0, 4.4, 0.12, "30363a", "2c3a40", 0.3, 0.8), box(9, 2.2, 9).at(0, 2.2, 0))
    blocks = (
        (-34, -8, 11, 11, "b89a78", 17),
        (-33, -36, 13, 11, "8d5a46", 24),
        (34, -14, 11, 15, "a7a49c", 20),
        (36, -46, 12, 12, "c2b190", 31),
        (-6, -62, 18, 9, "7f8a92", 26),
    )
    for x, z, w, d, colour, h in blocks:
        wall = box(w, h / 2, d).at(x, h / 2, z)
        rows, nx, nz = int(h / 3.4), int(2 * w / 3), int(2 * d / 3)
        cut = opening(1.5, 2.0, 0.5).repeat("x", 3, nx).repeat("y", 3.4, rows).at(x, h / 2 - 0.6, z + d) | opening(
            1.5, 2.0, 0.5
        ).repeat("x", 3, nz).turn("y", 90).repeat("y", 3.4, rows).at(x - math.copysign(w, x), h / 2 - 0.6, z)
        s.add(m.courses(colour, "6f665a", 1.2, 0.5, 0.015, 0.12), wall - cut, box(w + 0.4, 0.4, d + 0.4).at(x, h, z))
        s.add(m.glazing(0.75, 1.0, 0.1, "4a4a48", lit=0.3), box(w - 0.4, h / 2 - 0.5, d - 0.4).at(x, h / 2, z))
    for x, z in ((-19, 15), (19, 16), (-20, 2), (21, 0)):
        props.tree(s, x, z, 7, leaves="fresh", seed=int(x + z + 50))
    props.car(s, -13, 27, 0, colour="b8bcc0")
    props.car(s, 15, 29, 180, colour="7a1f22")
    return Setting(s, (0, 44, 0), 118, 1.8, 0, 62, (Ridge("city", 1.0, 7, "7d8288", 900, 0.3),), True,
                   ("person", "people", "none", "lamp", "tree", "none"))  # fmt: skip
