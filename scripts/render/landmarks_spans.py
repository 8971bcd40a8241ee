"""Landmarks of other kinds: suspension bridge, aqueduct, stepped pyramid, colossal statue, palace front.

It does not choose views; landmarks.py does.
"""

from __future__ import annotations

from . import materials as m
from . import props
from .light import Ridge
from .scene import Scene
from .setting import Setting
from .shapes import box, drum, ellipsoid, extrude, gable, lathe, opening, rod, slab


def bridge() -> Setting:
    """Orange suspension bridge over a strait."""
    s = Scene(m.water("2c5560", 0.06))
    orange = m.plaster("b8452c", 0.35)
    for x in (-42, 42):
        legs = slab(-1.6, 1.6, -1, 52, 3.4, 6.4).mirror("z")
        cross = [slab(-1.2, 1.2, y, y + 2.6, -4, 4) for y in (21, 31, 40, 49)]
        s.add(orange, legs.at(x, 0, 0), *(c.at(x, 0, 0) for c in cross))
        s.add(m.plaster("a8a094", 0.6), slab(-4.5, 4.5, -2, 4.2, -9, 9, 0.6).at(x, 0, 0))
    s.add(
        orange,
        slab(-150, 150, 15.0, 16.6, -5.4, 5.4),
        slab(-150, 150, 13.4, 13.8, 4.9, 5.4).mirror("z"),
        box(0.12, 0.85, 0.12).repeat("x", 2.4, 125).at(0, 14.4, 5.2).mirror("z"),
    )
    n, span = 20, 84.0
    for z in (-4.9, 4.9):
        for k in range(n):
            x0, x1 = -42 + span * k / n, -42 + span * (k + 1) / n
            y0, y1 = (17.5 + 34 * (2 * x / span) ** 2 for x in (x0, x1))
            s.add(orange, rod((x0, y0, z), (x1, y1, z), 0.34))
            s.add(orange, rod((x1, 16, z), (x1, y1, z), 0.1))
        for sign in (-1, 1):
            s.add(orange, rod((42 * sign, 51.5, z), (128 * sign, 17, z), 0.34))
            for k in range(1, 10):
                s.add(orange, rod(((42 + 8.6 * k) * sign, 16, z), ((42 + 8.6 * k) * sign, 51.5 - 3.45 * k, z), 0.1))
    cliff = m.rock("7d7460", "4f4a3c", 2.0, "5d6638")
    s.add(cliff, ellipsoid(46, 17, 40).at(-150, -2, -6), ellipsoid(50, 22, 46).at(158, -3, -20))
    props.sail_boat(s, 12, 26, 30, 2.2)
    props.sail_boat(s, -30, -40, 10, 2.6, "6a2c28")
    return Setting(s, (0, 22, 0), 120, 7, 34, 60, (Ridge("hills", 0.6, 3.6, "75806f", 7000, 2.0),), False,
                   ("boat", "none", "buoy", "boat", "none", "none"))  # fmt: skip


