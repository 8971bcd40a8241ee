"""kill -9 of what holds the vectors, in the middle of upserts and deletes, and a look at what is left.

A writer, in a process of its own, makes numbered operations and says when one begins and when it has returned. What
one does follows from the seed and its number, so that this side knows what was written without being told. After a kill
every row is read back: what was acknowledged is there as it was written last, once; what was deleted is not; only the
operation that had begun and not returned may have happened or not, row by row.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

import numpy as np

from dinosearch.engines import open_engine, parse_address
from dinosearch.errors import DinosearchError
from dinosearch.protocols import VectorEngine, VectorSearch
from torture.verdict import Asked, Verdict

DIMENSION, NUMBER = 16, 1
IDS = 4000
USABLE_SECONDS = 240
_OF_CHILD = "torture.engine_kills"


class Victim(Protocol):
    """What is killed: an engine's server, or the writer itself where the engine is a library."""

    url: str
    """What the writer is given, as `--home`."""

    def crash(self, writer: subprocess.Popen[str]) -> None:
        """Kill it with signal 9."""
        ...

    def restart(self) -> None:
        """Start what was killed, where it does not start by itself."""
        ...


class Operation:
    """Operation `number`: ids that get new vectors, or ids that are deleted, or a flush."""

    def __init__(self, seed: int, number: int) -> None:
        chance = random.Random(f"{seed} operation {number}")
        self.number = number
        self.kind = chance.choices(("upsert", "delete", "flush"), (80, 17, 3))[0]
        self.ids = sorted(chance.sample(range(1, IDS + 1), chance.randint(1, 300 if self.kind == "upsert" else 60)))

    def run(self, search: VectorSearch) -> None:
        if self.kind == "flush":
            search.flush()
        elif self.kind == "delete":
            search.delete(np.array(self.ids))
        else:
            search.upsert(np.array(self.ids), np.stack([vector(i, self.number) for i in self.ids]))

    def apply(self, state: dict[int, int]) -> None:
        """What it does to a table of the operation that last wrote each id."""
        for number in self.ids if self.kind != "flush" else ():
            if self.kind == "delete":
                state.pop(number, None)
            else:
                state[number] = self.number


def vector(number: int, version: int) -> np.ndarray:
    """(DIMENSION,) float32 of unit length: what operation `version` writes for an id."""
    row = np.random.default_rng((number, version)).standard_normal(DIMENSION)
    return (row / np.linalg.norm(row)).astype(np.float32)


def engine_at(url: str) -> VectorEngine:
    """The engine at an address, with a metadata store where it needs one."""
    address = parse_address(url)
    if address.kind.startswith("milvus"):
        from dinosearch.engines.milvus import MilvusEngine

        return MilvusEngine(address)
    from dinosearch.store import MetadataStore

    return open_engine(address, MetadataStore.open(url, create=True))


def kill_again_and_again(asked: Asked, verdict: Verdict, victim: AbstractContextManager[Victim]) -> None:
    """All the kills that are asked for, of one victim: each finds what the one before has left."""
    with victim as alive:
        state: dict[int, int] = {}
        following, slowest = 0, 0.0
        _prepare(alive.url)
        for run in asked.numbers():
            chance = asked.random(run)
            acknowledged, doubtful = _written(alive, asked.seed, following, chance)
            following = max(
                [following, *(n + 1 for n in acknowledged), *([doubtful + 1] if doubtful is not None else [])]
            )
            for number in acknowledged:
                Operation(asked.seed, number).apply(state)
            began = time.monotonic()
            alive.restart()
            found, bad = _look(alive.url, state, None if doubtful is None else Operation(asked.seed, doubtful))
            slowest = max(slowest, time.monotonic() - began)
            if bad:
                verdict.fail(run, bad)
            else:
                verdict.count(f"whole after {'an unfinished' if doubtful is not None else 'no open'} operation")
            verdict.figure("rows acknowledged and found, last", len(found))
            verdict.figure(
                "operations acknowledged", int(verdict.figures.get("operations acknowledged", 0)) + len(acknowledged)
            )
            verdict.figure("slowest until it answers again, s", round(slowest, 1))
            print(f"kill {run + 1}: {len(acknowledged)} operations, {len(found)} rows, {bad or 'whole'}", flush=True)
            state = found


