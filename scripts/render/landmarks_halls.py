"""Landmarks that spread: temple, triumphal arch, domed mosque, church, castle.

It does not choose views; landmarks.py does.
"""

from __future__ import annotations

import math

from . import materials as m
from . import props
from .light import Ridge
from .scene import Scene
from .setting import Setting
from .shapes import box, drum, ellipsoid, gable, lathe, opening, rod, slab, torus


def temple() -> Setting:
    """Weathered Doric temple on a dry hill."""
    s = Scene(m.meadow("8d8350", "a3935c", "a08a62", 3.0))
    stone = m.courses("cdb48a", "94805c", 1.5, 0.75, 0.015, 0.22, stain=0.5)
    for k in range(3):
        s.add(stone, box(9.4 - 0.45 * k, 0.22, 17.4 - 0.45 * k).at(0, 0.22 + 0.44 * k, 0))
    column = lathe([(0.78, 1.3), (0.74, 3.0), (0.6, 7.3), (0.62, 7.5), (0.98, 7.95), (0.98, 8.2)])
    marble = m.plaster("d6bf96", 0.55, 0.3, wrap="round")
    s.add(
        marble,
        column.repeat("x", 3.1, 6).at(0, 0, 16.2).mirror("z"),
        column.repeat("z", 3.24, 11).at(7.75, 0, 0).mirror("x"),
    )
    s.add(stone, slab(-8.6, 8.6, 8.2, 9.2, 15.4, 17.0).mirror("z"), slab(7.0, 8.6, 8.2, 9.2, -17, 17).mirror("x"))
    fluted = box(0.32, 0.42, 0.05).repeat("x", 1.55, 11).at(0, 9.7, 17.05).mirror("z") | box(0.05, 0.42, 0.32).repeat(
        "z", 1.6, 21
    ).at(8.65, 9.7, 0).mirror("x")
    s.add(
        m.plaster("b89b6c", 0.5, 0.3),
        slab(-8.55, 8.55, 9.2, 10.2, 15.5, 17.0).mirror("z"),
        slab(7.1, 8.55, 9.2, 10.2, -17, 17).mirror("x"),
        fluted,
    )
    pediment = gable(9.1, 10.5, 13.2, 0.7).at(0, 0, 16.4) - gable(7.4, 10.75, 12.6, 1).at(0, 0, 17.0)
    s.add(stone, slab(-9.0, 9.0, 10.2, 10.6, -17.4, 17.4) - slab(-6.8, 6.8, 9, 12, -15, 15), pediment.mirror("z"))
    s.add(
        m.courses("b49a70", "7d6a4a", 1.3, 0.65, vary=0.3),
        slab(-4.6, 4.6, 1.3, 7.6, -11, 11) - slab(-3.8, 3.8, 1, 9, -10, 10) - opening(2.4, 5, 2).at(0, 1.3, 11),
    )
    for x, z, r in ((-13, 15, 0.8), (12, 19, 1.1), (15, 8, 0.7), (-14, 4, 0.9)):
        s.add(marble, drum(0.75, -0.4, 0.4).turn("x", 90).turn("y", 40 * r).at(x, 0.6, z))
    for x, z in ((-17, -9), (18, -7), (-21, 5), (22, 8)):
        props.tree(s, x, z, 5.5, leaves="olive", seed=int(x + 40))
    return Setting(s, (0, 6.4, 2), 47, 2.0, 28, 54, (Ridge("hills", 1, 5, "8a8468", 4000, 1.0),), False,
                   ("person", "none", "people", "bush", "none", "tree"))  # fmt: skip


