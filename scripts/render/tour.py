"""Photographs of a place as visitors take them: from all sides, near and far, in any weather, partly out of the frame.

What a picture shows of the place is judged by rays, so that "hard" is a fact of the scene and not a model's opinion.
It writes no files and chooses no places.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from . import props
from .camera import Camera, photograph
from .light import LIGHTS, World
from .materials import Material
from .random_scene import building
from .scene import Scene, trace
from .setting import Setting
from .shapes import Vec

Place = Callable[[], Setting]
"""Builds a fresh setting; pictures put things into theirs."""

DAY = ("noon", "morning", "cloudy", "overcast")
EASY_TURN = 40.0
EASY_PART, EASY_COVER = 0.75, 0.06
JUNK_PART, JUNK_COVER = 0.25, 0.012
"""An easy picture is taken by day from at most 40 degrees off the front and shows three quarters of what is to be seen
from there, on 6 % of the picture; junk shows less than a quarter of it or covers less than 1.2 %. The rest is hard."""


@dataclass(frozen=True)
class Manner:
    """What visitors of one kind do: most degrees off the front, span of the distance, spread of the aim, and what is."""

    turn: float
    near: tuple[float, float]
    aside: float
    lights: tuple[str, ...]
    fronts: tuple[str, ...]


FRONTS = ("none", "person", "people", "lamp", "tree", "crown")
MANNERS = {
    "posed": Manner(EASY_TURN, (0.75, 1.4), 0.08, DAY, FRONTS[:3]),
    "roaming": Manner(110.0, (0.5, 2.3), 0.20, tuple(LIGHTS), FRONTS),
    "passing": Manner(110.0, (0.5, 6.0), 0.6, tuple(LIGHTS), FRONTS),
}
"""The usual picture from before the front, any picture, and one of something else."""

_FIELD, _RAYS = 1.75, 60  # the judging bundle: tangent of its half field, rays along each side
_CLEAR = 2.5  # metres between the lens and the nearest solid


@dataclass(frozen=True)
class Stand:
    """Where a visitor stands and when.

    Attributes:
        turn: degrees off the place's front.
        near: factor of the usual distance.
        aside: how far the place is out of the picture's middle, as a share of its width.
        rise: the same upwards, as a share of its height.
        light: name of the weather.
        sun: bearing of the sun, degrees from the front.
        front: what stands between, or "none".
        seed: of grain, clouds and where the front stands.
    """

    turn: float
    near: float
    aside: float
    rise: float
    light: str
    sun: float
    front: str
    seed: int


@dataclass(frozen=True)
class Sight:
    """What a picture shows of the place.

    Attributes:
        part: share of what is to be seen of it from there that is inside the picture and not covered.
        cover: share of the picture that it fills.
        box: left, top, right, bottom of what is seen, as shares of width and height.
    """

    part: float
    cover: float
    box: tuple[float, float, float, float]


def draw(rng: np.random.Generator, manner: str) -> Stand:
    """Draw a visitor by the manner of taking pictures, a name of `MANNERS`."""
    how = MANNERS[manner]
    return Stand(
        turn=float(rng.uniform(-how.turn, how.turn)),
        near=float(np.exp(rng.uniform(*np.log(how.near)))),
        aside=float(rng.normal(0, how.aside)),
        rise=float(rng.normal(0, how.aside / 3)),
        light=str(rng.choice(how.lights)),
        sun=float(rng.uniform(-80, 80)),
        front=str(rng.choice(how.fronts)),
        seed=int(rng.integers(1 << 31)),
    )


def camera_of(setting: Setting, stand: Stand, width: int, height: int) -> Camera:
    """The camera of a stand: the aim is moved sideways and upwards in the picture's plane."""
    distance = setting.distance * stand.near
    bearing = math.radians(setting.facing + stand.turn)
    reach = 2 * math.tan(math.radians(setting.view) / 2) * distance / max(width, height)
    x, y, z = setting.target
    eye = (x + distance * math.sin(bearing), setting.eye, z + distance * math.cos(bearing))
    step = -stand.aside * width * reach
    target = (x + step * math.cos(bearing), y + stand.rise * height * reach, z - step * math.sin(bearing))
    return Camera(eye, target, setting.view, 0.0)


def size_of(setting: Setting, side: int) -> tuple[int, int]:
    """Width and height of a picture whose longer side has `side` pixels."""
    long, short = side, round(side * 0.75)
    return (short, long) if setting.portrait else (long, short)


