"""Trees, people, lamp posts, cars and other things that stand about in a scene.

It does not decide where things stand; the scenes do.
"""

from __future__ import annotations

import math

import numpy as np

from . import materials as m
from .noise import lumps
from .scene import Scene
from .shapes import Shape, box, drum, ellipsoid, extrude, lathe, rod, slab, torus

BARK = m.rock("5a4a3a", "33291f", 0.5)
IRON = m.metal("22272b", gloss=0.4)
SKIN = m.cloth("c08a68")
STONE = m.plaster("a8a296", 0.5)
LAMP = m.plaster("f2ead2", 0.0, gloss=0.5)
LEAVES = {
    "green": m.foliage("44582a", "64753a"),
    "dark": m.foliage("2c4026", "43552c"),
    "olive": m.foliage("66704a", "8a8f68", 0.7),
    "autumn": m.foliage("9a5a1e", "b98a2c"),
    "blossom": m.foliage("d99aac", "f0cdd4", 0.7),
    "fresh": m.foliage("6b7f2c", "8f9a45"),
}


def tree(
    scene: Scene, x: float, z: float, tall: float = 8.0, y: float = 0.0, leaves: str = "green", seed: int = 0
) -> None:
    """Broad-leaved tree of lumpy crown."""
    rng = np.random.default_rng(900 + seed)
    crown: Shape | None = None
    for i in range(6):
        a, r = 2.4 * i + rng.uniform(0, 0.7), 0.16 * tall * (i > 0)
        size = tall * rng.uniform(0.16, 0.24)
        blob = ellipsoid(size, size * 0.9, size).at(r * math.cos(a), tall * rng.uniform(0.5, 0.78), r * math.sin(a))
        crown = blob if crown is None else crown.blend(blob, 0.08 * tall)
    assert crown is not None
    k = 5.0 / tall
    puff = crown.warp(lambda a, b, c: lumps(a * 2.1 * k + seed, b * 2.1 * k, c * 2.1 * k), 0.085 * tall, 0.62)
    scene.add(LEAVES[leaves], puff.at(x, y, z))
    trunk = rod((0, -0.2, 0), (0.02 * tall, 0.55 * tall, 0), 0.035 * tall, 0.018 * tall)
    limbs = rod((0, 0.33 * tall, 0), (0.14 * tall, 0.6 * tall, 0.05), 0.014 * tall) | rod(
        (0, 0.36 * tall, 0), (-0.12 * tall, 0.6 * tall, -0.06 * tall), 0.014 * tall
    )
    scene.add(BARK, (trunk | limbs).at(x, y, z))


def spire_tree(
    scene: Scene, x: float, z: float, tall: float = 9.0, y: float = 0.0, kind: str = "cypress", seed: int = 0
) -> None:
    """Slender cypress or poplar, or a spruce in tiers."""
    if kind == "spruce":
        n, profile = 6, [(0.01 * tall, 0.10 * tall)]
        for i in range(n):
            r = 0.22 * tall * (1 - i / n) + 0.02 * tall
            profile += [(r, tall * (0.13 + 0.145 * i)), (r * 0.45, tall * (0.235 + 0.145 * i))]
        body = lathe([*profile, (0.005, tall)]).warp(
            lambda a, b, c: lumps(a * 2 + seed, b * 2, c * 2), 0.05 * tall, 0.55
        )
        leaves = "dark"
    else:
        wide = 0.10 if kind == "cypress" else 0.14
        body = ellipsoid(wide * tall, 0.48 * tall, wide * tall).at(0, 0.54 * tall, 0)
        body = body.warp(lambda a, b, c: lumps(a * 1.6 + seed, b * 0.9, c * 1.6), 0.045 * tall, 0.6)
        leaves = "dark" if kind == "cypress" else "fresh"
    scene.add(LEAVES[leaves], body.at(x, y, z))
    scene.add(BARK, rod((x, y - 0.2, z), (x, y + 0.3 * tall, z), 0.025 * tall))