def arch() -> Setting:
    """Pale triumphal arch with bronze reliefs on a paved square."""
    s = Scene(m.courses("6f6b66", "55514c", 0.5, 0.3, 0.02, 0.25, stain=0.5))
    pale = m.courses("d9cfb8", "a09478", 1.8, 0.9, 0.015, 0.12, stain=0.45)
    body = slab(-13, 13, 0, 21, -5, 5) - opening(9, 15, 8, True) - opening(6, 9.5, 16, True).turn("y", 90)
    s.add(pale, body)
    s.add(
        m.plaster("cabd9f", 0.5),
        slab(-13.7, 13.7, 0, 1.6, -5.7, 5.7) - slab(-4.5, 4.5, -1, 3, -9, 9) - slab(-16, 16, -1, 3, -3, 3),
    )
    s.add(
        m.plaster("d2c6aa", 0.5),
        *(
            slab(-13.6 - g, 13.6 + g, y, y + h, -5.6 - g, 5.6 + g)
            for y, h, g in ((15.4, 0.8, 0.1), (20.4, 0.7, 0.5), (24.5, 0.8, 0.4))
        ),
    )
    s.add(pale, slab(-12.6, 12.6, 21, 24.6, -4.8, 4.8))
    shield = drum(0.8, -0.15, 0.15).turn("x", 90).repeat("x", 2.2, 11).at(0, 22.7, 4.85).mirror("z")
    s.add(m.metal("8a6a34", "5a7a62", 0.5, 0.5), shield)
    relief = m.rock("a08a5e", "6a583a", 0.6)
    for x in (-8.9, 8.9):
        s.add(
            relief, box(2.6, 3.6, 0.25).at(x, 6.2, 5.2).warp(lambda a, b, c: 0.6 * _wavy(a, b), 0.45, 0.6).mirror("z")
        )
        s.add(m.plaster("b7a581", 0.5), box(2.9, 1.3, 0.12).at(x, 12.9, 5.05).mirror("z"))
    for x in (-9, 9):
        props.lamp_post(s, x * 1.9, 10)
    for x, z, c in ((-20, 16, "303a58"), (17, 19, "a8a49a")):
        props.car(s, x, z, 20, colour=c)
    for x in (-40, -30, 30, 40):
        props.tree(s, x, -22, 11, leaves="fresh", seed=int(x + 70))
    return Setting(s, (0, 11.2, 0), 52, 1.7, 18, 56, (Ridge("city", 1.5, 4.5, "a59b8a", 700, 2.0),), False,
                   ("people", "person", "lamp", "none", "none", "person"))  # fmt: skip


def _wavy(a, b):  # type: ignore[no-untyped-def]
    import numpy as np

    return np.sin(a * 4.1 + 2 * np.sin(b * 2.3)) * np.cos(b * 3.7)


def mosque() -> Setting:
    """White domed mosque with four minarets and a pool before it."""
    s = Scene(m.courses("d8d0be", "b2a78e", 1.2, 1.2, 0.02, 0.12))
    white, trim = m.plaster("ece5d6", 0.25, wrap="planar"), m.plaster("3f6f86", 0.2)
    hall = (
        slab(-12, 12, 1, 13, -12, 12)
        - opening(5.0, 9.5, 3, True).at(0, 1, 12)
        - (
            opening(3.0, 4.2, 1.6, True).repeat("x", 15, 2).at(0, 1, 12)
            | opening(3.0, 4.2, 1.6, True).repeat("x", 15, 2).at(0, 7.2, 12)
        )
    )
    side = (
        opening(3.0, 4.2, 1.6, True).repeat("x", 5, 4).at(0, 1, 12)
        | opening(3.0, 4.2, 1.6, True).repeat("x", 5, 4).at(0, 7.2, 12)
    ).turn("y", 90)
    s.add(white, hall - side, box(14, 0.5, 14).at(0, 0.5, 0))
    s.add(trim, slab(-3.6, 3.6, 11.4, 12, 12, 12.12), slab(-12.2, 12.2, 13, 13.5, -12.2, 12.2))
    s.add(m.glazing(0.5, 0.5, 0.1, "cdbf9e", "24343c"), slab(-11.2, 11.2, 1.2, 12, -11.2, 11.0))
    dome = [
        (6.5, 13),
        (6.5, 16),
        (7.1, 17.5),
        (7.3, 19.5),
        (6.7, 22),
        (5.1, 24.5),
        (2.9, 26.4),
        (0.8, 27.6),
        (0.2, 28.6),
    ]
    s.add(m.bands(("e9e4da", "dcd8cf"), 2.0, 0.3, 0.3), lathe(dome))
    s.add(m.glazing(1.0, 2.4, 0.35, "ece5d6", "31505e", wrap="round"), drum(6.56, 13.6, 15.6))
    gold = m.metal("d0a23c", "e6c768", 0.4, 0.9)
    s.add(gold, rod((0, 28.4, 0), (0, 31, 0), 0.16, 0.05), torus(0.5, 0.09).turn("x", 90).at(0, 31.4, 0))
    for x in (-8.2, 8.2):
        for z in (-8.2, 8.2):
            s.add(
                white, lathe([(2.3, 13), (2.3, 14.5), (2.6, 15.6), (2.1, 17.2), (0.9, 18.5), (0.1, 19.2)]).at(x, 0, z)
            )
    minaret = lathe(
        [
            (1.5, 0),
            (1.35, 12),
            (1.3, 19),
            (2.0, 19.8),
            (2.0, 20.6),
            (1.15, 20.7),
            (1.05, 29),
            (1.6, 29.6),
            (1.6, 30.2),
            (0.85, 30.3),
            (0.8, 33),
            (0.02, 37),
        ]
    )
    for x in (-17, 17):
        for z in (-16, 15):
            s.add(m.bands(("eee8da", "e4dccb"), 3.0, 0.5, 0.3), minaret.at(x, 0, z))
            s.add(trim, torus(1.42, 0.12).at(x, 10, z), torus(1.2, 0.12).at(x, 24, z))
    s.add(m.water("2d6a74", 0.02), slab(-4, 4, 0.02, 0.06, 17, 34))
    s.add(m.plaster("cfc5ae", 0.3), slab(-4.6, 4.6, 0, 0.35, 16.4, 34.6) - slab(-4, 4, -1, 1, 17, 34))
    for x in (-7.5, 7.5):
        for z in (20, 26, 32):
            props.spire_tree(s, x, z, 5.5, kind="cypress", seed=int(x + z + 20))
    return Setting(s, (0, 14.5, 0), 64, 2.2, -20, 56, (Ridge("hills", 0.4, 2.6, "9a8f78", 6000, 5.0),), False,
                   ("people", "none", "person", "none", "tree", "person"))  # fmt: skip


