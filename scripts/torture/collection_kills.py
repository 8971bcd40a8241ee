"""kill -9 of the server under a collection: metadata and vectors in one PostgreSQL database, through `Collection`.

A verb runs in a child, with photos and an embedder that cost nothing; what the collection must hold is kept here. The
server is killed with all its processes in the middle of it, and started again. Then the collection is looked at as the
next user would, the vectors that a killed run left without an image are swept out by `verify --repair`, and the same
verb runs again to its end. While the collection is small, `index` keeps windows and patch tokens too, and at its end
every image has all of them.
"""

from __future__ import annotations

import importlib
import random
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from dinosearch import Collection
from dinosearch.errors import DinosearchError
from torture.children import Child, look
from torture.photos import Colours
from torture.postgres_server import PostgresServer
from torture.steps import BATCHES, CHOOSE, Tell, run
from torture.verdict import Asked, Verdict
from torture.world import State, Step, World

KINDS = ("index", "add", "add", "import", "import", "remove", "compact", "migrate", "migrate", "refine")
REOPEN = 30.0
"""Seconds in which the server must be back and the collection answer."""
UNHARMED = "verbs that ended before the kill"
MOST_DESCRIBED = 60
"""Files up to which `index` keeps windows and patch tokens as well; beyond, it drops them."""
_LEFT_OVER = "vectors are of no known image"
_ENDED, _SAID = 0, 2


def kill_under_a_collection(asked: Asked, verdict: Verdict, folder: Path) -> None:
    """All the kills that are asked for, of one server: each finds what the one before has left."""
    importlib.import_module("psycopg")  # once, and not in every child
    pace: dict[str, float] = defaultdict(lambda: 0.3)
    slowest = 0.0
    told: Counter[str] = Counter()
    with PostgresServer() as server:
        life = Life(folder, server)
        for number in asked.numbers():
            problems, outcome, seconds = life.kill(asked.random(number), pace, told)
            slowest = max(slowest, seconds)
            if problems:
                verdict.fail(number, "; ".join(problems[:5]))
                return  # what comes after would only tell it again
            verdict.count(outcome)
            print(f"kill {number + 1}: {outcome}, {len(life.state.held)} files", flush=True)
    for name, times in told.items():
        verdict.figure(name, times)
    verdict.figure("slowest until it answers again, s", round(slowest, 1))
    if slowest > REOPEN:
        verdict.fail(0, f"it took {slowest:.1f} s until the collection answered again")


class Life:
    """One collection whose server is killed again and again.

    Args:
        folder: for photos and exports.
        server: that runs.
    """

    def __init__(self, folder: Path, server: PostgresServer) -> None:
        self.folder, self.server = folder, server
        self.home, self.told = server.collection("torture"), folder / "told"
        self.world, self.state = World(folder / "photos"), State()
        self._exports = 0

    def kill(self, rng: random.Random, pace: dict[str, float], told: Counter[str]) -> tuple[list[str], str, float]:
        """Run random verbs until the server dies before one ends; what is wrong, the outcome, seconds to be back."""
        for _ in range(30):
            step = self.choose(rng)
            child = Child.fork(lambda tell, step=step: self.do(step, tell), self.told)
            child.wait_until_begun()
            started, delay = time.monotonic(), rng.uniform(0, pace[step.kind])
            while time.monotonic() - started < delay and not child.ended():
                time.sleep(0.0005)
            ended = child.ended()
            if ended:
                pace[step.kind] = 0.7 * pace[step.kind] + 0.3 * (time.monotonic() - started)
            else:
                pace[step.kind] *= 1.05
                self.server.kill()
            status = child.wait()
            acknowledged = child.acknowledged()
            told["acknowledged files"] += max((value for kind, value in acknowledged if kind == "placed"), default=0)
            if status not in (_ENDED, _SAID) or (ended and status):
                return [f"{step.kind} ended with {status}: {child.said()[-1500:]}"], "", 0.0
            back = time.monotonic()
            if not ended:
                self.server.start()
            back = time.monotonic() - back
            problems, seen, left, seconds = self.check(step, acknowledged)
            told["kills that left vectors without an image, swept out by verify --repair"] += left
            if problems or not ended:
                return problems, f"killed in {step.kind}, found {seen}", back + seconds
            told[UNHARMED] += 1
        return ["30 verbs ended before the kill"], "", 0.0

    def do(self, step: Step, tell: Tell) -> None:
        """Run the verb; an error is one sentence, and the child then ends as the command line would."""
        try:
            run(step, self.home, tell)
        except DinosearchError as error:
            if not str(error).strip():
                raise
            raise SystemExit(_SAID) from None

    def check(self, step: Step, acknowledged: list[list[Any]]) -> tuple[list[str], str, bool, float]:
        """What is wrong now and after the same verb again; what else was seen.

        Returns:
            The problems, how much of the verb was found, whether vectors were left over, and the seconds until the
            first answer.
        """
        placed = max((value for kind, value in acknowledged if kind == "placed"), default=0)
        ended = any(kind == "ended" for kind, _ in acknowledged)
        found = look(self.home, self.told)
        wrong = [problem for problem in found.problems if _LEFT_OVER not in problem]
        left = len(found.problems) > len(wrong)
        wrong += step.problems(found.state, placed, ended)
        wrong += look(self.home, self.told, repair=True, retry=step).problems
        self.state = step.after
        seen = "as after" if found.state == step.after else "as before" if found.state == step.before else "in part"
        told = [f"{step.kind} ({placed} placed, ended {ended}): {problem}" for problem in wrong]
        return told, seen, left, found.seconds

    def choose(self, rng: random.Random) -> Step:
        """A verb that makes sense now; photos on the disk may change on the way."""
        kind = rng.choice(KINDS) if len(self.state.held) > 20 else rng.choice(("add", "import"))
        before, arguments = self.state, {"batch": rng.choice(BATCHES), "index_type": None}
        if kind == "migrate":
            return CHOOSE[kind](rng, self.world, Path(), before)
        if kind in ("compact", "refine"):
            return Step(kind, arguments, before, before)
        if kind == "remove":
            gone = rng.sample(sorted(before.held), rng.randrange(1, len(before.held) // 2))
            left = {path: seed for path, seed in before.held.items() if path not in gone}
            return Step(kind, {"targets": gone}, before, State(left, before.model))
        if kind == "index" and self.world.folders:
            folder = rng.choice(self.world.folders)
            self.world.change(folder, rng)
        else:
            folder = self.world.add_folder(rng, rng.randrange(20, 120))
        after = self.world.indexed(before, folder)
        if kind == "import":
            return Step(kind, {**arguments, "export": self.exported(folder, before.model)}, before, after, whole=False)
        small = len(before.held) <= MOST_DESCRIBED
        kept = {"regions": small, "keep_patches": small}
        return Step(kind, {**arguments, "folder": folder, "kept": kept}, before, after, whole=False)

    def exported(self, photos: str, model: str) -> str:
        """An export of a folder of photos, by a collection of its own."""
        self._exports += 1
        place = self.folder / f"export-{self._exports}"

        def job(tell: Tell) -> None:
            home, embedder = self.folder / f"home-{self._exports}", Colours(model)
            with Collection.open(home, create=True, embedder=embedder) as collection:
                collection.index(photos)
                collection.export(place)

        child = Child.fork(job, self.told)
        if child.wait():
            raise AssertionError(f"no export can be made: {child.said()[-1500:]}")
        return str(place)