def _prepare(url: str) -> None:
    engine = engine_at(url)
    engine.drop(NUMBER)
    engine.open(NUMBER, DIMENSION, None).ensure()
    engine.close()


def _written(victim: Victim, seed: int, first: int, chance: random.Random) -> tuple[list[int], int | None]:
    """Let a writer write and kill in the middle; the operations acknowledged, and the one that had begun."""
    paths = os.pathsep.join([str(Path(__file__).resolve().parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, "-m", _OF_CHILD, victim.url, str(seed), str(first)]
    writer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": paths})
    assert writer.stdout is not None
    lines = iter(writer.stdout.readline, "")
    told = [next(lines, "")]  # it has connected and begins
    time.sleep(chance.uniform(0.02, 2.0))
    victim.crash(writer)
    told += list(lines)
    writer.wait()
    writer.stdout.close()
    acknowledged = [int(line.split()[1]) for line in told if line.startswith("done ") and line.endswith("\n")]
    begun = [int(line.split()[1]) for line in told if line.startswith("begin ") and line.endswith("\n")]
    return acknowledged, next((number for number in begun if number not in acknowledged), None)


def _look(url: str, state: dict[int, int], doubtful: Operation | None) -> tuple[dict[int, int], str | None]:
    """Which operation wrote each row that is there, and what is wrong with them, if anything."""
    after = dict(state)
    if doubtful is not None:
        doubtful.apply(after)
    engine = engine_at(url)
    try:
        search = engine.open(NUMBER, DIMENSION, None)
        ids, count = _when_usable(search)
        rows = search.vectors(ids) if len(ids) else np.empty((0, DIMENSION), np.float32)
        lost = [i for i in state if i in after and i not in set(ids.tolist())]
        if lost:
            return state, f"{len(lost)} acknowledged rows are lost, such as id {lost[0]}"
        found: dict[int, int] = {}
        for number, row in zip(ids.tolist(), rows, strict=True):
            versions = [table[number] for table in (after, state) if number in table]
            found[number] = next((v for v in versions if np.allclose(row, vector(number, v), atol=1e-6)), -1)
            if found[number] < 0:
                return (
                    found,
                    f"id {number} has a vector that nobody wrote there" if versions else f"id {number} is back",
                )
        if count != len(ids):
            return found, f"{count} rows for {len(ids)} ids"
        if len(ids):
            first, _ = search.search(rows[:20], 1)
            if not np.array_equal(first[:, 0], ids[:20]):
                return found, "a row does not find itself"
            several, _ = search.search(rows[:20], min(50, len(ids)))
            if any(len(np.unique(answer)) < len(answer) or -1 in answer for answer in several):
                return found, "an answer has an id twice, or has too few"
        return found, None
    finally:
        engine.close()


def _when_usable(search: VectorSearch) -> tuple[np.ndarray, int]:
    until = time.monotonic() + USABLE_SECONDS
    while True:
        try:
            return search.ids(), search.count()
        except DinosearchError:
            if time.monotonic() > until:
                raise
            time.sleep(0.5)


def _operations(seed: int, first: int) -> Iterator[Operation]:
    number = first
    while True:
        yield Operation(seed, number)
        number += 1


def write(url: str, seed: int, first: int) -> None:
    """The writer: goes on until it is killed, or what it writes to is."""
    engine = engine_at(url)
    search = engine.open(NUMBER, DIMENSION, None)
    search.count()
    for operation in _operations(seed, first):
        print(f"begin {operation.number}", flush=True)
        try:
            operation.run(search)
        except DinosearchError:
            os._exit(1)
        print(f"done {operation.number}", flush=True)


if __name__ == "__main__":
    write(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