def look(place: Place, stand: Stand, side: int) -> Sight | None:
    """Judge what a picture would show; None where the lens would stand in or right before a wall."""
    setting = place()
    width, height = size_of(setting, side)
    camera = camera_of(setting, stand, width, height)
    eye = [np.float32([value]) for value in camera.eye]
    if any(float(shape.fn(*eye)[0]) < _CLEAR for shape in setting.scene.shapes):
        return None
    scene = Scene()
    for shape, material in zip(setting.scene.shapes, setting.scene.materials, strict=True):
        if not material.leafy:
            scene.add(material, shape)
    # A bridge goes on and on; the place is as much of it as the usual picture holds.
    radius = setting.distance * math.tan(math.radians(setting.view) / 2) * width / max(width, height)
    what = (len(scene.shapes), setting.target, radius)
    setting = replace(setting, scene=scene)
    forward, right, above = _axes(camera)
    steps = np.linspace(-_FIELD, _FIELD, _RAYS)
    middle = np.float64(setting.target) - np.float64(camera.eye)
    around = _axes(Camera(camera.eye, tuple(np.float64(camera.eye) + middle)))
    ray = around[0] + steps[None, :, None] * around[1] + steps[:, None, None] * around[2]
    ray = (ray / np.linalg.norm(ray, axis=-1, keepdims=True)).reshape(-1, 3)
    depth = ray @ forward
    reach = math.tan(math.radians(camera.view) / 2) / max(width, height)
    with np.errstate(divide="ignore", invalid="ignore"):
        u = (ray @ right) / depth / (2 * reach * width) + 0.5
        v = 0.5 - (ray @ above) / depth / (2 * reach * height)
    inside = (depth > 0) & (np.abs(u - 0.5) <= 0.5) & (np.abs(v - 0.5) <= 0.5)
    all_of_it = _hits(scene, *what, camera, ray)
    _put_front(setting, stand)
    seen = all_of_it & inside & _hits(scene, *what, camera, ray)
    if not seen.any():
        return Sight(0.0, 0.0, (0.0, 0.0, 1.0, 1.0))
    box = (float(u[seen].min()), float(v[seen].min()), float(u[seen].max()), float(v[seen].max()))
    return Sight(float(seen.sum() / all_of_it.sum()), float(seen.sum() / inside.sum()), box)


def grade(stand: Stand, sight: Sight) -> str:
    """`easy`, `hard` or `junk`, by the rule above."""
    if sight.part < JUNK_PART or sight.cover < JUNK_COVER:
        return "junk"
    near = abs(stand.turn) <= EASY_TURN and stand.light in DAY
    return "easy" if near and sight.part >= EASY_PART and sight.cover >= EASY_COVER else "hard"


def picture(place: Place, stand: Stand, side: int) -> NDArray[np.uint8]:
    """Take the picture, (height, width, 3) uint8."""
    setting = place()
    width, height = size_of(setting, side)
    camera = camera_of(setting, stand, width, height)
    rng = np.random.default_rng(stand.seed)
    camera = replace(camera, roll=float(rng.uniform(-2, 2)))
    _put_front(setting, stand)
    clouds = float(rng.uniform(0, 50))
    world = World(setting.scene, LIGHTS[stand.light], setting.facing + stand.sun, setting.ridges, clouds)
    return photograph(world, camera, width, height, 1, stand.seed)


def twin(place: Place, seed: int) -> Setting:
    """Another building out of the walls, windows, roofs and ground of a place: what is easily mistaken for it."""
    model, form = place(), building(seed)
    stuffs = _distinct(model.scene)
    dress = {id(material): stuffs[k % len(stuffs)] for k, material in enumerate(_distinct(form.scene))}
    scene = Scene(model.scene.ground, model.scene.ground_y)
    for shape, material in zip(form.scene.shapes, form.scene.materials, strict=True):
        scene.add(dress.get(id(material), material), shape)
    return replace(form, scene=scene, ridges=model.ridges)


def _distinct(scene: Scene) -> list[Material]:
    """Materials that are not foliage, each once, in the order of the scene."""
    return list({id(material): material for material in scene.materials if not material.leafy}.values())


def _hits(
    scene: Scene, count: int, about: Vec, radius: float, camera: Camera, ray: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Whether each ray meets one of the first `count` solids within a radius about a point of the ground plan."""
    rays = ray.astype(np.float32)
    origin = np.broadcast_to(np.float32(camera.eye), rays.shape)
    met = trace(scene, origin, rays, np.float32([0, -1, 0]), _FIELD / _RAYS / 2)
    away = np.hypot(met.point[:, 0] - about[0], met.point[:, 2] - about[2])
    hit: NDArray[np.bool_] = (met.solid > 0) & (met.solid <= count) & (away <= radius)
    return hit


def _axes(camera: Camera) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    forward = np.float64(camera.target) - np.float64(camera.eye)
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, [0.0, 1.0, 0.0])
    right /= np.linalg.norm(right)
    return forward, right, np.cross(right, forward)


def _put_front(setting: Setting, stand: Stand) -> None:
    """Put what stands between lens and place; a crown stands close and hides a good part."""
    if stand.front == "none":
        return
    rng = np.random.default_rng(stand.seed + 1)
    distance, bearing = setting.distance * stand.near, setting.facing + stand.turn
    away = distance * float(rng.uniform(0.55, 0.75))
    aside = distance * float(rng.uniform(0.02, 0.12)) * (1 if rng.random() < 0.5 else -1)
    a = math.radians(bearing)
    x = setting.target[0] + away * math.sin(a) + aside * math.cos(a)
    z = setting.target[2] + away * math.cos(a) - aside * math.sin(a)
    scene, seed = setting.scene, int(rng.integers(1000))
    if stand.front == "person":
        props.person(scene, x, z, setting.floor, bearing, seed)
    elif stand.front == "people":
        for k in range(4):
            props.person(scene, x + 0.9 * k, z + 0.5 * (k % 2), setting.floor, bearing + 40 * k, seed + k)
    elif stand.front == "lamp":
        props.lamp_post(scene, x, z, setting.floor)
    else:
        tall = {"tree": 0.2, "crown": 0.38}[stand.front] * distance
        props.tree(scene, x, z, min(tall, 16.0), setting.floor, str(rng.choice(["green", "dark", "autumn"])), seed)