def aqueduct() -> Setting:
    """Two tiers of Roman arches across a green valley."""
    s = Scene(m.meadow("6f7a3c", "8a8a4c", "9a8a60"))
    stone = m.courses("b9a27a", "7d6a4a", 1.2, 0.6, 0.02, 0.32, stain=0.55)
    lower = slab(-60, 60, 0, 17, -2.4, 2.4) - opening(7.6, 14, 6, True).repeat("x", 10.4, 11)
    upper = slab(-60, 60, 17.8, 29, -1.7, 1.7) - opening(7.4, 9.2, 6, True).repeat("x", 10.4, 11).at(0, 18.2, 0)
    s.add(stone, lower, upper)
    s.add(
        m.plaster("a08a62", 0.6),
        slab(-60, 60, 17, 17.8, -2.8, 2.8),
        slab(-60, 60, 29, 29.6, -2.1, 2.1),
        slab(-60, 60, 29.6, 31.4, -1.5, 1.5),
    )
    s.add(
        m.meadow("66733a", "848548", "94845a"),
        ellipsoid(40, 20, 60).at(-82, -2, 0),
        ellipsoid(40, 20, 60).at(82, -2, 0),
    )
    s.add(m.water("3d5a50", 0.03), slab(-5, 4, 0.02, 0.08, -60, 90))
    for x, z, t, k in (
        (-16, 12, 5, "olive"),
        (14, 15, 6, "olive"),
        (24, 9, 7, "green"),
        (-27, 10, 6, "green"),
        (-33, 22, 5, "olive"),
        (34, 20, 5, "olive"),
    ):
        props.tree(s, x, z, t, leaves=k, seed=int(x + 50))
    for x, z in ((-8, 20), (8, 24), (12, 30), (-12, 30)):
        props.bush(s, x, z, 1.3, leaves="olive", seed=int(z))
    return Setting(s, (0, 14, 0), 62, 2.4, -24, 62, (Ridge("hills", 3, 6, "8a8a64", 3000, 4.0),), False,
                   ("person", "bush", "people", "none", "tree", "none"))  # fmt: skip


def pyramid() -> Setting:
    """Stepped pyramid with a temple on top in a jungle clearing."""
    s = Scene(m.meadow("5f7a34", "789044", "8f8258"))
    stone = m.courses("a39c88", "5e594c", 1.0, 0.55, 0.03, 0.4, stain=0.6)
    n = 9
    for k in range(n):
        w = 21 - 1.95 * k
        s.add(stone, lathe([(w, 2.3 * k), (w - 0.5, 2.3 * (k + 1))], 4))
    stairs = [(0.0, 0.0)]
    for k in range(46):
        stairs += [(0.45 * k, 0.45 * (k + 1)), (0.45 * (k + 1), 0.45 * (k + 1))]
    run = 0.45 * 46
    flight = extrude([*stairs, (run, 0.0)], 3.0).turn("y", 90).at(0, 0, 24.6)
    s.add(m.courses("b3ac98", "7d7766", 2.0, 0.45, 0.02, 0.2), flight, flight.turn("y", 180))
    edge = extrude([(0, 0), (0.4, 1.1), (run, 21.6), (run, 0)], 0.45).turn("y", 90).at(3.4, 0, 24.6)
    s.add(m.plaster("b9b29c", 0.6), edge, edge.at(-6.8, 0, 0), edge.turn("y", 180), edge.at(-6.8, 0, 0).turn("y", 180))
    house = slab(-3.8, 3.8, 20.7, 25.4, -3.2, 3.2) - opening(1.4, 3.0, 2).repeat("x", 2.3, 3).at(0, 20.7, 3.2)
    s.add(stone, house)
    s.add(
        m.plaster("9c937c", 0.6),
        slab(-4.2, 4.2, 25.4, 26.0, -3.6, 3.6),
        slab(-3.2, 3.2, 26, 29.2, -0.5, 0.5) - box(0.5, 0.6, 2).repeat("x", 1.6, 4).at(0, 27.6, 0),
    )
    for x in (-5.5, 5.5):
        s.add(
            props.STONE, ellipsoid(0.8, 0.7, 1.6).at(x, 0.7, 25.5).blend(ellipsoid(0.6, 0.6, 0.7).at(x, 1.2, 27.0), 0.4)
        )
    for x, z, t, k in (
        (-30, 6, 13, "green"),
        (-34, -8, 15, "dark"),
        (31, 4, 14, "green"),
        (36, -10, 16, "fresh"),
        (-38, 16, 11, "fresh"),
        (40, 16, 12, "dark"),
    ):
        props.tree(s, x, z, t, leaves=k, seed=int(x + 80))
    props.palm(s, -25, 18, 10, seed=3)
    props.palm(s, 27, 20, 11, seed=5)
    return Setting(s, (0, 12.6, 4), 62, 1.9, 24, 56, (Ridge("trees", 2, 4.5, "37502a", 300, 2.0, 1.6),), False,
                   ("people", "none", "person", "bush", "none", "person"))  # fmt: skip