def palm(scene: Scene, x: float, z: float, tall: float = 9.0, y: float = 0.0, seed: int = 0) -> None:
    """Palm with drooping fronds."""
    scene.add(BARK, rod((0, 0, 0), (0.4, tall, 0), 0.24, 0.16).at(x, y, z))
    top = None
    for i in range(11):
        a, droop = 2.399 * i + seed, 0.9 - 0.16 * (i % 5)
        mid = (1.5 * math.cos(a), 0.5 * droop + 0.25, 1.5 * math.sin(a))
        tip = (2.9 * math.cos(a), droop - 1.3, 2.9 * math.sin(a))
        frond = rod((0, 0, 0), mid, 0.10, 0.22) | rod(mid, tip, 0.22, 0.03)
        top = frond if top is None else top | frond
    assert top is not None
    scene.add(LEAVES["green"], top.warp(lambda a, b, c: lumps(a * 5, b * 5, c * 5), 0.12, 0.6).at(x + 0.4, y + tall, z))


def bush(
    scene: Scene, x: float, z: float, size: float = 1.0, y: float = 0.0, leaves: str = "green", seed: int = 0
) -> None:
    """Low round bush."""
    body = ellipsoid(1.2 * size, 0.9 * size, size).warp(
        lambda a, b, c: lumps(a * 1.7 + seed, b * 1.7, c * 1.7), 0.3 * size, 0.6
    )
    scene.add(LEAVES[leaves], body.at(x, y + 0.45 * size, z))


def person(scene: Scene, x: float, z: float, y: float = 0.0, turn: float = 0.0, seed: int = 0) -> None:
    """Passer-by of about 1.75 m in clothes drawn from `seed`."""
    rng = np.random.default_rng(700 + seed)
    coats = ("8c2f2a", "2f4a7a", "c9b37a", "3d5a40", "d8d4cc", "5a3b62", "c8742c", "30343a")
    trousers = ("2b3242", "4a4238", "1f2226", "6d7280")
    coat = m.cloth(coats[int(rng.integers(len(coats)))])
    legs = m.cloth(trousers[int(rng.integers(len(trousers)))])
    step = float(rng.uniform(0.08, 0.24))
    upper = rod((0, 0.95, 0), (0, 1.38, 0), 0.17, 0.21).blend(rod((-0.2, 1.38, 0), (0.2, 1.38, 0), 0.09), 0.1)
    arms = rod((0.25, 1.36, 0), (0.3, 0.85, step), 0.065) | rod((-0.25, 1.36, 0), (-0.3, 0.85, -step), 0.065)
    head = ellipsoid(0.11, 0.14, 0.12).at(0, 1.62, 0) | rod((0, 1.4, 0), (0, 1.56, 0), 0.06)
    walk = rod((0.1, 0.92, 0), (0.11, 0.08, -step), 0.11, 0.07) | rod((-0.1, 0.92, 0), (-0.11, 0.08, step), 0.11, 0.07)
    hair = m.cloth(("2a1c12", "5a4028", "171310")[int(rng.integers(3))])
    for stuff, shape in (
        (coat, upper | arms),
        (SKIN, head),
        (legs, walk),
        (hair, ellipsoid(0.12, 0.1, 0.13).at(0, 1.69, -0.03)),
    ):
        scene.add(stuff, shape.turn("y", turn).at(x, y, z))


def lamp_post(scene: Scene, x: float, z: float, y: float = 0.0) -> None:
    """Old street lamp of 4.5 m."""
    foot = lathe([(0.2, 0), (0.2, 0.5), (0.11, 0.7), (0.055, 0.9), (0.05, 3.5), (0.1, 3.6), (0.05, 3.7)])
    cap = lathe([(0.3, 4.25), (0.06, 4.5), (0.02, 4.7)], 6)
    scene.add(IRON, foot.at(x, y, z), cap.at(x, y, z))
    scene.add(LAMP, lathe([(0.13, 3.7), (0.25, 4.25)], 6).at(x, y, z))


def bench(scene: Scene, x: float, z: float, turn: float = 0.0, y: float = 0.0) -> None:
    """Wooden park bench."""
    seat = box(0.9, 0.025, 0.05).repeat("z", 0.13, 3).at(0, 0.45, 0) | box(0.9, 0.05, 0.02).repeat("y", 0.15, 2).at(
        0, 0.72, -0.24
    )
    scene.add(m.plaster("6b4a2c", 0.2), seat.turn("y", turn).at(x, y, z))
    feet = box(0.04, 0.22, 0.22).repeat("x", 1.5, 2).at(0, 0.22, 0) | box(0.03, 0.25, 0.02).repeat("x", 1.5, 2).at(
        0, 0.65, -0.26
    )
    scene.add(IRON, feet.turn("y", turn).at(x, y, z))


