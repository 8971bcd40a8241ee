"""A soak: one process that changes and asks a collection for an hour, one that only asks, and somebody who watches.

Both use the bundled model with its real runtime and real decoding processes. The pictures are made here, always new
ones, and deleted again, so that the collection swings between two sizes.
"""

from __future__ import annotations

import gc
import json
import multiprocessing
import os
import queue
import random
import time
import traceback
from pathlib import Path
from typing import Any, TextIO

from bench.footprint import sizes
from dinosearch import Collection
from dinosearch.capacity import give_back_memory, keep_little_memory
from dinosearch.errors import ImageNotFoundError
from torture.live_memory import live_mebibytes, sqlite_mebibytes
from torture.readers import Told
from torture.samples import Sample, Watch
from torture.soak_state import Board, State, ask
from torture.soak_writer import Plan, Writer
from torture.verdict import Verdict

ASKS = 8
"""Asks of the writer after each change, and of the reader between two pauses."""
SETTLED_EACH = 40
"""Changes between two moments at which the collection is brought to one size and compacted: memory is compared in like
states."""
_PATIENCE = 180.0  # seconds for a process to begin, and to end
_MEMORY = ("live MiB", "resident MiB")
_TOLD = tuple(f"{name} {what}" for name in ("writer", "reader") for what in ("runs", *_MEMORY, "SQLite MiB"))
_TOLD += tuple(f"{name} settled {what}" for name in ("writer", "reader") for what in ("runs", *_MEMORY))
_TOLD += ("rarest", "files", "rows", "settled")
"""What the processes tell beside what is seen of them: changes and asks so far, memory in use and anonymous memory when
nothing was under way, both without SQLite's; all three as they were when the collection was last settled; what SQLite
holds; how often the rarest kind of change was done, live files, vectors, removed ones included, and how often it was
settled."""


def run(folder: Path, plan: Plan, verdict: Verdict, log: TextIO | None = None) -> list[Sample]:
    """Soak a home in `folder`; answers are counted into the verdict, and what was seen of memory is returned.

    Args:
        folder: an empty one.
        plan: how.
        verdict: what to count into.
        log: where samples are written as they come, as JSON lines.
    """
    spawn = multiprocessing.get_context("spawn")
    (folder / "photos").mkdir(parents=True)
    answers: Any = spawn.Queue()
    begun, ready, stop = spawn.Event(), spawn.Event(), spawn.Event()
    told = spawn.Array("d", len(_TOLD), lock=False)
    made = {
        name: spawn.Process(target=work, args=(folder, plan, begun, ready, stop, told, answers), name=name)
        for name, work in (("writer", _writing), ("reader", _reading))
    }
    samples: list[Sample] = []
    try:
        for process in made.values():
            process.start()
        until = time.monotonic() + _PATIENCE
        while not ready.wait(0.2) and time.monotonic() < until and all(p.is_alive() for p in made.values()):
            pass
        pids = {name: process.pid or 0 for name, process in made.items()}
        watch = Watch(pids, folder / "home", plan.every)
        while watch.seconds < plan.seconds and all(process.is_alive() for process in made.values()):
            new = [sample | dict(zip(_TOLD, told, strict=True)) for sample in watch.tick()]
            samples += new
            if log is not None:
                log.writelines(json.dumps(sample) + "\n" for sample in new)
                log.flush()
        stop.set()
        for _ in made:
            _count(verdict, answers.get(timeout=_PATIENCE))
    except queue.Empty:
        verdict.fail(0, "a process gave no answer")
    finally:
        for name, process in made.items():
            process.join(10)
            process.kill()
            if process.exitcode != 0:
                verdict.fail(0, f"the {name} ended with {process.exitcode}")
    return samples


def _count(verdict: Verdict, told: Told) -> None:
    for outcome, times in told.outcomes.items():
        verdict.count(outcome, times)
    for failure in told.failures:
        verdict.fail(0, failure)


def _pause(name: str, stop: Any, plan: Plan, counts: Any, began: float) -> None:
    """Rest after work, so that this process works for the wanted share of the time in the long run.

    A leak is what stays: what the C library keeps of freed memory (50 MiB or none, by chance) is given back first, and
    before that circles of Python objects that nobody refers to are freed. Python looks for those when there are a
    quarter more objects than after its last look, here every 90 changes, and frees 6 MiB then.
    """
    gc.collect()
    give_back_memory()
    counts[_TOLD.index(f"{name} SQLite MiB")] = pages = sqlite_mebibytes()
    counts[_TOLD.index(f"{name} live MiB")] = live_mebibytes() - pages
    counts[_TOLD.index(f"{name} resident MiB")] = sizes(os.getpid())[0] / 1024 - pages
    stop.wait((time.monotonic() - began) * (1 / plan.load - 1))


