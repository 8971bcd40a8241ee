"""Memory, descriptors, threads and files of running processes over time, and whether they stay as they are."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.charts import Axis, Panel, draw
from bench.footprint import family, sizes
from torture.verdict import Verdict

WARM_UP = 10
"""Times that every kind of change is done before memory is judged: models, caches and arenas are filled by then."""
SURE = 2.0
"""Standard errors from which a slope is told from another one."""
MOST_SHARE = 0.02
"""Of memory that may surely be gained in an hour."""
LEAK, LEAK_SHARE = 10 / 1024, 0.05
"""MiB of every run, of memory in use, and share in an hour, of any memory, that have to be ruled out: noise is no
pass."""
LEAST_SETTLED = 10
"""Like states of the collection that are needed to judge memory."""
MORE_PAGES = 2.0
"""MiB that SQLite may hold more at its least, when a collection has just been opened."""
SPARE = 2
"""Descriptors, threads or files that may be more in the end than in the warm-up."""
MORE_MAPPINGS = 0.2
"""Share of the mappings of memory that may be more in the end: they come and go, and a process may have 65,530."""
_TICKS = 10  # looks in each sample
_POINTS = 60  # of a line in the picture, each the median of what lies around

Sample = dict[str, float]
"""`seconds` since the start, and the most that was seen since the sample before, but for what is called `least`."""


@dataclass(frozen=True)
class Trend:
    """A line through memory over runs.

    Attributes:
        slope: MiB a run.
        error: its standard error.
        level: MiB, the median.
        hourly: runs in an hour.
    """

    slope: float
    error: float
    level: float
    hourly: float

    @property
    def steady(self) -> bool:
        """It does not surely grow by more than a little, and much is ruled out."""
        share = self.hourly / self.level
        grows = self.slope * share >= MOST_SHARE and self.slope >= SURE * self.error
        return not grows and (self.slope + SURE * self.error) * share < LEAK_SHARE

    @property
    def leaks(self) -> bool:
        """A leak is not ruled out."""
        return self.slope + SURE * self.error >= LEAK

    def __str__(self) -> str:
        hour = self.slope * self.hourly
        return (
            f"{self.level:.1f} MiB, {1024 * self.slope:+.3f} ± {1024 * self.error:.3f} KiB a run, "
            f"{hour:+.2f} ± {self.error * self.hourly:.2f} MiB an hour ({hour / self.level:+.1%})"
        )


def trend(
    seconds: Sequence[float] | np.ndarray,
    mebibytes: Sequence[float] | np.ndarray,
    runs: Sequence[float] | np.ndarray,
    sizes: Sequence[Sequence[float]] | np.ndarray = (),
) -> Trend:
    """The least-squares line of memory over runs, beside what follows the size of the collection where it swings.

    Neighbouring samples are alike, so that they count for fewer: the standard error is that of as many independent
    ones as their autocorrelation leaves.

    Args:
        seconds: (n,) moments of the samples.
        mebibytes: (n,) memory.
        runs: (n,) done so far.
        sizes: (m, n) of the collection: files, and vectors, which are more where images were removed; none where it is
            the same in all samples.
    """
    times, values, done = (np.asarray(series, float) for series in (seconds, mebibytes, runs))
    beside = np.stack([np.ones(len(values)), *np.asarray(sizes, float)], axis=1)
    away, left = _without(done, beside), _without(values, beside)
    slope = float(away @ left / (away @ away))
    rest = left - slope * away
    total = float(rest @ rest)
    alike = min(max(float(rest[1:] @ rest[:-1]) / total, 0.0), 0.95) if total > 0 else 0.0
    error = (total / (len(values) - beside.shape[1] - 1) / float(away @ away) * (1 + alike) / (1 - alike)) ** 0.5
    return Trend(slope, error, float(np.median(values)), float(done[-1] - done[0]) / float(times[-1] - times[0]) * 3600)


def _without(values: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """What is left of values beside their best sum of the columns."""
    rest: np.ndarray = values - columns @ np.linalg.lstsq(columns, values, rcond=None)[0]
    return rest


def flat(most: Sequence[float] | np.ndarray, warm_up: int) -> bool:
    """Whether the most that is counted is not higher in the end than in the warm-up, but for `SPARE`.

    By medians: processes that start at the same moment have more descriptors for a moment.
    """
    return bool(np.median(most[(warm_up + len(most)) // 2 :]) <= np.median(most[:warm_up]) + SPARE)


def kept(least: Sequence[float] | np.ndarray, warm_up: int) -> tuple[float, float]:
    """What is there when nothing is under way: in the warm-up, and in the last half of the time after it."""
    return float(np.median(least[:warm_up])), float(np.min(least[(warm_up + len(least)) // 2 :]))


class Watch:
    """Looks at processes and a folder.

    Args:
        pids: processes by name.
        home: folder whose files are counted.
        every: seconds between two samples; it looks `_TICKS` times as often.
    """

    def __init__(self, pids: Mapping[str, int], home: Path, every: float) -> None:
        self._pids, self._home, self._every = pids, home, every
        self._began = self._sampled = time.monotonic()
        self._seen: list[Sample] = []

    @property
    def seconds(self) -> float:
        """Since the start."""
        return time.monotonic() - self._began

    def tick(self) -> list[Sample]:
        """Wait, look, and give the sample that has become whole, if one has."""
        time.sleep(self._every / _TICKS)
        self._seen.append({key: value for name, pid in self._pids.items() for key, value in _look(name, pid)})
        files = _sizes(self._home)
        self._seen[-1] |= {"home files": len(files), "home MiB": sum(files) / 2**20}
        if time.monotonic() - self._sampled < self._every:
            return []
        seen, self._seen, self._sampled = self._seen, [], time.monotonic()
        sample: Sample = {"seconds": self.seconds}
        for key in seen[0]:
            sample[key] = (min if " least " in key else max)(look.get(key, 0.0) for look in seen)
        return [sample]


def _look(name: str, pid: int) -> Iterable[tuple[str, float]]:
    """What one process has, and its children together."""
    children = [sizes(child)[0] / 1024 for child in family(pid)[1:]]
    own = sizes(pid)[0] / 1024
    for counted, folder in (("descriptors", "fd"), ("threads", "task")):
        with suppress(OSError):  # it has just ended
            count = len(os.listdir(f"/proc/{pid}/{folder}"))
            yield f"{name} {counted}", count
            yield f"{name} least {counted}", count
    with suppress(OSError), open(f"/proc/{pid}/maps", "rb") as file:
        yield f"{name} mappings", sum(1 for _ in file)
    yield f"{name} most MiB", own
    yield f"{name} decoders", len(children)
    yield f"{name} decoders most MiB", sum(children)
    yield f"{name} decoder least MiB", children[0] if children else 0.0  # the oldest; those of index runs come and go


def _sizes(folder: Path) -> list[int]:
    """Bytes of each file; those that vanish meanwhile are left out."""
    found = []
    for name in os.listdir(folder):
        with suppress(OSError):
            found.append((folder / name).stat().st_size)
    return found


def judge(samples: Sequence[Sample], verdict: Verdict, *, long: bool = True) -> None:
    """Count or fail each thing that was watched.

    Args:
        samples: in order of time.
        verdict: what to count into.
        long: begin when all is warm, and look at memory and at the most of everything too; else look at what is kept in
            the second half of some seconds.
    """
    warm = [place for place, sample in enumerate(samples) if sample["rarest"] >= WARM_UP] if long else []
    first = max(1, warm[0]) if warm else len(samples) if long else len(samples) // 2
    if first < 1 or len(samples) - first < (10 if long else 1):
        verdict.fail(0, f"{len(samples)} samples, {first} of them of the warm-up, are too few to judge")
        return
    of = {key: np.array([sample.get(key, 0.0) for sample in samples]) for key in samples[0]}
    if long:
        verdict.figure("minutes judged", round((of["seconds"][-1] - of["seconds"][first]) / 60, 1))
    for key, values in of.items():
        if key.endswith(("least descriptors", "least threads")):
            before, after = kept(values, first)
            reason = f"{key}: {before:.0f} in the warm-up, {after:.0f} in the end"
            _tell(verdict, f"{key} flat", after <= before + SPARE, reason)
        elif key.endswith(("descriptors", "threads", "home files", "decoders")) and long:
            before, after = values[:first].max(), values[first:].max()
            told = f"{before:.0f}, {after:.0f}"
            verdict.figure(f"largest number of {key} in and after the warm-up", told)
            _tell(verdict, f"{key} flat", flat(values, first), f"{key} grow: at most {told} in and after the warm-up")
        elif key.endswith("mappings") and long:
            before, after = np.median(values[:first]), np.median(values[(first + len(values)) // 2 :])
            told = f"{before:.0f} in the warm-up, {after:.0f} in the end"
            verdict.figure(key, told)
            _tell(verdict, f"{key} flat", bool(after <= (1 + MORE_MAPPINGS) * before), f"{key}: {told}")
        elif key.endswith("most MiB") or key == "home MiB":
            verdict.figure(f"largest {key.replace(' most', '')}", round(float(values.max()), 1))
        elif long and key.endswith("SQLite MiB"):
            before, after = (float(part[part > 0].min(initial=np.inf)) for part in np.split(values, [first]))
            told = f"{before:.1f} to {values[:first].max():.1f}, {after:.1f} to {values[first:].max():.1f}"
            verdict.figure(f"{key} in and after the warm-up", told)
            _tell(
                verdict, f"{key} flat", after <= before + MORE_PAGES, f"{key}: at least {before:.1f}, then {after:.1f}"
            )
        elif long and key.endswith("least MiB") and np.median(values[first:]) > 0:
            there = first + np.flatnonzero(values[first:])  # a decoder may be missing
            sizes = np.stack([of["files"][there], of["rows"][there]])
            found = trend(of["seconds"][there], values[there], of[f"{key.split()[0]} runs"][there], sizes)
            _judge_memory(verdict, f"memory of the {key.rsplit(' ', 2)[0]}", found)
        elif long and "settled" in key and key.endswith("MiB") and np.any(values):
            there = first + np.flatnonzero(np.diff(of["settled"][first - 1 :]))
            if len(there) < LEAST_SETTLED:
                verdict.fail(0, f"{key}: the collection was settled {len(there)} times, too few to judge")
                continue
            name = key.split()[0]
            found = trend(of["seconds"][there], values[there], of[f"{name} settled runs"][there])
            live = key.endswith("live MiB")
            _judge_memory(verdict, f"memory {'in use ' if live else ''}of the {name}", found, live and found.leaks)
    if long:
        verdict.figure("times settled", int(of["settled"][-1]) if "settled" in of else 0)


def _judge_memory(verdict: Verdict, what: str, found: Trend, leaks: bool = False) -> None:
    verdict.figure(what, str(found))
    _tell(verdict, f"{what} flat", found.steady and not leaks, f"{what}: {found}")


def _tell(verdict: Verdict, what: str, well: bool, reason: str) -> None:
    if well:
        verdict.count(what)
    else:
        verdict.fail(0, reason)


def draw_samples(samples: Sequence[Sample], file: Path) -> None:
    """A picture of memory and counts over time: PNG."""
    parts = np.array_split(np.arange(len(samples)), min(len(samples), _POINTS))

    def points(key: str) -> list[float]:
        return [float(np.median([samples[place].get(key, 0.0) for place in part])) for part in parts]

    minutes = [seconds / 60 for seconds in points("seconds")]

    def panel(title: str, unit: str, names: Mapping[str, str]) -> Panel:
        lines = {name: list(zip(minutes, points(key), strict=True)) for name, key in names.items()}
        top = 1.1 * max(max(value for _, value in line) for line in lines.values()) or 1.0
        return Panel(title, _axis("minutes", minutes[-1]), _axis(unit, top), lines)

    both = ("writer", "reader")
    draw(
        file,
        [
            panel("Anonymous memory, nothing under way", "MiB", {name: f"{name} resident MiB" for name in both}),
            panel("Anonymous memory of the decoders", "MiB", {name: f"{name} decoders most MiB" for name in both}),
            panel("Open descriptors", "", {name: f"{name} descriptors" for name in both}),
            panel("Threads", "", {name: f"{name} threads" for name in both}),
            panel("Files of the home", "", {"home": "home files"}),
            panel("Size of the home", "MiB", {"home": "home MiB"}),
        ],
    )


def _axis(title: str, high: float) -> Axis:
    step = 10.0 ** math.floor(math.log10(high))
    step *= next(part for part in (0.1, 0.2, 0.5, 1, 2) if high / (step * part) <= 7)
    ticks = [(step * number, f"{step * number:g}") for number in range(int(high / step) + 1)]
    return Axis(title, float, ticks, 0.0, high)
