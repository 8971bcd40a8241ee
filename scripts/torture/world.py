"""The world outside the home: photos on the disk, and what the collection must hold before and after a step.

It is the expected state that a killed process cannot spoil, kept in the memory of the process that kills.
"""

from __future__ import annotations

import os
import random
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torture.photos import MODELS, write_photo

SEEDS = 400  # contents there are: few enough for identical files


@dataclass(frozen=True)
class State:
    """What a collection holds: the content (a seed) at each path, and the model of its vectors."""

    held: dict[str, int] = field(default_factory=dict)
    model: str = MODELS[0]


@dataclass(frozen=True)
class Step:
    """One verb to run on the home.

    Attributes:
        kind: key of `steps.RUN`.
        arguments: of the verb.
        before: the collection as it is.
        after: as it must be when the verb has returned.
        whole: only `before` and `after` may be seen; else each path may be as in the one or the other.
    """

    kind: str
    arguments: dict[str, Any]
    before: State
    after: State
    whole: bool = True

    def problems(self, found: State, placed: int, ended: bool) -> list[str]:
        """What is wrong with the state found after the verb was killed.

        Args:
            found: the state.
            placed: paths that were acknowledged to be stored.
            ended: the verb has returned.
        """
        if found == self.after:
            return []
        if ended:
            return [f"{self.kind} had returned, but {_difference(self.after, found)}"]
        if found == self.before:
            return [f"{placed} files were acknowledged, none is there"] if placed else []
        if self.whole or found.model != self.before.model:
            return [f"neither before nor after: {_difference(self.before, found)}; {_difference(self.after, found)}"]
        told: list[str] = []
        was, wanted = self.before.held, self.after.held
        for path in {*was, *wanted, *found.held}:
            if found.held.get(path) not in (was.get(path), wanted.get(path)):
                told.append(f"{path} holds {found.held.get(path)}, not {was.get(path)} or {wanted.get(path)}")
        new = [path for path in wanted if wanted[path] != was.get(path)]
        there = sum(found.held.get(path) == wanted[path] for path in new)
        if there < placed:
            told.append(f"{placed} files were acknowledged, {there} are there")
        return told


class World:
    """Folders of photos; every change is made on the disk and remembered here.

    Args:
        folder: where the photos lie.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files: dict[str, int] = {}
        self.folders: list[str] = []
        self._names = 0

    def add_folder(self, rng: random.Random, count: int) -> str:
        name = str(self.folder / f"{len(self.folders)}")
        self.folders.append(name)
        for number in range(count):
            self.write(f"{name}/{number % 3}/{number:03}.png", rng.randrange(SEEDS))
        return name

    def write(self, path: str, seed: int) -> None:
        write_photo(Path(path), seed)
        self._date(path, seed)

    def change(self, folder: str, rng: random.Random) -> None:
        """Delete, move, overwrite and add a few files of a folder."""
        for path in rng.sample(self.under(folder), min(len(self.under(folder)), rng.randrange(8))):
            action = rng.randrange(3)
            if action == 0:
                self.write(path, rng.randrange(SEEDS))
                continue
            if action == 1:
                moved = f"{path[:-4]}-{self._named()}.png"
                os.rename(path, moved)
                self._date(moved, self.files[path])
            else:
                os.unlink(path)
            del self.files[path]
        for _ in range(rng.randrange(1, 30)):
            self.write(f"{folder}/new/{self._named()}.png", rng.randrange(SEEDS))

    def _named(self) -> int:
        self._names += 1
        return self._names

    def _date(self, path: str, seed: int) -> None:
        """Give a file a time of its own for each content.

        By the clock two changes within a tick would look like none, and a content that comes back would look new.
        """
        moment = 1_600_000_000 + zlib.crc32(f"{path} {seed}".encode()) % 10**8
        os.utime(path, (moment, moment))
        self.files[path] = seed

    def under(self, folder: str) -> list[str]:
        return sorted(path for path in self.files if path.startswith(folder + "/"))

    def indexed(self, state: State, folder: str) -> State:
        """The state after an index run over a folder."""
        held = {path: seed for path, seed in state.held.items() if not path.startswith(folder + "/")}
        return State(held | {path: self.files[path] for path in self.under(folder)}, state.model)


def _difference(wanted: State, found: State) -> str:
    if wanted.model != found.model:
        return f"the vectors are of {found.model}, not {wanted.model}"
    missing = sorted(path for path in wanted.held if path not in found.held)
    added = sorted(path for path in found.held if path not in wanted.held)
    other = sorted(path for path, seed in wanted.held.items() if found.held.get(path, seed) != seed)
    return (
        f"missing {len(missing)} {missing[:2]}, added {len(added)} {added[:2]}, other content {len(other)} {other[:2]}"
    )
