"""The writer of a soak: changes photos and the collection of them by chance, and keeps what must be live beside it."""

from __future__ import annotations

import io
import os
import random
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from dinosearch import Collection
from dinosearch.images import prepare
from torture.soak_state import Board, State

_AT_ONCE = 100  # files that come or go in one change
CHANGES = {"add": 10, "update": 4, "remove": 4, "take away": 4, "compact": 1, "reopen": 1}


@dataclass(frozen=True)
class Plan:
    """How a soak is done.

    Attributes:
        seed: of all chance.
        seconds: from the first index run on.
        load: share of the time in which each of the two processes works.
        least, most: files between which the collection swings.
        every: seconds between two samples.
        leak: bytes that each process keeps of every run, to see that the verdict notices.
    """

    seed: int
    seconds: float
    load: float = 1.0
    least: int = 300
    most: int = 800
    every: float = 10.0
    leak: int = 0


class Writer:
    """Changes photos and the collection of them, and keeps what must be live beside it."""

    def __init__(self, folder: Path, plan: Plan) -> None:
        self._home, self._photos, self._plan = folder / "home", folder / "photos", plan
        self.rng, self._board = random.Random(f"{plan.seed} writer"), Board(folder)
        self.collection = self._open()
        self._live: dict[str, int] = {}
        self._vectors: dict[int, np.ndarray] = {}
        self.made = self._names = 0
        self.done: Counter[str] = Counter()
        self._growing = True
        self.state = State(0, (), np.empty(0, np.int64), np.empty((0, 0), np.float32))

    def _open(self) -> Collection:
        return Collection.open(self._home, create=True, model="mini")

    def chosen(self) -> tuple[str, int]:
        """What to do next, and with how many files: more come than go until there are `most`, then more go."""
        files = len(self._live)
        self._growing = files < self._plan.most if self._growing else files <= self._plan.least
        kind = self.rng.choices(list(CHANGES), list(CHANGES.values()))[0]
        large = self._growing == (kind == "add") and kind != "update"
        return kind, min(self.rng.choice([20, 40, 80] if large else [1, 4, 10]), files // 2)

    def change(self, kind: str, count: int = 0, counted: bool = True) -> list[str]:
        """Change photos and collection; what went wrong."""
        self._board.changing()
        problems: list[str] = []
        known = self.rng.sample(sorted(self._live), min(count, len(self._live)))
        if kind == "compact":
            self.collection.compact()
        elif kind == "reopen":
            self.collection.close()
            self.collection = self._open()
        elif kind == "add":
            problems = self._index(written=[self._name() for _ in range(count)])
        elif kind == "update":
            problems = self._index(written=known)
        elif kind == "take away":
            problems = self._index(gone=known)
        else:
            removed = self.collection.remove(*known) if known else 0
            problems = [] if removed == len(known) else [f"{removed} of {len(known)} files left the collection"]
            self._forget(known)
        self._publish()
        self.done[kind] += counted
        return problems

    def settle(self) -> list[str]:
        """Bring the collection to `least` files and no other vectors, whatever was done before; what went wrong."""
        problems: list[str] = []
        while more := len(self._live) - self._plan.least:
            problems += self.change("take away" if more > 0 else "add", min(abs(more), _AT_ONCE), counted=False)
        return problems + self.change("compact", counted=False)

    @property
    def rarest(self) -> int:
        """How often the kind of change was done that was done least."""
        return min(self.done[kind] for kind in CHANGES)

    @property
    def rows(self) -> int:
        """Vectors in the collection, those of removed images included until they are compacted away."""
        return self.collection.info().rows

    def end(self) -> list[str]:
        """What is wrong with the collection in the end."""
        problems = []
        self.collection.compact()
        found = self.collection.verify()
        if not found.ok:
            problems.append(f"verify finds {found.problems[:3]}")
        if sorted(str(file["path"]) for file in self.collection.files()) != sorted(self._live):
            problems.append("the collection does not hold the files that are there")
        self.collection.close()
        return problems

    def _index(self, written: list[str] = [], gone: list[str] = []) -> list[str]:  # noqa: B006
        """Write and delete files, and bring the collection up to that."""
        new = sum(path not in self._live for path in written)
        for path in written:
            self._write(path)
        self._forget(gone)
        done = self.collection.index(self._photos)
        wanted = (new, len(written) - new, len(gone), 0)
        if (done.added, done.changed, done.removed, done.failed) != wanted:
            return [f"added, changed, removed, failed are {done}, not {wanted}"]
        return []

    def _forget(self, gone: list[str]) -> None:
        for path in gone:
            os.unlink(path)
            del self._live[path]

    def _name(self) -> str:
        self._names += 1
        return str(self._photos / f"{self._names:06}.jpg")

    def _write(self, path: str) -> None:
        """A new picture, now and then a copy of one that is there; its time is new in any case."""
        copied = self._live and path not in self._live and self.rng.random() < 0.05
        self.made += not copied
        number = self.rng.choice(sorted(self._live.values())) if copied else self.made
        Path(path).write_bytes(picture(self._plan.seed, number))
        moment = 1_700_000_000 + self._names * 1000 + self.made
        os.utime(path, (moment, moment))
        self._live[path] = number

    def _publish(self) -> None:
        wanted = sorted({*self._live.values()})
        new = [number for number in wanted if number not in self._vectors]
        embedder = self.collection.embedder
        for low in range(0, len(new), 32):
            part = new[low : low + 32]
            pixels = [
                prepare(picture(self._plan.seed, number), "", embedder.preprocessing, embedder.patch_size).pixels
                for number in part
            ]
            self._vectors.update(zip(part, np.array(embedder.embed(pixels)), strict=True))
        if rest := getattr(embedder, "rest", None):
            rest()  # as an index run does: else the memory of embedding side by side stays, by chance of what came last
        self._vectors = {number: self._vectors[number] for number in wanted}
        numbers = np.array(list(self._live.values()), np.int64)
        vectors = np.stack([self._vectors[number] for number in numbers.tolist()])
        self.state = State(self.state.version + 1, tuple(self._live), numbers, vectors)
        self._board.publish(self.state)


def picture(seed: int, number: int) -> bytes:
    """A small JPEG file of coloured fields; another number gives another one."""
    rng = np.random.default_rng([seed, number])
    fields = rng.integers(0, 256, (rng.integers(2, 9), rng.integers(2, 9), 3), dtype=np.uint8)
    encoded = io.BytesIO()
    Image.fromarray(fields).resize((96, 72), Image.Resampling(int(rng.integers(4)))).save(encoded, "JPEG")
    return encoded.getvalue()
