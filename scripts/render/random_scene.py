"""Scenes drawn at random: buildings from a small grammar of forms and materials, and open landscapes.

None of them is a sample landmark; they are distractors, and multi-view training pictures for other seeds.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from . import materials as m
from . import props
from .landmarks import VIEWS, View, take
from .light import LIGHTS, Ridge
from .noise import lumps
from .scene import Scene
from .setting import Setting
from .shapes import box, drum, ellipsoid, gable, lathe, opening, slab

WALLS = (
    "b9a27a",
    "8d5a46",
    "d8cfb8",
    "9a9a96",
    "c98f5a",
    "a8b0a2",
    "e6ddc8",
    "7f6a5c",
    "b86f5a",
    "c7b7c0",
    "8fa0ad",
    "d9c28a",
)
ROOFS = ("7a3b2c", "4a5058", "5d4a3c", "8c5a3a", "3d4a44", "6a2f2f")
GROUNDS = (("4f6a30", "6d7f3e"), ("8a8160", "a0946c"), ("6f7a44", "8a8a50"), ("b09a6a", "c2ad7c"))
LEAVES = ("green", "dark", "olive", "autumn", "fresh")
FRONT = ("person", "tree", "none", "people", "bush", "lamp")


def random_views(seed: int, n_views: int, width: int, height: int) -> list[NDArray[np.uint8]]:
    """Views of one random scene, (height, width, 3) uint8 each; the same seed gives the same scene.

    Four of five seeds give a building, the others a landscape.
    """
    rng = np.random.default_rng([seed, 1])
    lights = list(LIGHTS)
    pictures = []
    for k in range(n_views):
        how = View(
            float(rng.uniform(-35, 35)),
            float(rng.uniform(0.7, 1.6)),
            lights[int(rng.integers(len(lights)))],
            float(rng.uniform(-60, 60)),
        )
        setting = building(seed) if seed % 5 else LANDSCAPES[seed // 5 % len(LANDSCAPES)](seed)
        picture = take(setting, how, k, seed * 100 + k, max(width, height) / 384)
        pictures.append(picture if picture.shape[:2] == (height, width) else _fitted(picture, width, height))
    return pictures


def distractor(number: int, scale: float = 1.0) -> NDArray[np.uint8]:
    """One-off picture `number` (1..20): half buildings, half landscapes, (h, w, 3) uint8, longer side 384 * scale."""
    make = [building, *LANDSCAPES] if number % 2 else list(LANDSCAPES)
    setting = building(7000 + number) if number % 2 else make[(number // 2) % len(make)](7000 + number)
    how = VIEWS[number % len(VIEWS)]
    return take(setting, how, number, 7000 + number, scale)


def building(seed: int) -> Setting:
    """A random building: one to three bodies, each with windows, courses or plaster, a roof; trees around it."""
    rng = np.random.default_rng(seed)
    scene = Scene(_ground(rng))
    top, x = 0.0, 0.0
    for k in range(int(rng.integers(1, 4))):
        half_w, half_d, height = rng.uniform(4, 11), rng.uniform(4, 9), rng.uniform(6, 26) * (1.2 if k == 0 else 0.7)
        x += (half_w + rng.uniform(1, 5)) * (0 if k == 0 else (1 if k % 2 else -2))
        top = max(top, _body(scene, rng, float(x), half_w, half_d, float(height)))
    for _ in range(int(rng.integers(2, 7))):
        a, r = rng.uniform(0, 6.3), rng.uniform(18, 34)
        if math.cos(a) * r < 13:  # not between the camera and the door
            props.tree(
                scene,
                r * math.sin(a),
                r * math.cos(a),
                rng.uniform(5, 12),
                leaves=_pick(rng, LEAVES),
                seed=int(rng.integers(99)),
            )
    kind = _pick(rng, ("hills", "trees", "city"))
    ridge = Ridge(
        kind,
        rng.uniform(0.3, 1.5),
        rng.uniform(2, 6),
        _pick(rng, ("6a7a58", "7d8288", "8a8468")),
        rng.uniform(500, 4000),
        rng.uniform(0, 9),
    )
    distance = max(28.0, 2.3 * top) + 10
    return Setting(
        scene, (0, 0.46 * top + 1, 0), distance, 1.8, float(rng.uniform(-30, 30)), 56, (ridge,), bool(top > 22), FRONT
    )


def _body(scene: Scene, rng: np.random.Generator, x: float, w: float, d: float, h: float) -> float:
    colour, style = _pick(rng, WALLS), int(rng.integers(4))
    wall = (
        m.plaster(colour, 0.5)
        if style < 2
        else m.courses(colour, "6f665a", rng.uniform(0.4, 1.4), rng.uniform(0.15, 0.7), 0.02, 0.3)
    )
    gap, storey, arched = rng.uniform(2.2, 4.5), rng.uniform(2.9, 4.4), bool(rng.integers(2))
    hole = opening(rng.uniform(0.8, gap * 0.6), storey * rng.uniform(0.4, 0.62), 0.5, arched)
    rows = max(1, int((h - 1) / storey))
    front = (
        hole.repeat("x", gap, max(1, int(2 * w / gap)))
        .repeat("y", storey, rows)
        .at(0, 0.9 + storey * (rows - 1) / 2, d)
    )
    side = (
        hole.repeat("x", gap, max(1, int(2 * d / gap)))
        .turn("y", 90)
        .repeat("y", storey, rows)
        .at(w, 0.9 + storey * (rows - 1) / 2, 0)
    )
    shell = drum(min(w, d), 0, h, sides=int(rng.choice([0, 6, 8]))) if style == 3 else slab(-w, w, 0, h, -d, d)
    scene.add(wall, (shell if style == 3 else shell - (front | side | side.at(-2 * w, 0, 0))).at(x, 0, 0))
    if style != 3:
        tint = _pick(rng, ("26323c", "31424a", "1c242a"))
        scene.add(
            m.glazing(
                rng.uniform(0.4, 1.0),
                rng.uniform(0.5, 1.2),
                0.07,
                _pick(rng, ("efe8dc", "3a3028", "6e5a44")),
                tint,
                0.15,
                rng.uniform(0, 0.2),
            ),
            slab(x - w + 0.4, x + w - 0.4, 0.2, h - 0.3, -d + 0.4, d - 0.4),
        )
    tile = m.courses(_pick(rng, ROOFS), "2c2622", 0.35, 0.4, 0.04, 0.3, 0.04)
    kind, r = int(rng.integers(4)), min(w, d) + 0.5
    if kind == 0:
        scene.add(tile, gable(w + 0.6, h, h + rng.uniform(2.5, 6), d + 0.5).at(x, 0, 0))
        return h + 4
    if kind == 1:
        scene.add(
            tile,
            lathe([(r, h), (r * 0.5, h + 3), (0.05, h + rng.uniform(5, 12))], int(rng.choice([0, 4, 8]))).at(x, 0, 0),
        )
        return h + 7
    if kind == 2:
        scene.add(
            m.metal(_pick(rng, ("5a8f7a", "8a8f94", "b08a3a")), gloss=0.4),
            ellipsoid(r * 0.9, r * 0.8, r * 0.9).at(x, h, 0),
        )
        return h + r * 0.8
    scene.add(m.plaster(colour, 0.4), slab(x - w - 0.4, x + w + 0.4, h, h + 0.8, -d - 0.4, d + 0.4))
    return h + 1


def forest(seed: int) -> Setting:
    """A clearing between tall trees."""
    rng = np.random.default_rng(seed)
    scene = Scene(m.meadow("4a5a2c", "62703a", "6a5a3c", 1.6))
    for _ in range(16):
        x, z = rng.uniform(-26, 26), rng.uniform(-30, 8)
        if abs(x) > 3:
            props.spire_tree(scene, x, z, rng.uniform(9, 16), kind="spruce", seed=int(rng.integers(99)))
    return Setting(
        scene, (0, 6, -4), 34, 1.7, 0, 60, (Ridge("trees", 2, 5, "33482a", 200, seed % 7),), bool(seed % 2), FRONT
    )


def harbour(seed: int) -> Setting:
    """Boats on the sea before distant hills."""
    rng = np.random.default_rng(seed)
    scene = Scene(m.water(_pick(rng, ("2c5560", "1f4a5c", "44606a")), 0.05))
    for _ in range(5):
        props.sail_boat(
            scene,
            rng.uniform(-24, 24),
            rng.uniform(-20, 16),
            rng.uniform(0, 180),
            rng.uniform(0.9, 2.2),
            _pick(rng, WALLS),
        )
    scene.add(m.courses("8f8a80", "5c574e", 1.4, 0.7, 0.03, 0.3), slab(-40, -9, -2, 1.3, -26, -22))
    props.buoy(scene, rng.uniform(-8, 8), 12)
    return Setting(
        scene, (0, 4, 0), 40, 2.6, 10, 58, (Ridge("hills", 1, 6, "6f7f78", 5000, seed % 5),), False, ("none",)
    )


def desert(seed: int) -> Setting:
    """Dunes, rocks and palms."""
    rng = np.random.default_rng(seed)
    scene = Scene(m.meadow("c8a868", "d8bc80", "b8925a"))
    sand = m.meadow("cdae70", "dcc48c")
    for _ in range(4):
        scene.add(
            sand,
            ellipsoid(rng.uniform(12, 26), rng.uniform(2, 6), rng.uniform(8, 16)).at(
                rng.uniform(-30, 30), -0.4, rng.uniform(-34, -6)
            ),
        )
    for _ in range(5):
        r = rng.uniform(0.8, 2.4)
        scene.add(
            m.rock("a5764c", "6a4a34", 1.2),
            ellipsoid(r, r * 0.8, r)
            .warp(lambda a, b, c: lumps(a, b, c), 0.4, 0.6)
            .at(rng.uniform(-18, 18), 0.2, rng.uniform(-10, 8)),
        )
    for _ in range(3):
        props.palm(scene, rng.uniform(-16, 16), rng.uniform(-12, 4), rng.uniform(7, 12), seed=int(rng.integers(99)))
    return Setting(
        scene,
        (0, 4, -4),
        34,
        1.9,
        0,
        60,
        (Ridge("hills", 0.5, 4, "b8946a", 4000, seed % 9),),
        False,
        ("person", "none"),
    )


def street(seed: int) -> Setting:
    """Two rows of houses with cars between them."""
    rng = np.random.default_rng(seed)
    scene = Scene(m.courses("5f5f60", "4a4a4a", 3, 3, 0.01, 0.1))
    for sign in (-1, 1):
        z = 6.0
        while z > -46:
            width, height = rng.uniform(6, 11), rng.uniform(8, 19)
            hole = (
                opening(1.1, 1.7, 0.5)
                .repeat("x", 2.4, max(1, int(width / 2.4)))
                .turn("y", 90)
                .repeat("y", 3.2, int(height / 3.2))
                .at(-sign * 5, height / 2 - 0.6, 0)
            )
            place = (sign * 14.0, 0.0, z - width / 2)
            scene.add(
                m.plaster(_pick(rng, WALLS), 0.5), (slab(-5, 5, 0, height, -width / 2, width / 2) - hole).at(*place)
            )
            scene.add(
                m.glazing(0.55, 0.8, 0.07, "efe8dc", "26323c", 0.15, 0.1),
                box(4.6, height / 2 - 0.3, width / 2 - 0.3).at(place[0], height / 2, place[2]),
            )
            scene.add(
                m.courses(_pick(rng, ROOFS), "2c2622", 0.35, 0.4),
                gable(width / 2 + 0.2, height, height + 3, 5.3).turn("y", 90).at(*place),
            )
            z -= width + 0.2
    for k in range(4):
        props.car(scene, (-1) ** k * 5.5, 2.0 - 9 * k, 90, colour=_pick(rng, ("7a1f22", "303a58", "b8bcc0", "2a2c2e")))
    return Setting(
        scene,
        (0, 6, -16),
        36,
        1.7,
        4,
        62,
        (Ridge("city", 1, 6, "8a8a88", 500, seed % 6),),
        bool(seed % 2),
        ("people", "person", "lamp"),
    )


def orchard(seed: int) -> Setting:
    """Rows of fruit trees on a meadow before mountains."""
    rng = np.random.default_rng(seed)
    scene = Scene(m.meadow("5d7a34", "7a9044", "8a7a50"))
    leaves = _pick(rng, ("blossom", "autumn", "olive", "fresh"))
    for i in range(3):
        for k in range(4):
            props.tree(
                scene,
                -15 + 10 * k + rng.uniform(-1, 1),
                -2 - 10 * i,
                rng.uniform(4.5, 6.5),
                leaves=leaves,
                seed=int(rng.integers(99)),
            )
    props.bench(scene, 3, 8, 20)
    return Setting(
        scene,
        (0, 4, -8),
        34,
        1.8,
        12,
        60,
        (Ridge("peaks", 2, 9, "8a93a0", 9000, seed % 8), Ridge("hills", 1, 3, "5d7048", 2000, 3)),
        False,
        FRONT,
    )


LANDSCAPES: tuple[Callable[[int], Setting], ...] = (forest, harbour, desert, street, orchard)


def _ground(rng: np.random.Generator) -> m.Material:
    if rng.random() < 0.4:
        return m.courses(
            _pick(rng, ("9a958a", "b5a78e", "6f6b66")), "6f6a60", rng.uniform(0.5, 2), rng.uniform(0.4, 2), 0.02, 0.2
        )
    a, b = GROUNDS[int(rng.integers(len(GROUNDS)))]
    return m.meadow(a, b, "8a7d60")


def _pick(rng: np.random.Generator, items: tuple[str, ...]) -> str:
    return items[int(rng.integers(len(items)))]


def _fitted(picture: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    from PIL import Image

    return np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.BICUBIC))
