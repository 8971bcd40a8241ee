"""A disk that fails: calls that return an error once or from then on, full disks, read-only ones, ones that vanish."""

from __future__ import annotations

import os
import random
import shutil
import sys
import time
import types
from collections.abc import Callable, Sequence
from pathlib import Path

from dinosearch import Collection
from dinosearch.collection.indexing import run as indexing
from torture.children import Child, look
from torture.every_point import points_of, thinned, traceable_steps
from torture.mounts import mount, unmount
from torture.photos import Colours, vector_of
from torture.steps import Tell
from torture.system_calls import Point, traced
from torture.verdict import Asked, Verdict
from torture.workload import Workload
from torture.world import Step

KINDS = ("index", "remove", "compact", "repair")
FAULTS = {
    "EIO once": "error=EIO:when={}",
    "EIO from then on": "error=EIO:when={}+",
    "ENOSPC once": "error=ENOSPC:when={}",
    "ENOSPC from then on": "error=ENOSPC:when={}+",
    "EINTR once": "error=EINTR:when={}",  # a call that is interrupted for ever is repeated for ever
}
FAILING = ("write", "pwrite64", "fsync", "fdatasync", "rename", "renameat", "renameat2", "open", "openat", "ftruncate")
COMMANDS: dict[str, Callable[[Step], list[str]]] = {
    "index": lambda step: ["index", step.arguments["folder"]],
    "remove": lambda step: ["remove", *step.arguments["targets"]],
    "compact": lambda step: ["compact"],
    "repair": lambda step: ["verify", "--repair"],
}


def command(step: Step, home: Path) -> Callable[[Tell], None]:
    """A job for a child: the verb as the command line runs it, with an embedder that needs no weights."""

    def job(tell: Tell) -> None:
        fake = types.ModuleType("dinosearch.embedding")
        fake.open_embedder = lambda *given, **settings: Colours(step.before.model)  # type: ignore[attr-defined]
        sys.modules["dinosearch.embedding"] = fake
        indexing._BATCH = step.arguments["batch"]
        sys.argv = ["dinosearch", "--home", str(home), *COMMANDS[step.kind](step)]
        from dinosearch.cli import run

        run()

    return job


def complaint(child: Child, status: int) -> list[str]:
    """What is wrong with how a command ended: it must succeed, or exit with 2 and say why."""
    said = child.said()
    if status not in (0, 2) or "Traceback" in said or "Exception ignored" in said:
        return [f"exit status {status}: ...{said[-700:]}"]
    return [] if status == 0 or said.strip() else ["exit status 2 without a word"]


def failing_calls(
    asked: Asked,
    verdict: Verdict,
    folder: Path,
    every: int = 1,
    kinds: Sequence[str] = KINDS,
    faults: Sequence[str] = tuple(FAULTS),
    most: int | None = None,
    share: slice = slice(None),
) -> None:
    """Make every call fail that writes to, syncs, renames or opens a file of the home.

    Args:
        asked: which workloads.
        verdict: is told.
        folder: for homes.
        every: of calls on the same file that follow one another only every so many.
        kinds: of verbs.
        faults: keys of FAULTS.
        most: calls of a verb and fault.
        share: of the calls, the ones that are tried.
    """
    total = 0
    for number, rng, workload, step in traceable_steps(asked, verdict, folder, kinds):
        found = points_of(workload, step, opening=True, job=command(step, workload.home))
        found = [point for point in found if point.call in FAILING][share]
        total += len(found)
        for fault in faults:
            for point in thinned(found, every, rng, most):
                problems, outcome = failed_at(workload, step, point, fault)
                if problems:
                    verdict.fail(number, f"{step.kind}, {fault}, {point}: {'; '.join(problems[:4])}")
                else:
                    verdict.count(f"{fault} in {step.kind}: {outcome}")
    verdict.figure("calls that can fail", total)


def failed_at(workload: Workload, step: Step, point: Point, fault: str) -> tuple[list[str], str]:
    """What is wrong after a fault and a retry; how the verb ended."""
    workload.begin()
    child = traced(command(step, workload.home), workload.told, point, FAULTS[fault])
    status = child.wait()
    problems = complaint(child, status)
    if "(INJECTED)" not in workload.told.with_suffix(".strace").read_text(errors="replace"):
        problems.append("the call was not reached")
    return problems + after_fault(workload, step, status), "went on" if status == 0 else "said so"


def after_fault(workload: Workload, step: Step, status: int) -> list[str]:
    """What is wrong with the home once the disk is well again, and after a retry."""
    found = look(workload.home, workload.told, repair=step.kind == "repair", retry=step)
    return found.problems + step.problems(found.state, 0, status == 0)


def limited_files(verdict: Verdict, workload: Workload, number: int, rng: random.Random) -> None:
    """No file may grow beyond a random size (RLIMIT_FSIZE), the full disk that needs no privileges."""
    import resource

    for step in workload.steps(KINDS):
        workload.begin()
        largest = max(file.stat().st_size for file in workload.home.iterdir())
        limit = rng.randrange(1, 3 * largest)

        def job(tell: Tell, step: Step = step, limit: int = limit) -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
            command(step, workload.home)(tell)

        _judge(verdict, number, f"files limited in {step.kind}", workload, step, Child.fork(job, workload.told))


