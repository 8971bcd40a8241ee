"""What changes of a collection cost and do to its recall: rows added and removed, opened again, and 30 % exchanged."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bench.peers.ours import USUAL, Dinosearch, append
from bench.search_parts import K, filled
from bench.vectors import UNSEEN, Source, nearest, recall, truth
from dinosearch.vectors import compacted

CHANGED = 10_000
CHURN, RUNS = 0.3, 6
"""Share of the rows that is exchanged, and the index runs that it takes: each ends with `update_index`, as in use."""
STEP = 10_000


def churn(source: Source, folder: Path, queries: int, cache: Path | None) -> list[dict[str, Any]]:
    """The price of small changes, then rows exchanged for others of the same kind and for those of another collection.

    Returns:
        Steps in order: `step`, `seconds`, and `recall`@10 where it was measured, `trained` where the lists are of.
    """
    asked, ids, scores = truth(source, queries, cache=cache)
    home = Exchange(source, folder / "small")
    steps = [home.step("build", home.update)]
    steps[-1].update(recall=recall(home.search.search(asked, K)[0], ids, scores), trained=home.trained)
    few = min(CHANGED, source.n // 10)
    new = source.rows(0, few, UNSEEN)
    steps.append(home.step(f"add {few:,}", lambda: home.add(new)))
    steps.append(home.step("first search after it", lambda: home.search.search(asked[:1], K)))
    found = home.search.search(new[:50], 1)[0][:, 0]
    steps[-1]["recall"] = float((found == source.n + np.arange(len(found))).mean())  # of what was just added
    steps.append(home.step(f"remove {few:,}", lambda: home.remove(few)))
    steps.append(home.step("first search after it", lambda: home.search.search(asked[:1], K)))
    steps.append(home.step("open", home.reopen))
    steps.append(home.step("first search after it", lambda: home.search.search(asked[:1], K)))
    home.search.close()
    count = int(CHURN * source.n)
    same = source.rows(0, count, UNSEEN), asked[::2]
    stranger = type(source)(max(count, 1), seed=1)
    other = np.concatenate([rows for _, rows in stranger.chunks()]), stranger.queries(len(asked[::2]))
    for kind, (rows, inside), runs in (
        ("of the same kind", same, RUNS),
        ("of another collection", other, RUNS),
        ("of another collection", other, 1),
    ):
        home = Exchange(source, folder / f"{len(steps)}")
        home.update()
        mixed = np.concatenate([asked[::2], inside])
        for run, part in enumerate(np.array_split(rows, runs), start=1):
            share = (
                f"{100 * CHURN * run / runs:.0f} % exchanged for rows {kind}, {'run by run' if runs > 1 else 'at once'}"
            )
            home.add(part)
            home.remove(len(part))
            if runs == 1:
                steps.append(home.measured(f"{share}, before the run ends", lambda: None, mixed))
            steps.append(home.measured(share, home.update, mixed))
        steps.append(home.measured("compacted", home.compact, mixed))
        home.search.close()
    return steps


class Exchange:
    """A home whose rows are exchanged for others, with what is live in it known outside.

    Args:
        source: the rows that it begins with.
        folder: where it lies.
    """

    def __init__(self, source: Source, folder: Path) -> None:
        self.search = filled(source, folder)
        self._source, self._folder = source, folder
        self._order = np.random.default_rng(3).permutation(source.n)  # in which the first rows go
        self._gone = 0
        self._new = np.empty((0, source.dimension), np.float32)

    @property
    def trained(self) -> int:
        return int(self.search.generation.index.trained_on)

    def add(self, rows: np.ndarray) -> None:
        first = self._source.n + len(self._new)
        for low in range(0, len(rows), STEP):
            part = rows[low : low + STEP]
            append(self.search, np.arange(first + low, first + low + len(part)), part)
        self._new = np.concatenate([self._new, rows])

    def remove(self, count: int) -> None:
        self._gone += count
        self.search.set_removed(np.sort(self._order[: self._gone]))

    def update(self) -> None:
        self.search.update_index(USUAL)

    def reopen(self) -> None:
        generation, ours = self.search.generation, Dinosearch()
        self.search.close()
        ours.prepare()
        self.search = ours.at(self._folder, generation)
        self.search.set_removed(np.sort(self._order[: self._gone]))

    def compact(self) -> None:
        ours = Dinosearch()
        ours.prepare()
        living = np.setdiff1d(np.arange(self._source.n + len(self._new)), self._order[: self._gone])
        fresh = compacted(self.search, self._folder / "vectors-2", 2, living, USUAL)
        self.search.close()
        self.search = ours.at(self._folder, fresh, "vectors-2")

    def step(self, name: str, action: Callable[[], object]) -> dict[str, Any]:
        started = time.perf_counter()
        action()
        return {"step": name, "seconds": time.perf_counter() - started}

    def measured(self, name: str, action: Callable[[], object], asked: np.ndarray) -> dict[str, Any]:
        """A step with the recall that queries get after it."""
        line = self.step(name, action)
        ids, scores = nearest(self._living(), asked)
        return line | {"recall": recall(self.search.search(asked, K)[0], ids, scores), "trained": self.trained}

    def _living(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        alive = np.ones(self._source.n, bool)
        alive[self._order[: self._gone]] = False
        for low, rows in self._source.chunks():
            kept = np.flatnonzero(alive[low : low + len(rows)])
            yield low + kept, rows[kept]
        yield self._source.n + np.arange(len(self._new)), self._new
