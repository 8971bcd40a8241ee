"""One writer and many readers of one home, in processes and threads; every answer is held against the logged states."""

from __future__ import annotations

import multiprocessing
import os
import queue
import random
import threading
import time
import traceback
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dinosearch import Collection
from torture.asks import ask
from torture.numbered import NumberEmbedder, png, sha256
from torture.states import Log, Tail
from torture.verdict import Verdict

NUMBERS = 600
"""Different pictures that the writer draws from."""
_CHANGES = {"add": 8, "change": 4, "move": 4, "take away": 4, "remove": 4, "update": 1, "compact": 2}
_MOST = 400  # files, beyond which the writer takes some away


@dataclass
class Told:
    """What one reader or the writer saw."""

    outcomes: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)


def run(folder: Path, seed: int, seconds: float, verdict: Verdict, *, processes: int = 8, threads: int = 8) -> None:
    """Let them loose on a home in `folder`, and count into the verdict.

    Half of the reading processes and threads keep a collection open, the others open it anew all the time; the threads
    live in the writer's process, and half of them share its very collection.
    """
    spawn = multiprocessing.get_context("spawn")
    (folder / "photos").mkdir(parents=True)
    (folder / "log").touch()
    answers: Any = spawn.Queue()
    begun = spawn.Event()
    made = [spawn.Process(target=_writing, args=(folder, seed, seconds, threads, begun, answers))]
    made += [
        spawn.Process(target=_reading_alone, args=(folder, f"{seed} process {n}", seconds, n % 2 == 0, begun, answers))
        for n in range(processes)
    ]
    for process in made:
        process.start()
    for _ in range(1 + threads + processes):
        try:
            told: Told = answers.get(timeout=seconds + 100)
        except queue.Empty:
            verdict.fail(0, "a process gave no answer")
            break
        for outcome, times in told.outcomes.items():
            verdict.count(outcome, times)
        for failure in told.failures:
            verdict.fail(0, failure)
    for process in made:
        process.join(10)
        process.kill()
        if process.exitcode != 0:
            verdict.fail(0, f"a process ended with {process.exitcode}")


def _writing(folder: Path, seed: int, seconds: float, threads: int, begun: Any, answers: Any) -> None:
    """The writer's process: the writer, and the reading threads."""
    os.environ["DINOSEARCH_DECODE"] = "inline"
    log, told, until = Log(folder / "log", {sha256(number): number for number in range(NUMBERS)}), Told(), None
    with log.attached(), Collection.open(folder / "home", create=True, embedder=NumberEmbedder()) as collection:
        writer = _Writer(collection, folder / "photos", random.Random(f"{seed} writer"))
        writer.add(40)
        begun.set()
        until = time.monotonic() + seconds
        readers = [
            threading.Thread(
                target=_reading,
                args=(folder, f"{seed} thread {n}", until, answers, n % 2 == 0, collection if n % 4 < 2 else None),
            )
            for n in range(threads)
        ]
        for reader in readers:
            reader.start()
        try:
            while time.monotonic() < until:
                told.outcomes[f"written: {writer.step()}"] += 1
            told.outcomes["states committed"] = log.states
        except Exception:
            told.failures.append(f"the writer: {traceback.format_exc()}")
        for reader in readers:
            reader.join()
        if not collection.verify().ok:
            told.failures.append("verify finds the home damaged in the end")
    answers.put(told)


class _Writer:
    """Changes photos and the collection of them by chance."""

    def __init__(self, collection: Collection, photos: Path, rng: random.Random) -> None:
        self._collection, self._photos, self._rng = collection, photos, rng
        self._made = 0

    def step(self) -> str:
        """One change; what it was."""
        files = sorted(self._photos.iterdir())
        if len(files) > _MOST:
            return self.take_away(files, len(files) // 2)
        kind = self._rng.choices(list(_CHANGES), list(_CHANGES.values()))[0]
        count = min(len(files), self._rng.choice([1, 3, 20]))
        if kind == "add" or not files:
            return self.add(self._rng.choice([1, 3, 20, 50]))
        if kind == "compact":
            self._collection.compact()
        elif kind == "update":
            self._collection.index(self._photos, recall=self._rng.choice([0.9, 0.98]))  # another recall: a new index
        elif kind == "remove":
            ids = [int(file["id"]) for file in self._collection.files()]
            targets = [f"id:{self._rng.choice(ids)}"] if ids and count == 1 else self._rng.sample(files, count)
            known = {str(file["path"]) for file in self._collection.files()}
            targets = [t for t in targets if str(t).startswith("id:") or str(t) in known]
            if targets:
                self._collection.remove(*targets)
        elif kind == "take away":
            return self.take_away(files, count)
        else:
            for path in self._rng.sample(files, count):
                if kind == "change":
                    self._write(path)
                else:
                    path.rename(self._new())
            self._collection.index(self._photos)
        return kind

    def add(self, count: int) -> str:
        """New files, some of pictures that are known already."""
        for _ in range(count):
            self._write(self._new())
        self._collection.index(self._photos)
        return "add"

    def take_away(self, files: list[Path], count: int) -> str:
        """Delete files from the disk and bring the collection up to that."""
        for path in self._rng.sample(files, count):
            path.unlink()
        if count < len(files):  # a folder that is empty is taken for a drive that is not there
            self._collection.index(self._photos)
        return "take away"

    def _new(self) -> Path:
        self._made += 1
        return self._photos / f"{self._made:05}.png"

    def _write(self, path: Path) -> None:
        path.write_bytes(png(self._rng.randrange(NUMBERS)))


def _reading_alone(folder: Path, seed: str, seconds: float, keep: bool, begun: Any, answers: Any) -> None:
    """A reading process."""
    os.environ["DINOSEARCH_DECODE"] = "inline"
    begun.wait()
    _reading(folder, seed, time.monotonic() + seconds, answers, keep, None)


def _reading(folder: Path, seed: str, until: float, answers: Any, keep: bool, shared: Collection | None) -> None:
    """Ask until the time is over, by the shared collection, one that is kept, or one that is opened for each ask."""
    rng, told, tail = random.Random(seed), Told(), Tail(folder / "log")

    def opened() -> Collection:
        return Collection.open(folder / "home", read_only=rng.random() < 0.5, embedder=NumberEmbedder())

    collection = shared
    try:
        while time.monotonic() < until:
            if collection is None:
                collection = opened()
            first = tail.before()
            kind, fits = ask(collection, rng, NUMBERS)
            states = tail.since(first)
            told.outcomes[f"read: {kind}"] += 1
            told.outcomes["reads while a commit came in"] += len(states) > 1
            if not any(fits(state) for state in reversed(states)):
                told.failures.append(f"{seed}: {kind} fits none of the {len(states)} states from {first} on")
            if shared is None and not keep:
                collection.close()
                collection = None
            time.sleep(rng.random() * 0.01)
    except Exception:
        told.failures.append(f"{seed}: {traceback.format_exc()}")
    finally:
        if collection is not None and shared is None:
            collection.close()
        answers.put(told)
