"""One small workload: a home and, for each verb, a step on a copy of it, to be done again and again from the start."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from pathlib import Path

from torture.children import Child
from torture.steps import CHOOSE, run
from torture.world import State, Step, World

KINDS = tuple(CHOOSE)


class Workload:
    """Steps on copies of one home.

    Args:
        folder: an empty or absent folder for photos and homes.
        rng: chooses photos and options.
        small: fewer photos and files changed.
    """

    def __init__(self, folder: Path, rng: random.Random, *, small: bool = False) -> None:
        self.home, self.told = folder / "home", folder / "told"
        self._pattern, self._rng = folder / "pattern", rng
        self._world, self._state = World(folder / "photos"), State()
        folder.mkdir(parents=True, exist_ok=True)
        named = self._world.add_folder(rng, 6 if small else 48)
        first = Step("index", {"folder": named, "batch": 32, "index_type": None}, State(), State(), whole=False)
        self._state = self._world.indexed(self._state, named)
        child = Child.fork(lambda tell: run(first, self._pattern, tell), self.told)
        if child.wait():
            raise AssertionError(f"no home can be made: {child.said()[-1500:]}")
        self._whole = folder / "whole"
        shutil.copytree(self._pattern, self._whole)

    def steps(self, kinds: tuple[str, ...] = KINDS) -> Iterator[Step]:
        """A step of each kind; `begin()` gives the home that it starts from."""
        for kind in kinds:
            self._renew(self._pattern, self._whole)
            step = CHOOSE[kind](self._rng, self._world, self._pattern, self._state)
            step.arguments["batch"] = self._rng.choice((8, 32))  # smaller ones only repeat the same calls
            yield step

    def begin(self) -> None:
        """Put `home` back to where the step starts."""
        self._renew(self.home, self._pattern)

    def fill(self) -> None:
        """Put into an existing `home` what the step starts from."""
        shutil.copytree(self._pattern, self.home, dirs_exist_ok=True)

    def _renew(self, place: Path, pattern: Path) -> None:
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(pattern, place)