def car(scene: Scene, x: float, z: float, turn: float = 0.0, y: float = 0.0, colour: str = "7a1f22") -> None:
    """Small saloon car, nose to +x before turning."""
    side = [(-2.0, 0.35), (2.05, 0.35), (2.1, 0.75), (1.1, 0.92), (0.5, 1.42), (-1.1, 1.45), (-1.75, 0.98), (-2.1, 0.9)]
    wheels = ellipsoid(0.33, 0.33, 0.12).at(1.3, 0.33, 0.72) | ellipsoid(0.33, 0.33, 0.12).at(-1.3, 0.33, 0.72)
    body = extrude(side, 0.78)
    glass = extrude([(0.95, 0.95), (0.45, 1.36), (-1.05, 1.38), (-1.5, 1.0)], 0.8)
    enamel = m.Material(m.plaster(colour, 0.05, 0.03).paint, gloss=0.9, mirror=0.06)
    pane = m.Material(m.plaster("15191c", 0.0).paint, gloss=0.9, mirror=0.15)
    for stuff, shape in ((enamel, body), (pane, glass), (m.plaster("141414"), wheels.mirror("z"))):
        scene.add(stuff, shape.turn("y", turn).at(x, y, z))


def rail(scene: Scene, x0: float, x1: float, z: float, y: float = 0.0, height: float = 1.0, gap: float = 1.5) -> None:
    """Iron railing along x."""
    n, mid = max(2, int((x1 - x0) / gap) + 1), (x0 + x1) / 2
    posts = box(0.035, height / 2, 0.035).repeat("x", (x1 - x0) / (n - 1), n).at(mid, y + height / 2, z)
    bars = box((x1 - x0) / 2, 0.025, 0.025).repeat("y", height * 0.42, 2).at(mid, y + height * 0.75, z)
    scene.add(IRON, posts | bars)


def sail_boat(scene: Scene, x: float, z: float, turn: float = 0.0, size: float = 1.0, hull: str = "e8e4dc") -> None:
    """Small boat with a mast and two sails on water at y = 0."""
    s = size
    outline = ellipsoid(3.2 * s, 0.9 * s, 0.95 * s).at(0, 0.55 * s, 0)
    open_top = slab(-4 * s, 4 * s, 0.75 * s, 3 * s, -2 * s, 2 * s)
    inner = ellipsoid(2.9 * s, 0.7 * s, 0.78 * s).at(0, 0.65 * s, 0)
    scene.add(m.plaster(hull, 0.4), ((outline - open_top) - inner).turn("y", turn).at(x, 0, z))
    scene.add(m.plaster("6b4a2c"), rod((0, 0.3 * s, 0), (0, 7 * s, 0), 0.07 * s).turn("y", turn).at(x, 0, z))
    sails = extrude([(-0.15 * s, 1.2 * s), (-2.4 * s, 1.2 * s), (-0.15 * s, 6.6 * s)], 0.03 * s) | extrude(
        [(0.2 * s, 1.1 * s), (2.6 * s, 1.0 * s), (0.2 * s, 5.6 * s)], 0.03 * s
    )
    scene.add(m.plaster("e6dfcf", 0.3), sails.turn("y", turn).at(x, 0, z))


def buoy(scene: Scene, x: float, z: float) -> None:
    """Red sea mark."""
    scene.add(
        m.plaster("b0322a", 0.5, gloss=0.3),
        lathe([(0.9, -0.5), (0.9, 0.4), (0.25, 0.6), (0.2, 2.4), (0.02, 2.6)]).turn("z", 7).at(x, 0, z),
    )


def fountain(scene: Scene, x: float, z: float, r: float = 5.0) -> None:
    """Round stone basin with a bowl on a stem."""
    basin = drum(r, 0, 0.7) - drum(r - 0.45, 0.15, 2)
    scene.add(
        m.courses("b9b0a0", "8a8272", 1.2, 0.35, wrap="round"), (basin | torus(r - 0.2, 0.2).at(0, 0.72, 0)).at(x, 0, z)
    )
    bowl = lathe([(0.5, 0.2), (0.3, 0.8), (0.25, 1.8), (1.4, 2.3), (1.5, 2.5), (0.2, 2.4), (0.3, 3.0), (0.02, 3.3)])
    scene.add(STONE, bowl.at(x, 0, z))
    scene.add(m.water("31443c", 0.08, False), drum(r - 0.4, 0.1, 0.5).at(x, 0, z))