def vanishing_folder(verdict: Verdict, workload: Workload, number: int, rng: random.Random) -> None:
    """The home is renamed under the run, as when its drive is unplugged, and comes back afterwards."""
    away = workload.home.with_name("away")
    for step in workload.steps(KINDS):
        workload.begin()
        child = Child.fork(command(step, workload.home), workload.told)
        wait_until_written(workload.home, child, rng)
        os.rename(workload.home, away)
        status = child.wait()
        left = (workload.home / "metadata.sqlite").exists()
        shutil.rmtree(workload.home, ignore_errors=True)
        os.rename(away, workload.home)
        problems = complaint(child, status) + after_fault(workload, step, status)
        if left:
            problems.append("a new home took its place")
        _tell(verdict, number, f"home vanished in {step.kind}", problems, status)


def wait_until_written(home: Path, child: Child, rng: random.Random) -> None:
    """Until the verb holds the lock, and a random while: a home that is not there yet would be made anew."""
    while not (home / "writer.json").exists() and not child.ended():
        time.sleep(0.0005)
    time.sleep(rng.uniform(0, 0.1))


def _judge(verdict: Verdict, number: int, what: str, workload: Workload, step: Step, child: Child) -> None:
    status = child.wait()
    _tell(verdict, number, what, complaint(child, status) + after_fault(workload, step, status), status)


def _tell(verdict: Verdict, number: int, what: str, problems: list[str], status: int) -> None:
    if problems:
        verdict.fail(number, f"{what}: {'; '.join(problems[:4])}")
    else:
        verdict.count(f"{what}: {'went on' if status == 0 else 'said so'}")


def full_disk(verdict: Verdict, workload: Workload, number: int, rng: random.Random) -> None:
    """A file system of 1 MiB with a random rest of room."""
    for step in workload.steps(KINDS):
        place = workload.home
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        mount("-t", "tmpfs", "-o", "size=1m", "none", place)
        try:
            workload.fill()
            filler = place / "filler"
            free = os.statvfs(place).f_bavail * os.statvfs(place).f_frsize
            filler.write_bytes(b"x" * max(0, free - rng.randrange(min(free, 120_000))))
            child = Child.fork(command(step, place), workload.told)
            status = child.wait()
            filler.unlink()
            problems = complaint(child, status) + after_fault(workload, step, status)
        finally:
            unmount(place)
        _tell(verdict, number, f"disk full in {step.kind}", problems, status)


def vanishing_mount(verdict: Verdict, workload: Workload, number: int, rng: random.Random) -> None:
    """The file system of the home is unmounted under the run and mounted again afterwards."""
    drive = workload.home.with_name("drive")
    for step in workload.steps(KINDS):
        workload.begin()
        shutil.rmtree(drive, ignore_errors=True)
        os.rename(workload.home, drive)
        workload.home.mkdir()
        mount("--bind", drive, workload.home)
        child = Child.fork(command(step, workload.home), workload.told)
        wait_until_written(workload.home, child, rng)
        unmount(workload.home)
        status = child.wait()
        left = (workload.home / "metadata.sqlite").exists()
        mount("--bind", drive, workload.home)
        try:
            problems = complaint(child, status) + after_fault(workload, step, status)
        finally:
            unmount(workload.home)
        if left:
            problems.append("a new home took its place")
        _tell(verdict, number, f"drive vanished in {step.kind}", problems, status)


def read_only_home(verdict: Verdict, workload: Workload, number: int, rng: random.Random) -> None:
    """Verbs that write say so, and leave every byte as it is; those that read work."""
    for step in workload.steps(KINDS):
        workload.begin()
        before = _bytes(workload.home)
        mount("--bind", workload.home, workload.home)
        mount("-o", "remount,bind,ro", workload.home)
        try:
            child = Child.fork(command(step, workload.home), workload.told)
            status = child.wait()
            problems = complaint(child, status)
            if status != 2:
                problems.append(f"it ended with {status}")
            reader = Child.fork(_read(step, workload.home), workload.told)
            if reader.wait():
                problems.append(f"it cannot be read: {reader.said()[-700:]}")
        finally:
            unmount(workload.home)
        if _bytes(workload.home) != before:
            problems.append("files have changed")
        problems += after_fault(workload, step, 2)
        _tell(verdict, number, f"read-only home in {step.kind}", problems, status)


PARTS = {
    "limit": limited_files,
    "vanish": vanishing_folder,
    "full": full_disk,
    "unmount": vanishing_mount,
    "read-only": read_only_home,
}
MOUNTED = ("full", "unmount", "read-only")


def _read(step: Step, home: Path) -> Callable[[Tell], None]:
    def job(tell: Tell) -> None:
        with Collection.open(home, read_only=True, embedder=Colours(step.before.model)) as collection:
            seed = next(iter(step.before.held.values()))
            hits = collection.search_vectors(vector_of(seed, step.before.model))[0]
            if step.before.held[hits[0].path] != seed:
                raise AssertionError("the photo does not find itself")

    return job


def _bytes(home: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in home.iterdir()}