def _reading(folder: Path, plan: Plan, begun: Any, ready: Any, stop: Any, counts: Any, answers: Any) -> None:
    """The reading process, whose collection stays open all the time."""
    keep_little_memory()  # as `dinosearch serve --writable` does
    rng, told, board = random.Random(f"{plan.seed} reader"), Told(), Board(folder)
    leaked: list[bytes] = []
    begun.wait()
    try:
        with Collection.open(folder / "home") as collection:
            state = board.now()
            if state is not None:
                collection.query(state.paths[0])
            ready.set()
            while not stop.is_set():
                began = time.monotonic()
                for _ in range(ASKS):
                    before = board.now()
                    state = before or state
                    if state is not None:
                        _read(collection, state, before, board, rng, told)
                        counts[_TOLD.index("reader runs")] += 1
                        if plan.leak:  # even nothing, kept once a run, would be seen
                            leaked.append(b"-" * plan.leak)
                _pause("reader", stop, plan, counts, began)
    except Exception:
        told.failures.append(f"the reader: {traceback.format_exc()}")
    answers.put(told)


def _read(
    collection: Collection, state: State, before: State | None, board: Board, rng: random.Random, told: Told
) -> None:
    """Ask once; what is asked while the collection changes (`torture_readers.py` judges that) only has to answer."""
    try:
        kind, check = ask(collection, state, rng)
    except (ImageNotFoundError, IndexError):  # a file that was just taken away, a collection that is just emptied
        if before is not None and board.now() is before:
            raise
        told.outcomes["reader: asked for what is just taken away"] += 1
        return
    if before is None or board.now() is not before:
        told.outcomes["reader: during a change"] += 1
        return
    told.outcomes[f"reader: {kind}"] += 1
    problem = check()
    if problem:
        told.failures.append(f"the reader, {kind}, version {before.version}: {problem}")


def _settle(writer: Writer, stop: Any, plan: Plan, counts: Any) -> list[str]:
    """Bring the collection into the state in which memory is compared, and note that of both; what went wrong."""
    problems = writer.settle()
    for _ in range(ASKS):
        kind, check = ask(writer.collection, writer.state, writer.rng)
        if problem := check():
            problems.append(f"the writer, {kind}, settled: {problem}")
    _pause("writer", stop, plan, counts, time.monotonic())
    runs, until = counts[_TOLD.index("reader runs")], time.monotonic() + _PATIENCE
    while counts[_TOLD.index("reader runs")] < runs + 3 * ASKS:  # the reader has paused twice since
        if stop.wait(0.05) or time.monotonic() > until:
            return problems
    for name in ("writer", "reader"):
        for what in ("runs", *_MEMORY):
            counts[_TOLD.index(f"{name} settled {what}")] = counts[_TOLD.index(f"{name} {what}")]
    counts[_TOLD.index("settled")] += 1
    return problems


def _writing(folder: Path, plan: Plan, begun: Any, ready: Any, stop: Any, counts: Any, answers: Any) -> None:
    """The process that changes the collection and asks it."""
    keep_little_memory()  # as `dinosearch serve --writable` does
    told = Told()
    leaked: list[bytes] = []
    try:
        writer = Writer(folder, plan)
        told.failures += writer.change("add", plan.least)
        writer.collection.query(writer.state.paths[0])
        begun.set()
        ready.wait()
        while not stop.is_set():
            began = time.monotonic()
            kind, count = writer.chosen()
            told.failures += writer.change(kind, count)
            told.outcomes[f"writer: {kind}"] += 1
            counts[_TOLD.index("writer runs")] += 1
            counts[_TOLD.index("rarest")] = writer.rarest
            counts[_TOLD.index("files")], counts[_TOLD.index("rows")] = len(writer.state.paths), writer.rows
            if plan.leak:
                leaked.append(b"-" * plan.leak)
            for _ in range(ASKS):
                kind, check = ask(writer.collection, writer.state, writer.rng)
                told.outcomes[f"writer: asked {kind}"] += 1
                problem = check()
                if problem:
                    told.failures.append(f"the writer, {kind}, version {writer.state.version}: {problem}")
            _pause("writer", stop, plan, counts, began)
            if counts[_TOLD.index("writer runs")] % SETTLED_EACH == 1:
                told.failures += _settle(writer, stop, plan, counts)
        told.failures += writer.end()
        told.outcomes["pictures embedded"] = writer.made
    except Exception:
        told.failures.append(f"the writer: {traceback.format_exc()}")
    answers.put(told)
