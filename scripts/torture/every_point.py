"""kill -9 on entry to every call that writes to a file of the home, for every verb."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from torture.children import look
from torture.steps import Tell, run
from torture.system_calls import Point, missing, points, traced
from torture.verdict import Asked, Verdict
from torture.workload import KINDS, Workload
from torture.world import Step


def every_point(
    asked: Asked,
    verdict: Verdict,
    folder: Path,
    every: int = 1,
    kinds: Sequence[str] = KINDS,
    each: bool = False,
    share: slice = slice(None),
) -> None:
    """Kill at every write point.

    Args:
        asked: which workloads.
        verdict: is told.
        folder: for homes.
        every: of calls on the same file that follow one another, as SQLite writes its pages, only every so many.
        kinds: of verbs.
        each: one by chance of those of the same kind, whatever `every` says.
        share: of these, the ones that are tried.
    """
    total = 0
    for number, rng, workload, step in traceable_steps(asked, verdict, folder, kinds):
        found = points_of(workload, step)[share]
        total += len(found)
        for point in one_of_each(found, rng) if each else thinned(found, every, rng):
            problems = killed_at(workload, step, point)
            if problems:
                verdict.fail(number, f"{step.kind}, {point}: {'; '.join(problems[:4])}")
            else:
                verdict.count(f"killed in {step.kind} at {point.call}")
    verdict.figure("write points", total)


def traceable_steps(
    asked: Asked, verdict: Verdict, folder: Path, kinds: Sequence[str]
) -> Iterator[tuple[int, random.Random, Workload, Step]]:
    """Each verb of each small workload, where strace may attach; else the verdict is told why not."""
    if reason := missing():
        verdict.fail(0, reason)
        return
    for number in asked.numbers():
        rng = asked.random(number)
        workload = Workload(folder / f"workload-{number}", rng, small=True)
        for step in workload.steps(tuple(kinds)):
            yield number, rng, workload, step


def points_of(
    workload: Workload, step: Step, *, opening: bool = False, job: Callable[[Tell], None] | None = None
) -> list[Point]:
    """The write points of a step, or of another job that does the same; see `points`."""
    workload.begin()
    job = job or (lambda tell: run(step, workload.home, tell))
    return points(job, workload.home, workload.told, opening=opening)


def killed_at(workload: Workload, step: Step, point: Point) -> list[str]:
    """What is wrong after a kill at the point and after a retry."""
    workload.begin()
    child = traced(lambda tell: run(step, workload.home, tell), workload.told, point, "signal=KILL:when={}")
    status = child.wait()
    if status != -9:
        return [f"the point was not reached: status {status} {child.said()[-300:]}"]
    told = child.acknowledged()
    placed = max((value for kind, value in told if kind == "placed"), default=0)
    ended = any(kind == "ended" for kind, _ in told)
    found = look(workload.home, workload.told, repair=step.kind == "repair", retry=step)
    return found.problems + step.problems(found.state, placed, ended)


def thinned(found: Sequence[Point], every: int, rng: random.Random, most: int | None = None) -> list[Point]:
    """The points, but of those that follow one another with the same call on the same file only every so many.

    With `most`, no more than so many of what is left, evenly spread from a random one on.
    """
    kept, before, left = [], "", 0
    for point in found:
        left = left - 1 if point.place == before else rng.randrange(every) if before == "" else 0
        before = point.place
        if left <= 0:
            kept.append(point)
            left = every
    stride = -(-len(kept) // most) if most else 1
    return kept[rng.randrange(stride) :: stride]


def one_of_each(found: Sequence[Point], rng: random.Random) -> list[Point]:
    """One point of each kind: every call of a verb on every file that it changes."""
    of: dict[str, list[Point]] = {}
    for point in found:
        of.setdefault(point.kind, []).append(point)
    return [rng.choice(points) for points in of.values()]