def church() -> Setting:
    """Brick village church with a slate spire in a churchyard."""
    s = Scene(m.meadow("4c6a30", "60803c", "8a7d60", 1.8))
    brick = m.courses("8d4636", "bdae98", 0.5, 0.18, 0.02, 0.35, stain=0.4)
    stone, slate = m.plaster("d6ccb6", 0.5), m.courses("4a5058", "2e3236", 0.4, 0.4, 0.04, 0.3, 0.04)
    cut = opening(1.3, 4.6, 2.0, True).repeat("x", 4.4, 4).turn("y", 90).at(0, 2.2, -8)
    s.add(
        brick,
        (slab(-5.6, 5.6, 0, 8.6, -18, 2) | gable(5.6, 8.6, 14.6, 10).at(0, 0, -8))
        - cut.at(5.6, 0, 0)
        - cut.at(-5.6, 0, 0),
    )
    s.add(slate, gable(6.3, 8.5, 15.4, 10.3).at(0, 0, -8) - gable(5.7, 8.0, 14.6, 12).at(0, 0, -8))
    s.add(m.glazing(0.4, 0.5, 0.06, "2e2a26", "2a3c58", 0.2, 0.1), slab(-5.2, 5.2, 1, 7.6, -17.6, 1.4))
    s.add(stone, *(slab(5.5, 6.4, 0, 6.6, z - 0.4, z + 0.4).mirror("x") for z in (-16.6, -12.4, -8.0, -3.6)))
    tower = slab(-3.4, 3.4, 0, 20, 2, 8.8)
    holes = (
        opening(2.0, 3.6, 0.9, True).at(0, 0, 8.8)
        | opening(1.5, 3.2, 5, True).at(0, 14.8, 5.4)
        | opening(1.5, 3.2, 5, True).turn("y", 90).at(0, 14.8, 5.4)
    )
    s.add(brick, tower - holes)
    s.add(
        stone,
        *(slab(-3.65, 3.65, y, y + 0.45, 1.75, 9.05) for y in (5.4, 12.8, 19.8)),
        *(box(0.45, 9.9, 0.45).at(x, 9.9, z) for x in (-3.4, 3.4) for z in (2.0, 8.8)),
    )
    s.add(m.plaster("f0ead8", 0.1), drum(1.15, -0.1, 0.1).turn("x", 90).at(0, 10, 8.85))
    s.add(
        m.plaster("2a2724"),
        box(0.06, 0.45, 0.03).at(0.0, 10.35, 9.0),
        box(0.35, 0.06, 0.03).at(0.3, 10, 9.0),
        torus(1.1, 0.08).turn("x", 90).at(0, 10, 8.9),
        slab(-0.9, 0.9, 0, 2.9, 8.2, 8.4),
    )
    s.add(slate, lathe([(3.9, 20.2), (2.3, 23.0), (0.06, 36)], 8).at(0, 0, 5.4))
    s.add(m.metal("c79a34", gloss=0.8), rod((0, 35.5, 5.4), (0, 38, 5.4), 0.07), box(0.6, 0.06, 0.06).at(0, 37.2, 5.4))
    for x, z in ((-10, 10), (-8.5, 14), (9, 11), (11, 15), (8, 17), (-12, 6), (12.5, 5)):
        s.add(
            props.STONE,
            (slab(-0.4, 0.4, 0, 0.9, -0.08, 0.08) | drum(0.4, -0.08, 0.08).turn("x", 90).at(0, 0.9, 0))
            .turn("z", 3 * math.sin(x))
            .at(x, 0, z),
        )
    for x, z, t, k in ((-15, -4, 11, "dark"), (15, -8, 12, "green"), (-19, 6, 9, "autumn"), (20, 3, 9, "green")):
        props.tree(s, x, z, t, leaves=k, seed=int(x + 30))
    return Setting(s, (0, 15, 2), 54, 1.7, -28, 58, (Ridge("trees", 0.6, 2.4, "43552f", 600, 3.0),), True,
                   ("person", "bench", "none", "bush", "people", "none"))  # fmt: skip


