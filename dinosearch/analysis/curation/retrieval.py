"""Sample-based retrieval: each seed brings its nearest images of the pool; what any of them brings is kept."""

from __future__ import annotations

from typing import Any

import numpy as np

from dinosearch.analysis.curation.job import NONE, Job, exactly, portions
from dinosearch.analysis.curation.ledger import Step
from dinosearch.analysis.neighbours import neighbours

RETRIEVED = np.dtype([("rank", "<i4"), ("set", "<i4"), ("seed", "<i8"), ("cosine", "<f4"), ("seeds", "<i4")])
"""For each image of the pool: its best rank with any seed (0: no seed brings it), the set (from 0) and id of that seed,
the cosine with it, and how many seeds bring it."""
HITS = np.dtype([("seed", "<i8"), ("rank", "<i4"), ("id", "<i8"), ("cosine", "<f4")])


def retrieve(job: Job, left: np.ndarray, key: str) -> Step | None:
    """Let each seed bring its nearest; None without seeds, or where the method is another.

    Args:
        job: at work.
        left: (m,) int64 ids of the pool that earlier steps left, rising.
        key: what names them.
    """
    if not job.seeds or job.recipe.method == "cluster":
        return None
    ids = job.pool.ids
    step = job.ledger.step(
        "retrieved", left=key, seeds=[source.digest for source in job.seeds], per_seed=job.recipe.per_seed
    )
    if step.finished() is not None:
        return step
    job.check()
    counts: dict[str, Any] = {}
    with step.writing((len(ids),), RETRIEVED, counts) as table:
        table["set"] = table["seed"] = NONE
        table["cosine"] = -np.inf
        number, done, total = 0, 0, sum(len(source.ids) for source in job.seeds)
        for place, source in enumerate(job.seeds):
            for part in portions(len(source.ids)):
                hits = step.part(number, lambda place=place, part=part, done=done: _hits(job, place, part, left, done))  # type: ignore[misc]
                _offer(table, place, job.places(hits["id"]), hits)
                number += 1
            done += len(source.ids)
        job.tell("retrieve", total, total)
        job.check()
        counts |= {"seeds": total, "retrieved": int((table["rank"] > 0).sum())}
    return step


def _hits(job: Job, place: int, part: slice, left: np.ndarray, before: int) -> np.ndarray:
    source, total = job.seeds[place], sum(len(source.ids) for source in job.seeds)
    found = []
    for block in neighbours(
        job.pool.collection,
        job.recipe.per_seed,
        asking=source.collection,
        ids=source.ids[part],
        among=None if job.pool.where is None and len(left) == len(job.pool.ids) else left,
        exact=exactly(len(source.ids)),
        progress=lambda stage, done, _: job.tell("retrieve", before + part.start + done, total),
    ):
        row, rank = np.nonzero(block.near >= 0)
        hits = np.empty(len(row), HITS)
        hits["seed"], hits["rank"] = block.ids[row], rank + 1
        hits["id"], hits["cosine"] = block.near[row, rank], block.cosines[row, rank]
        found.append(hits)
    return np.concatenate(found)


def _offer(table: np.ndarray, number: int, places: np.ndarray, hits: np.ndarray) -> None:
    """Take better ranks, then larger cosines; those of earlier sets, and then smaller ids, win where two are alike."""
    np.add.at(table["seeds"], places, 1)
    order = np.lexsort((hits["seed"], -hits["cosine"], hits["rank"], places))
    first = order[np.unique(places[order], return_index=True)[1]]
    places, hits = places[first], hits[first]
    held = table[places]
    nearer = (hits["cosine"] > held["cosine"]) | (
        (hits["cosine"] == held["cosine"]) & (held["set"] == number) & (hits["seed"] < held["seed"])
    )
    better = (held["rank"] == 0) | (hits["rank"] < held["rank"]) | ((hits["rank"] == held["rank"]) & nearer)
    chosen = places[better]
    for name, values in (("rank", hits["rank"]), ("seed", hits["seed"]), ("cosine", hits["cosine"])):
        table[name][chosen] = values[better]
    table["set"][chosen] = number