def statue() -> Setting:
    """Green copper figure with a raised arm on a granite pedestal."""
    s = Scene(m.courses("a7a298", "7f7a70", 2.0, 2.0, 0.02, 0.15))
    copper = m.metal("5f9a86", "8fb9a4", 0.7, 0.35)
    granite = m.courses("b4a793", "7c705e", 1.4, 0.8, 0.02, 0.2, stain=0.4)
    s.add(
        granite,
        lathe(
            [
                (7.5, 0),
                (7.5, 1.2),
                (6.2, 1.2),
                (6.2, 2.4),
                (4.8, 2.8),
                (4.4, 11.4),
                (5.2, 12.0),
                (5.2, 13.0),
                (4.0, 13.2),
            ],
            4,
        ),
    )
    s.add(m.plaster("8a7d68", 0.5), opening(2.2, 3.6, 0.3).at(0, 6, 4.65), slab(-2.6, 2.6, 5.2, 5.6, 4.5, 4.9))
    robe = lathe([(2.4, 13), (2.1, 16), (1.5, 20), (1.6, 22), (1.9, 23.6), (1.3, 24.8), (0.5, 25.4)])
    robe = robe.warp(lambda x, y, z: _folds(x, z), 0.22, 0.6)
    head = ellipsoid(0.75, 0.95, 0.8).at(0, 26.4, 0.1)
    body = robe.blend(head, 0.4).blend(rod((1.5, 23.8, 0), (2.5, 28.6, 0.4), 0.5, 0.34), 0.5)
    body = body.blend(rod((-1.5, 23.6, 0.1), (-2.0, 20.8, 1.0), 0.5, 0.38), 0.5).blend(
        rod((-2.0, 20.8, 1.0), (-0.9, 20.2, 1.9), 0.36, 0.3), 0.3
    )
    s.add(
        copper,
        body,
        slab(-1.9, -0.2, 19.4, 22.4, 1.8, 2.2),
        rod((0, 27.0, 0.1), (0, 28.2, 0.1), 0.05, 0.02).turn("z", 0),
    )
    s.add(
        copper,
        lathe([(0.95, 27.0), (1.0, 27.3), (0.8, 27.3)]).at(0, 0, 0.1),
        *(
            rod((0, 27.2, 0.1), (2.0 * c, 27.2 + 1.9 * d, 0.1), 0.09, 0.02)
            for c, d in ((-0.95, 0.3), (-0.7, 0.7), (-0.3, 0.95), (0.3, 0.95), (0.7, 0.7), (0.95, 0.3))
        ),
    )
    s.add(copper, lathe([(0.16, 28.0), (0.2, 29.4), (0.6, 29.7), (0.6, 30)]).at(2.5, 0, 0.4))
    s.add(
        m.metal("d0a23c", "f0cf70", 0.5, 0.9),
        lathe([(0.4, 30), (0.62, 30.7), (0.4, 31.4), (0.03, 32.4)]).at(2.5, 0, 0.4),
    )
    s.add(m.meadow("4c6a2e", "5f7d38"), *(slab(x, x + 9, 0.0, 0.25, -8, 16) for x in (-24, 15)))
    for x in (-20, 20):
        for z in (-4, 4, 12):
            props.tree(s, x, z, 6.5, leaves="dark", seed=int(x + z + 50))
    for x in (-9.5, 9.5):
        props.lamp_post(s, x, 12)
    return Setting(s, (0, 16.5, 0), 46, 1.7, -16, 56, (Ridge("city", 0.5, 5, "848b92", 1500, 6.0),), True,
                   ("person", "people", "lamp", "none", "bench", "tree"))  # fmt: skip


def _folds(x, z):  # type: ignore[no-untyped-def]
    import numpy as np

    a = np.arctan2(z, x)
    return np.cos(a * 9 + 1.5 * np.sin(a * 2)) * 0.8