def castle() -> Setting:
    """Grey castle of round towers with red conical roofs on a green mound."""
    s = Scene(m.meadow("55692f", "6c7d3e", "84775a"))
    s.add(m.meadow("5a6e34", "70803f", "8a7c5c"), ellipsoid(34, 6, 30).at(0, -1.2, 0))
    grey = m.courses("8f8b82", "5f5a52", 0.9, 0.45, 0.02, 0.32, stain=0.5, wrap="round")
    flat = m.courses("95918a", "5f5a52", 0.9, 0.45, 0.02, 0.32, stain=0.5)
    roof = m.courses("8c3a2a", "4d1f18", 0.4, 0.4, 0.04, 0.35, 0.05, wrap="round")
    slit = opening(0.5, 1.5, 9, True)
    for x, z, r, h in (
        (-14, 10, 3.4, 16),
        (14, 10, 3.4, 16),
        (-13, -11, 3.0, 14),
        (13, -11, 3.0, 14),
        (4.5, -2, 4.2, 27),
    ):
        cuts = slit.repeat("y", 5, 2).at(0, h - 6, 0) | slit.turn("y", 90).at(0, h - 9, 0)
        crown = drum(r + 0.5, h, h + 1.8) - drum(r - 0.2, h + 0.6, h + 3)
        notch = box(1.2, 0.5, 0.45).at(r + 0.4, h + 1.5, 0).around(10)
        s.add(grey, (drum(r + 0.3, 2, h, r) - cuts).at(x, 0, z), (crown - notch).at(x, 0, z))
        s.add(roof, lathe([(r + 0.1, h + 1.2), (r * 0.55, h + 4.2), (0.05, h + 8.2)]).at(x, 0, z))
    wall = slab(-14, 14, 2, 11, 9, 11) - box(0.55, 0.6, 3).repeat("x", 1.8, 14).at(0, 11, 10)
    s.add(
        flat,
        wall - opening(3.4, 5.4, 4, True).at(0, 3.4, 10),
        slab(-13.5, -12, 2, 10, -11, 10),
        slab(12, 13.5, 2, 10, -11, 10),
        slab(-13, 13, 2, 10, -12, -10.4),
    )
    gate = (
        slab(-4.2, 4.2, 2, 14.5, 8.4, 12.4)
        - opening(3.4, 5.4, 4, True).at(0, 3.4, 11)
        - box(0.5, 0.6, 5).repeat("x", 1.7, 5).at(0, 14.5, 10)
    )
    s.add(flat, gate)
    s.add(m.plaster("4a3422", 0.5), slab(-1.7, 1.7, 3.4, 8.2, 9.6, 9.9))
    s.add(flat, slab(-8, 1, 2, 15, -6, 3) - opening(1.1, 1.8, 1, True).repeat("x", 2.6, 3).at(-3.5, 10.5, 3))
    s.add(roof, gable(4.8, 15, 20, 4.8).turn("y", 90).at(-3.5, 0, -1.5))
    s.add(m.cloth("b02a30"), slab(0, 2.4, 37.2, 38.6, -2.03, -1.97).at(4.5, 0, 0))
    s.add(props.IRON, rod((4.5, 34, -2), (4.5, 38.8, -2), 0.07))
    for x, z, t in ((-24, 12, 7), (-27, 2, 8), (25, 10, 7), (28, 0, 9)):
        props.tree(s, x, z, t, 1.0, leaves="green", seed=int(x + 60))
    return Setting(s, (0, 14, 0), 66, 2.4, 22, 56, (Ridge("hills", 1.5, 4.5, "6a7a58", 3000, 8.0), Ridge("trees", 0.5, 1.8, "42552e", 500, 6.0)), False,
                   ("person", "bush", "none", "people", "tree", "none"))  # fmt: skip
