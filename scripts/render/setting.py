"""What a place needs to be photographed: scene, aim, distance, horizon.

It does not build places; the landmark and distractor modules do.
"""

from __future__ import annotations

from dataclasses import dataclass

from .light import Ridge
from .scene import Scene
from .shapes import Vec


@dataclass(frozen=True)
class Setting:
    """A place: aim and distance of the camera (m), its height, the bearing seen from in the middle, field of view."""

    scene: Scene
    target: Vec
    distance: float
    eye: float = 1.7
    facing: float = 0.0
    view: float = 52.0
    ridges: tuple[Ridge, ...] = ()
    portrait: bool = False
    front: tuple[str, ...] = ("person", "tree", "lamp", "people", "bush", "bench")
    floor: float = 0.0  # height on which things in front stand