def palace() -> Setting:
    """Ochre baroque palace front with white pilasters, balconies and a mansard roof."""
    s = Scene(m.courses("9a958a", "6f6a60", 0.6, 0.4, 0.02, 0.2, stain=0.4))
    wall, white = m.plaster("d09a4a", 0.45), m.plaster("efe8d8", 0.35)
    rows = opening(1.5, 2.6, 0.6)
    cut = (
        rows.repeat("x", 3.6, 13).at(0, 1.6, 6)
        | rows.repeat("x", 3.6, 13).at(0, 6.6, 6)
        | opening(1.5, 2.0, 0.6).repeat("x", 3.6, 13).at(0, 11.4, 6)
    )
    s.add(wall, slab(-24, 24, 0, 15, -6, 6) - cut)
    s.add(m.glazing(0.75, 0.65, 0.07, "f2ece0", "26323c", 0.2, 0.06), slab(-23.6, 23.6, 1, 14, -5.6, 5.5))
    s.add(
        white,
        box(0.42, 7.1, 0.22).repeat("x", 3.6, 14).at(0, 7.5, 6.1),
        *(slab(-24.4, 24.4, y, y + h, -6.4, 6.3 + g) for y, h, g in ((0, 1.0, 0.2), (5.4, 0.5, 0.1), (14.8, 0.9, 0.5))),
    )
    s.add(
        white,
        gable(0.95, 9.4, 10.1, 0.25).repeat("x", 3.6, 13).at(0, 0, 6.2),
        box(1.0, 0.1, 0.3).repeat("x", 3.6, 13).at(0, 6.4, 6.3),
    )
    s.add(
        m.courses("5a6468", "363c3e", 0.4, 0.5, 0.04, 0.25),
        extrude([(-6.6, 15.6), (6.6, 15.6), (5.2, 20), (-5.2, 20)], 24.6).turn("y", 90),
    )
    s.add(white, (slab(-0.8, 0.8, 16, 18.6, 5.0, 6.6) - opening(0.9, 1.7, 0.5).at(0, 16.4, 6.6)).repeat("x", 7.2, 6))
    middle = (
        slab(-6.4, 6.4, 0, 17, 5, 8.4)
        - opening(3.0, 4.6, 2, True).repeat("x", 4.0, 3).at(0, 0.3, 8.4)
        - opening(1.8, 4.0, 1.2, True).repeat("x", 4.0, 3).at(0, 7.4, 8.4)
    )
    s.add(
        white,
        middle,
        gable(7.0, 17, 20.4, 1.9).at(0, 0, 6.9),
        lathe([(0.5, 5.8), (0.42, 6.0), (0.36, 13.6), (0.5, 14)]).repeat("x", 4.0, 4).at(0, 0, 8.9),
    )
    s.add(m.glazing(0.5, 0.7, 0.06, "f2ece0", "26323c", 0.2), slab(-6, 6, 0.5, 13, 5.2, 7.6))
    s.add(m.plaster("cfa23c", 0.2, gloss=0.5), drum(0.9, -0.2, 0.2).turn("x", 90).at(0, 18.3, 8.8))
    props.rail(s, -6.2, 6.2, 9.6, 5.9, 1.1, 0.7)
    s.add(white, slab(-6.5, 6.5, 5.5, 5.9, 8, 9.8))
    for x in (-17, -9, 9, 17):
        s.add(m.foliage("35502a", "4c6a34"), ellipsoid(1.0, 1.0, 1.0).at(x, 1.9, 12))
        s.add(m.plaster("a5673c", 0.3), drum(0.6, 0, 1.0, 0.75).at(x, 0, 12))
    props.fountain(s, 0, 24, 4.5)
    return Setting(s, (0, 8.6, 5), 46, 1.7, 16, 62, (Ridge("trees", 1.0, 2.5, "465a34", 400, 5.0),), False,
                   ("people", "lamp", "person", "none", "bench", "person"))  # fmt: skip
