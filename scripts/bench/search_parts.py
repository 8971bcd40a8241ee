"""What the race of the systems does not show of ours: whether a recall asked for is kept, and filters."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import threadpoolctl

from bench.peers.ours import USUAL, Dinosearch, append
from bench.vectors import BLOCK, Source, nearest, recall, truth

K = 10
SHARES = (0.5, 0.05, 0.005, 0.0005)
KINDS = ("random", "queries inside", "queries outside")


def landing(
    source: Source, folder: Path, targets: tuple[float, ...], queries: int, cache: Path | None
) -> list[dict[str, Any]]:
    """Recall asked for, what the index says of itself, and what queries get that its tuning has not seen.

    Returns:
        A row for each target: `asked`, `own`, and the recall@10 of each kind of queries.
    """
    kinds = {kind: truth(source, queries, kind, cache) for kind in ("held-out", "perturbed")}
    if hasattr(source, "photos"):
        kinds["photos"] = truth(source, len(source.photos), "photos", cache)
    search, rows = filled(source, folder), []
    for target in targets:
        search.update_index(target)
        found = {kind: recall(search.search(q, K)[0], ids, scores) for kind, (q, ids, scores) in kinds.items()}
        rows.append({"asked": target, "own": search.generation.index.recall[K], **found})
    search.close()
    return rows


def filters(source: Source, folder: Path, queries: int, threads: int) -> list[dict[str, Any]]:
    """Filtered search against brute force over the rows that the filter leaves.

    A filter is drawn at random, or it leaves whole groups: those that the queries are of, or others.

    Returns:
        A row for each share and kind: `recall`, and for single queries with one thread and batches with several the
        microseconds a query of ours (`ours`, `ours batch`), of brute force over rows already gathered (`brute`, `brute
        batch`) and of gathering them (`gather`).
    """
    search = filled(source, folder)
    search.update_index(USUAL)
    everything = np.concatenate([rows for _, rows in source.chunks()])
    groups, rng, lines = source.groups(), np.random.default_rng(7), []
    for share in SHARES:
        for kind in KINDS:
            allowed, members = _filter(groups, share, kind, queries, rng)
            asked = source.moved(everything[members])
            started = time.perf_counter()
            subset = everything[allowed]
            gather = time.perf_counter() - started
            parts = ((allowed[low : low + BLOCK], subset[low : low + BLOCK]) for low in range(0, len(subset), BLOCK))
            ids, scores = nearest(parts, asked)
            line = {"share": share, "kind": kind, "rows": len(allowed), "gather": 1e6 * gather}
            line["recall"] = recall(search.search(asked, K, allowed=allowed)[0], ids, scores)
            methods: dict[str, Callable[[np.ndarray], object]] = {
                "ours": partial(search.search, k=K, allowed=allowed),
                "brute": partial(_brute, subset),
            }
            with threadpoolctl.threadpool_limits(1):
                line.update(_times(methods, [asked[i : i + 1] for i in range(min(50, len(asked)))]))
            with threadpoolctl.threadpool_limits(threads):
                batches = _times(methods, [asked[:100]] * 3)
            line.update({f"{name} batch": value / len(asked[:100]) for name, value in batches.items()})
            lines.append(line)
    search.close()
    return lines


def filled(source: Source, folder: Path) -> Any:
    """A `LocalVectorSearch` of all the rows of a source, without an index."""
    ours = Dinosearch()
    ours.prepare()
    folder.mkdir(parents=True, exist_ok=True)
    search = ours.create(folder, source.dimension)
    for low, rows in source.chunks():
        append(search, np.arange(low, low + len(rows)), rows)
    return search


def _filter(
    groups: np.ndarray, share: float, kind: str, queries: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """(m,) ids that a filter leaves, and (queries,) rows that queries are moved from."""
    wanted = max(K, int(share * len(groups)))
    if kind == "random":
        allowed = np.sort(rng.choice(len(groups), wanted, replace=False))
        return allowed, rng.integers(0, len(groups), queries)
    place = rng.permutation(groups.max() + 1)  # whole groups in a random order
    order = np.argsort(place[groups], kind="stable")
    if kind == "queries inside":
        return np.sort(order[:wanted]), rng.choice(order[:wanted], queries)
    last = place[groups[order[wanted - 1]]]
    outside = np.flatnonzero(place[groups] > last)
    return np.sort(order[:wanted]), rng.choice(outside if len(outside) else order, queries)


def _brute(subset: np.ndarray, queries: np.ndarray) -> np.ndarray:
    """(q, K) places of the best rows, in order."""
    scores = queries @ subset.T
    k = min(K, scores.shape[1])
    best = np.argpartition(scores, -k, axis=1)[:, -k:]
    order = np.argsort(-np.take_along_axis(scores, best, axis=1), axis=1)
    return np.take_along_axis(best, order, axis=1)


def _times(methods: dict[str, Callable[[np.ndarray], object]], asked: list[np.ndarray]) -> dict[str, float]:
    """Median microseconds of a call of each method, which take turns."""
    times: dict[str, list[float]] = {name: [] for name in methods}
    for number, queries in enumerate([asked[0], *asked]):
        for name, method in methods.items():
            started = time.perf_counter()
            method(queries)
            if number:  # the first is for warming up
                times[name].append(time.perf_counter() - started)
    return {name: 1e6 * float(np.median(column)) for name, column in times.items()}
