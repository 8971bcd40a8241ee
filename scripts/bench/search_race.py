"""Build every system, then let them answer in turns; what was measured, as JSON-ready figures."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.peers import FLAT_ROWS, OURS, PEERS, YARDSTICK
from bench.peers.ours import TARGETS
from bench.peers.worker import Child, FailedError, K
from bench.vectors import Source, recall, truth

LEAST, ENOUGH, GAIN = 0.85, 0.9985, 1e-4
"""Settings below the first recall are of no use to anyone; the first one above the second is the last one timed, as is
one after which a peer gains less than the third."""
ANSWER_SECONDS = 8.0
HELD_QUERIES = 200
"""Queries asked one by one before the memory is read."""
FLOORS = (0.98, 0.995)


@dataclass(frozen=True)
class Options:
    """How much is measured.

    Attributes:
        systems: names of `PEERS`.
        targets: recalls that our index is asked for.
        queries: of the race.
        rounds: in which every system has its turn.
        seconds: of each measurement in a round.
        threads: of the batches with several.
        limit: seconds that a build may take.
        cache: folder for exact answers and for builds of the peers, which are used again.
    """

    systems: tuple[str, ...] = tuple(PEERS)
    targets: tuple[float, ...] = TARGETS
    queries: int = 1000
    rounds: int = 3
    seconds: float = 0.4
    threads: int = 4
    limit: float = 240
    cache: Path | None = None


def race(source: Source, options: Options, say: Any = print) -> dict[str, Any]:
    """Measure the systems on one source.

    Returns:
        `systems`: name -> `reason` it has no figures, or its `build`, `memory` and `settings`, each with `setting`,
        `recall`, `p50`, `p99` (milliseconds), `qps1` and `qps` (queries a second with one and with several threads).
    """
    queries, ids, scores = truth(source, options.queries, cache=options.cache)
    result: dict[str, Any] = {"source": source.name, "n": source.n, "threads": options.threads, "systems": {}}
    with ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=options.cache)))
        open_children: dict[str, Child] = {}
        for name in options.systems:
            if PEERS[name].settings == (1,) and source.n > FLAT_ROWS:
                continue
            try:
                folder, build = built(name, source, options, work)
                say(f"{name}: built in {build['seconds']:.1f} s")
                child = stack.enter_context(Child(name, options.limit))
                child.call("prepare")
                held = child.call("open", folder, source.n, source.dimension, queries[:HELD_QUERIES])
                settings = recalls(child, name, queries, ids, scores, options)
            except FailedError as error:
                result["systems"][name] = {"reason": str(error)}
                say(f"{name}: {error}")
                continue
            open_children[name] = child
            result["systems"][name] = {"build": build, "memory": held, "settings": settings}
            say(f"{name}: " + ", ".join(f"{row['setting']:g} {row['recall']:.4f}" for row in settings))
        for number in range(options.rounds):
            say(f"round {number + 1} of {options.rounds}")
            for name, child in list(open_children.items()):
                try:
                    _round(child, result["systems"][name]["settings"], queries, options)
                except FailedError as error:
                    result["systems"][name] = {"reason": str(error)}
                    del open_children[name]
    for system in result["systems"].values():
        for row in system.get("settings", ()):
            times = row.pop("ms")
            row.update(p50=float(np.median(times)), p99=float(np.percentile(times, 99)))
            row.update({rate: float(np.median(row[rate])) for rate in ("qps1", "qps")})
    return result


def built(name: str, source: Source, options: Options, work: Path) -> tuple[Path, dict[str, Any]]:
    """The folder of a built system and what building took; a peer's build is kept in the cache."""
    kept = options.cache is not None and PEERS[name].kept
    folder = (options.cache if kept and options.cache else work) / "built" / source.key / name.replace(" ", "-")
    note = folder.with_suffix(".json")
    if kept and note.is_file():
        known: dict[str, Any] = json.loads(note.read_text(encoding="utf-8"))
        if "reason" not in known:
            return folder, known
        if known["limit"] >= options.limit:
            raise FailedError(known["reason"])
    try:
        with Child(name, options.limit) as child:
            child.call("prepare")
            build: dict[str, Any] = child.call("build", source.name, source.n, source.seed, folder)
            child.call("finish", folder, settings_of(name, options), limit=3 * options.limit)
    except FailedError as error:
        shutil.rmtree(folder, ignore_errors=True)
        if kept and "took more" in str(error):  # it would again
            note.parent.mkdir(parents=True, exist_ok=True)
            note.write_text(json.dumps({"reason": str(error), "limit": options.limit}), encoding="utf-8")
        raise
    note.write_text(json.dumps(build), encoding="utf-8")
    return folder, build


def recalls(
    child: Child, name: str, queries: np.ndarray, ids: np.ndarray, scores: np.ndarray, options: Options
) -> list[dict[str, Any]]:
    """The settings worth timing, each with its recall."""
    rows: list[dict[str, Any]] = []
    for setting in settings_of(name, options):
        found = child.call("answers", setting, queries, options.threads, ANSWER_SECONDS)
        value = recall(found, ids[: len(found)], scores[: len(found)], K)
        if rows and rows[-1]["recall"] < LEAST:
            rows.pop()
        elif rows and name != OURS and value - rows[-1]["recall"] < GAIN:
            break
        rows.append({"setting": setting, "recall": value, "ms": [], "qps1": [], "qps": []})
        if value >= ENOUGH and name != OURS:
            break
    return rows


def settings_of(name: str, options: Options) -> Sequence[float]:
    """What the knob of a system is set to."""
    return options.targets if name == OURS else PEERS[name].settings


def best(system: dict[str, Any], floor: float) -> dict[str, Any] | None:
    """The setting with most queries a second among those that reach the recall; None where none does."""
    rows = [row for row in system.get("settings", ()) if row["recall"] >= floor]
    return max(rows, key=lambda row: row["qps"], default=None)


def verdicts(result: dict[str, Any]) -> list[str]:
    """Ours against the yardstick and against the best peer at each floor of recall, in sentences."""
    lines = []
    for floor in FLOORS:
        found = {name: best(system, floor) for name, system in result["systems"].items()}
        rows = {name: row for name, row in found.items() if row is not None}
        if OURS not in rows:
            lines.append(f"recall@10 >= {floor}: {OURS} does not reach it")
            continue
        ours = rows.pop(OURS)
        first = max(rows, key=lambda name: rows[name]["qps"], default=None)
        line = f"recall@10 >= {floor}: {OURS} {ours['qps']:,.0f} QPS at {ours['recall']:.4f}"
        for name in dict.fromkeys((YARDSTICK, first)):
            if name in rows:
                row, title = rows[name], f"the best peer, {name}," if name == first else name
                line += f"; {title} {row['qps']:,.0f} at {row['recall']:.4f}: {ours['qps'] / row['qps']:.2f} times"
        lines.append(line)
    return lines


def _round(child: Child, settings: list[dict[str, Any]], queries: np.ndarray, options: Options) -> None:
    for row in settings:
        measured = child.call("measure", row["setting"], queries, options.threads, options.seconds)
        row["ms"] += measured["ms"]
        row["qps1"].append(measured["qps1"])
        row["qps"].append(measured["qps"])
