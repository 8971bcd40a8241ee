"""Collections of the same vectors in a folder and on engines: filled by the front door, asked by it, and measured.

What a collection is given is an export folder, as `transfer.write_vectors` of `dinosearch.collection.keeping` writes
it; what it answers comes from `Collection.rank`, so that what is timed is what a program that uses dinosearch waits
for.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bench.vectors import Source, nearest, recall, truth
from dinosearch import Collection
from dinosearch.collection.keeping.transfer import write_vectors
from dinosearch.records import Fingerprint

K = 10
EXACT_QUERIES = 20
FILTER_SHARE = 0.05


@dataclass
class Stages:
    """Seconds of each stage of an import, as its progress tells them."""

    seconds: dict[str, float] = field(default_factory=dict)
    _now: tuple[str, float] | None = None

    def __call__(self, stage: str, done: int, total: int | None) -> None:
        moment = time.monotonic()
        if self._now is not None:
            self.seconds[self._now[0]] = self.seconds.get(self._now[0], 0.0) + moment - self._now[1]
        self._now = (stage, moment)


def exported(source: Source, folder: Path) -> Path:
    """An export folder with all vectors of the source, made where it is not yet there."""
    made = folder / f"export-{source.key}"
    if not (made / "manifest.json").is_file():
        shutil.rmtree(made, ignore_errors=True)
        rows = np.concatenate([rows for _, rows in source.chunks()])
        paths = [f"/nowhere/{number // 1000}/{number}.jpg" for number in range(source.n)]
        fingerprint = Fingerprint("dinov2_vits14", "0" * 64, "squash-224", "cls", source.dimension)
        write_vectors(made, fingerprint, paths, rows)
    return made


def loaded(url: str, metadata: str | None, export: Path, vectors: int, target: float) -> dict[str, Any]:
    """Import into a new collection, or go on with one that an earlier call left half full.

    Returns:
        `load`, `index` (seconds), `rate` (vectors a second of the load), `bytes`, `images` and `built`.
    """
    stages, began = Stages(), time.monotonic()
    with Collection.open(url, metadata=metadata, create=True) as collection:
        before = collection.info().images
        collection.import_(export, recall=target, progress=stages)
        seconds = time.monotonic() - began
        stages("", 0, None)
        index = stages.seconds.get("build", 0.0) + stages.seconds.get("measure", 0.0)
        found = collection.info()
    added = vectors - before
    return {
        "load": seconds - index,
        "index": index,
        "rate": added / (seconds - index),
        "added": added,
        "bytes": found.bytes,
        "images": found.images,
        "built": described(found),
    }


def described(found: Any) -> str:
    """The index that a collection says it has."""
    if found.built is None:
        return found.index.type if found.index else "none"
    parameters = ", ".join(f"{name} {value}" for name, value in found.built.parameters.items())
    return f"{found.built.type} ({parameters})"


@dataclass(frozen=True)
class Asked:
    """Queries with their exact answers, over image ids.

    Attributes:
        queries: (q, dimension) float32.
        ids: (q, depth) exact answers, by image id.
        scores: (q, depth) their scores.
        where: a filter.
        kept: (q, depth) exact answers that the filter leaves, and their scores.
    """

    queries: np.ndarray
    ids: np.ndarray
    scores: np.ndarray
    where: str
    kept: tuple[np.ndarray, np.ndarray]


def asked(source: Source, count: int, cache: Path | None) -> Asked:
    """The queries of a source; row i of it is image i + 1."""
    queries, ids, scores = truth(source, count, cache=cache)
    last = int(FILTER_SHARE * source.n)
    rows = np.concatenate([rows for low, rows in source.chunks() if low < last])[:last]
    kept = nearest([(np.arange(1, last + 1), rows)], queries)
    return Asked(queries, np.where(ids >= 0, ids + 1, -1), scores, f"id <= {last}", kept)


def check_ids(collection: Collection, count: int) -> None:
    """That image i + 1 is row i of the source, as the exact answers take for granted.

    Raises:
        RuntimeError: it is not so; the collection was filled with something else.
    """
    if not np.array_equal(collection.ids(), np.arange(1, count + 1)):
        raise RuntimeError("the collection does not hold these vectors alone; name another one, or drop it")


def compared(collection: Collection, given: Asked) -> dict[str, float]:
    """Recall by the index, and whether exact search is brute force.

    Returns:
        `recall`, `exact` (recall of exact search), `apart` (its largest gap of scores), `filtered` (recall with a
        filter).
    """
    found = np.concatenate([collection.rank(query[None], K)[0] for query in given.queries])
    few = given.queries[:EXACT_QUERIES]
    ids, scores = collection.rank(few, K, exact=True)
    within = np.concatenate([collection.rank(query[None], K, where=given.where)[0] for query in few])
    return {
        "recall": recall(found, given.ids, given.scores, K),
        "exact": recall(ids, given.ids[: len(few)], given.scores[: len(few)], K),
        "apart": float(np.abs(scores - given.scores[: len(few), :K]).max()),
        "filtered": recall(within, given.kept[0][: len(few)], given.kept[1][: len(few)], K),
    }


def timed(collection: Collection, queries: np.ndarray, seconds: float, where: str | None = None) -> list[float]:
    """Milliseconds of queries asked one after the other for so long."""
    times, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end:
        query = queries[len(times) % len(queries)][None]
        began = time.perf_counter()
        collection.rank(query, K, where=where)
        times.append(1000 * (time.perf_counter() - began))
    return times


def bare(collection: Collection, queries: np.ndarray, seconds: float) -> list[float]:
    """Milliseconds of what pgvector's manual asks, sent by its driver and nothing else: the floor of a query there."""
    search = collection._opened.search()._rows  # type: ignore[union-attr]
    half = f"halfvec({search.dimension})"
    statement = f"SELECT id FROM {search.table} ORDER BY (embedding::{half}) <#> %s::{half} LIMIT {K}"
    texts = [str(query.tolist()) for query in queries]
    times, end = [], time.perf_counter() + seconds
    with search.engine.cursor(reads=True) as cursor:
        while time.perf_counter() < end:
            began = time.perf_counter()
            cursor.execute(statement, (texts[len(times) % len(texts)],)).fetchall()
            times.append(1000 * (time.perf_counter() - began))
    return times


Ask = Callable[[Collection, np.ndarray], object]
ASKS: dict[str, Ask] = {
    "rank": lambda collection, query: collection.rank(query, K),
    "hits": lambda collection, query: collection.search_vectors(query, K),
    "hits, balanced": lambda collection, query: collection.search_vectors(query, K, rerank="balanced"),
}
"""Kinds of questions: ids and scores; these with their files; after re-ranking, as `query` asks by default."""


def rate(collection: Collection, queries: np.ndarray, seconds: float, threads: int, ask: Ask = ASKS["rank"]) -> float:
    """Queries a second of so many callers, each with one query at a time."""
    end, counts = time.perf_counter() + seconds, [0] * threads
    barrier = threading.Barrier(threads)

    def call(number: int) -> None:
        barrier.wait()
        while time.perf_counter() < end:
            ask(collection, queries[(number + threads * counts[number]) % len(queries)][None])
            counts[number] += 1

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(call, range(threads)))
    return sum(counts) / seconds


@contextmanager
def opened(url: str, metadata: str | None) -> Iterator[Collection]:
    """The collection, for asking."""
    with Collection.open(url, metadata=metadata, read_only=True) as collection:
        yield collection
