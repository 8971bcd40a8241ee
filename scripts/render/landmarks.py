"""The table of sample landmarks and of the views that are taken of each.

It builds no solid: the places come from the landmark modules.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from . import landmarks_halls as halls
from . import landmarks_spans as spans
from . import landmarks_towers as towers
from . import props
from .camera import orbit, photograph
from .light import LIGHTS, World
from .setting import Setting

LANDMARKS: dict[str, Callable[[], Setting]] = {
    "lighthouse": towers.lighthouse,
    "windmill": towers.windmill,
    "pagoda": towers.pagoda,
    "obelisk": towers.obelisk,
    "glass_tower": towers.glass_tower,
    "temple": halls.temple,
    "arch": halls.arch,
    "mosque": halls.mosque,
    "church": halls.church,
    "castle": halls.castle,
    "bridge": spans.bridge,
    "aqueduct": spans.aqueduct,
    "pyramid": spans.pyramid,
    "statue": spans.statue,
    "palace": spans.palace,
}


@dataclass(frozen=True)
class View:
    """How one picture is taken: degrees away from the front, distance factor, weather, sun's bearing from the front."""

    turn: float
    near: float
    light: str
    sun: float


VIEWS = (
    View(-4, 1.00, "noon", 40),
    View(22, 1.12, "morning", -50),
    View(-26, 0.95, "cloudy", 30),
    View(10, 0.74, "overcast", 60),
    View(-14, 1.30, "golden", -35),
    View(30, 1.05, "winter", 55),
)


def view(name: str, number: int, scale: float = 1.0, oversample: int = 1) -> NDArray[np.uint8]:
    """Take picture `number` (1..6) of a landmark: (h, w, 3) uint8, longer side 384 * scale."""
    return take(LANDMARKS[name](), VIEWS[number - 1], number - 1, seed_of(f"{name} {number}"), scale, oversample)


def take(setting: Setting, how: View, number: int, seed: int, scale: float, oversample: int = 1) -> NDArray[np.uint8]:
    """Take one picture of a setting, with what stands in front of it in this view."""
    rng = np.random.default_rng(seed)
    bearing = setting.facing + how.turn
    distance = setting.distance * how.near
    _put_front(setting, bearing, distance, number, rng)
    world = World(setting.scene, LIGHTS[how.light], setting.facing + how.sun, setting.ridges, float(rng.uniform(0, 50)))
    long, short = round(384 * scale), round(288 * scale)
    width, height = (short, long) if setting.portrait else (long, short)
    target = (setting.target[0] + rng.uniform(-0.03, 0.03) * distance, setting.target[1], setting.target[2])
    eye = setting.eye * (1.0 + 0.25 * float(rng.uniform(-1, 1)))
    camera = orbit(target, bearing, distance, eye, setting.view, float(rng.uniform(-1.2, 1.2)))
    return photograph(world, camera, width, height, oversample, seed)


def seed_of(text: str) -> int:
    """A number for a name that is the same on every machine and in every run."""
    return zlib.crc32(text.encode())


def _put_front(setting: Setting, bearing: float, distance: float, number: int, rng: np.random.Generator) -> None:
    """Place this view's passer-by, tree or boat between camera and landmark, off the middle."""
    kind = setting.front[number % len(setting.front)]
    if kind == "none":
        return
    a = math.radians(bearing)
    away = distance * float(rng.uniform(0.62, 0.78))
    side = distance * float(rng.uniform(0.09, 0.15)) * (1 if rng.random() < 0.5 else -1)
    x = setting.target[0] + away * math.sin(a) + side * math.cos(a)
    z = setting.target[2] + away * math.cos(a) - side * math.sin(a)
    scene, seed = setting.scene, int(rng.integers(1000))
    if kind == "person":
        props.person(scene, x, z, setting.floor, bearing, seed)
    elif kind == "people":
        for k in range(3):
            props.person(scene, x + 0.9 * k, z + 0.5 * (k % 2), setting.floor, bearing + 40 * k, seed + k)
    elif kind == "tree":
        props.tree(scene, x, z, 6.0, setting.floor, "green", seed)
    elif kind == "bush":
        props.bush(scene, x, z, 1.2, setting.floor, "green", seed)
    elif kind == "lamp":
        props.lamp_post(scene, x, z, setting.floor)
    elif kind == "bench":
        props.bench(scene, x, z, bearing + 160, setting.floor)
    elif kind == "boat":
        props.sail_boat(scene, x, z, 25.0 + bearing, 0.9)
    elif kind == "buoy":
        props.buoy(scene, x, z)
