"""kill -9 at random moments: homes that are killed again and again, and go on from where they are."""

from __future__ import annotations

import random
import shutil
import tempfile
import time
from collections import Counter, defaultdict
from pathlib import Path

from torture.children import Child, look
from torture.examine import rubbish
from torture.steps import choose, run
from torture.verdict import Asked, Verdict
from torture.world import State, Step, World

LIFE = 10
"""Kills that one home suffers."""
REOPEN = 5.0
"""Seconds in which a killed home must answer again."""
UNHARMED = "verbs that ended before the kill"


def random_kills(asked: Asked, verdict: Verdict, folder: Path) -> None:
    """Kill at random moments."""
    pace: dict[str, float] = defaultdict(lambda: 0.1)
    life: Life | None = None
    slowest, unharmed = 0.0, 0
    for wanted in asked.numbers():
        # To replay one kill, the home must have lived through those before.
        for number in range(wanted - wanted % LIFE, wanted + 1) if asked.only is not None else [wanted]:
            if life is None or number % LIFE == 0:
                if life is not None:
                    life.end()
                life = Life(folder / f"life-{number}")
            problems, outcomes, seconds = life.kill(asked.random(number), pace)
            if number % LIFE == LIFE - 1:
                problems += life.rubbish()
            slowest = max(slowest, seconds)
            unharmed += outcomes.pop(UNHARMED, 0)
            for outcome, times in outcomes.items():
                verdict.count(outcome, times)
            if problems:
                verdict.fail(number, f"{'; '.join(problems[:5])} (kept in {life.keep()})")
                life = None
    verdict.figure(UNHARMED, unharmed)
    verdict.figure("slowest reopening, s", round(slowest, 3))
    if slowest > REOPEN:
        verdict.fail(0, f"a home took {slowest:.1f} s to reopen")


class Life:
    """One home that is killed again and again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home, self.told = folder / "home", folder / "told"
        self.world, self.state = World(folder / "photos"), State()
        folder.mkdir(parents=True)

    def kill(self, rng: random.Random, pace: dict[str, float]) -> tuple[list[str], Counter[str], float]:
        """Run random verbs until one is killed before it ends; what is wrong, the outcomes, the slowest reopening."""
        outcomes: Counter[str] = Counter()
        slowest = 0.0
        for _ in range(30):
            step = choose(rng, self.world, self.home, self.state)
            child = Child.fork(lambda tell, step=step: run(step, self.home, tell), self.told)
            started = time.monotonic()
            if rng.random() < 0.85:  # else it may be killed while it opens the home
                child.wait_until_begun()
                started = time.monotonic()
            delay = rng.uniform(0, pace[step.kind])
            while time.monotonic() - started < delay and not child.ended():
                time.sleep(0.0005)
            child.kill()
            status = child.wait()
            if status == 0:
                pace[step.kind] = 0.7 * pace[step.kind] + 0.3 * (time.monotonic() - started)
            else:
                pace[step.kind] *= 1.05
            if status not in (0, -9):
                return [f"{step.kind} failed unharmed: {child.said()[-1500:]}"], outcomes, slowest
            problems, seen, seconds = self.check(step, child)
            slowest = max(slowest, seconds)
            if problems:
                return problems, outcomes, slowest
            if status:
                outcomes[f"killed in {step.kind}, found {seen}"] += 1
                return [], outcomes, slowest
            outcomes[UNHARMED] += 1
        return ["30 verbs ended before the kill"], outcomes, slowest

    def check(self, step: Step, child: Child) -> tuple[list[str], str, float]:
        told = child.acknowledged()
        placed = max((value for kind, value in told if kind == "placed"), default=0)
        ended = any(kind == "ended" for kind, _ in told)
        found = look(self.home, self.told, repair=step.kind == "repair")
        problems = found.problems + step.problems(found.state, placed, ended)
        problems = [f"{step.kind} ({placed} placed, ended {ended}): {problem}" for problem in problems]
        self.state = found.state
        seen = "as after" if found.state == step.after else "as before" if found.state == step.before else "in part"
        return problems, seen, found.seconds

    def rubbish(self) -> list[str]:
        """Files that no compaction deletes."""
        child = Child.fork(lambda tell: tell("left", rubbish(self.home)), self.told)
        status = child.wait()
        left = [value for _, value in child.acknowledged()]
        return [f"the last compaction ended with {status}: {child.said()[-1500:]}"] if status or not left else left[0]

    def keep(self) -> Path:
        """Put the home aside for a look at it."""
        place = Path(tempfile.mkdtemp(prefix="torture-kept-"))
        shutil.copytree(self.folder, place, dirs_exist_ok=True, symlinks=True)
        return place

    def end(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
