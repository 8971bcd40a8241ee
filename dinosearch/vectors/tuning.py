"""Measure the index's recall on held-out exact answers, and choose how many lists a search visits.

Half of the queries are stored vectors (themselves excluded from the answer), half are moved away from one as far as its
nearest neighbour is: a user's query is not in the collection, and would be flattered by stored ones alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from dinosearch.protocols import Progress
from dinosearch.vectors.exact import rank, scan
from dinosearch.vectors.vector_file import VectorFile
from dinosearch.vectors.vector_index import VectorIndex

KS = (10, 100)
SAMPLE = 512
Z = 1.645
"""One-sided 95 % bound: the recall asked for shall hold for the collection, not only for the sample."""


@dataclass(frozen=True)
class Tuning:
    """What was measured: lists to visit and recall by k, and how many queries measured it."""

    nprobe: dict[int, int]
    recall: dict[int, float]
    sample: int


def tune(
    file: VectorFile,
    ids: np.ndarray,
    live: np.ndarray | None,
    rows: int,
    index: VectorIndex,
    widen: int,
    target: float,
    progress: Progress | None = None,
) -> Tuning:
    """Choose the fewest lists, in doubling steps, whose recall meets the target with a margin.

    Args:
        file: the vectors.
        ids: (rows_of_file,) int64 image ids by slot.
        live: (rows_of_file,) bool, or None for all.
        rows: slots below this are in the index.
        index: what is measured.
        widen: candidates taken for each hit.
        target: recall wanted, 0..1.
        progress: told about stage `measure`.
    """
    slots = np.arange(rows) if live is None else np.flatnonzero(live[:rows])
    rng = np.random.default_rng(0)
    chosen = np.sort(rng.choice(slots, min(SAMPLE, len(slots)), replace=False))
    queries, own = _queries(file, ids, live, rows, chosen, rng)
    depth = min(max(KS), len(slots) - 1)
    if depth < 1:
        return Tuning(dict.fromkeys(KS, 1), dict.fromkeys(KS, 1.0), len(chosen))
    truth = _answers(file, ids, queries, own, depth, lambda q, k: scan(file, q, k, 0, rows, live))
    nprobe: dict[int, int] = {}
    recall: dict[int, float] = {}
    allowed = None if live is None else live[:rows]
    probes = _steps(index.nlist)
    for done, lists in enumerate(probes, start=1):
        found = _answers(file, ids, queries, own, depth, partial(_visited, index, widen, lists, allowed))
        for k in KS:
            if k in nprobe:
                continue
            values = _recalls(found, truth, min(k, depth))
            mean, bound = float(values.mean()), float(values.mean() - Z * values.std() / len(values) ** 0.5)
            if min(bound, 1.0) >= target or mean == 1.0 or lists == probes[-1]:
                nprobe[k], recall[k] = lists, round(mean, 6)
        if progress is not None:
            progress("measure", done, len(probes))
        if len(nprobe) == len(KS):
            break
    return Tuning(nprobe, recall, len(chosen))


def nprobe_for(nprobe: dict[int, int], k: int, nlist: int) -> int:
    """Lists to visit for k hits: the entry of the smallest measured k that is not smaller; beyond, in proportion."""
    larger = [measured for measured in sorted(nprobe) if measured >= k]
    if larger:
        return min(nprobe[larger[0]], nlist)
    most = max(nprobe)
    return min(nlist, -(-nprobe[most] * k // most))


def _queries(
    file: VectorFile, ids: np.ndarray, live: np.ndarray | None, rows: int, chosen: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """(n, d) queries, and the slot that each must not find: its own, or -1 for a moved one."""
    queries = file.read(chosen).astype(np.float32)
    own = chosen.copy()
    moved = np.arange(0, len(chosen), 2)
    if len(chosen) > 2:
        query, slot = scan(file, queries[moved], 2, 0, rows, live)
        scores = rank(file, ids, queries[moved], 2, query, slot)[1]
        nearest = np.clip(scores[:, 1], 0.5, 1.0)[:, None].astype(np.float32)
        noise = rng.standard_normal((len(moved), queries.shape[1]), dtype=np.float32)
        noise -= (noise * queries[moved]).sum(1, keepdims=True) * queries[moved]
        noise /= np.linalg.norm(noise, axis=1, keepdims=True)
        away = nearest * queries[moved] + np.sqrt(np.maximum(0, 1 - nearest**2)) * noise
        queries[moved] = away / np.linalg.norm(away, axis=1, keepdims=True)
        own[moved] = -1
    return queries, own


def _answers(
    file: VectorFile,
    ids: np.ndarray,
    queries: np.ndarray,
    own: np.ndarray,
    depth: int,
    candidates: Callable[[np.ndarray, int], tuple[np.ndarray, np.ndarray]],
) -> np.ndarray:
    """(n, depth) float32 scores of the answers, the queries' own slots left out; -inf where there are fewer."""
    query, slot = candidates(queries, depth + 1)
    foreign = slot != own[query]
    return rank(file, ids, queries, depth, query[foreign], slot[foreign])[1]


def _recalls(found: np.ndarray, truth: np.ndarray, k: int) -> np.ndarray:
    """Recall@k of each query; equal scores count as equal answers."""
    return np.asarray((found[:, :k] >= truth[:, k - 1 : k] - 1e-6).sum(axis=1) / k)


def _visited(
    index: VectorIndex, widen: int, lists: int, allowed: np.ndarray | None, queries: np.ndarray, k: int
) -> tuple[np.ndarray, np.ndarray]:
    return index.candidates(queries, k * widen, lists, allowed)


def _steps(nlist: int) -> list[int]:
    steps, lists = [], 1
    while lists < nlist:
        steps.append(lists)
        lists = max(lists + 1, round(lists * 1.5))
    return [*steps, nlist]
