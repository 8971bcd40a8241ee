"""Cluster-based sampling: k-means of the pool, seeds go to its clusters, and those with several seeds are sampled."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from dinosearch.analysis.centres import ROUNDS, improved, nearest, sample_size
from dinosearch.analysis.curation.job import NONE, Job, mixed, portions
from dinosearch.analysis.curation.ledger import Step
from dinosearch.analysis.neighbours import BLOCK
from dinosearch.collection import Collection

_SAMPLE, _PLACE = 1, 2  # purposes of chance
_LEAST = 10  # images of a cluster, on average, where nobody says how many clusters


@dataclass(frozen=True)
class Clusters:
    """What cluster-based sampling found.

    Attributes:
        centres: step of the (k, d) float32 centres.
        of: step of the (n,) int32 cluster of each image of the pool, -1 where an earlier step dropped it.
        seeds: step of the (k,) int64 numbers of seeds in each cluster.
    """

    centres: Step
    of: Step
    seeds: Step


def cluster(job: Job, left: np.ndarray, key: str) -> Clusters | None:
    """Cluster what earlier steps left; None without seeds, or where the method is another.

    Args:
        job: at work.
        left: (m,) int64 ids of the pool that earlier steps left, rising.
        key: what names them.
    """
    if not job.seeds or job.recipe.method == "sample" or not len(left):
        return None
    centres = _centres(job, left, key)
    return Clusters(centres, _assigned(job, left, centres), _counted(job, centres))


def sampled(job: Job, clusters: Clusters) -> np.ndarray:
    """(n,) int64 the place of each image in the drawing of its cluster, from 1; 0 where it is not drawn from.

    Images of a cluster are drawn by a number that their id and the seed give them, so that a pool that grows keeps most
    of its sample.
    """
    of, seeds = np.asarray(clusters.of.result()), np.asarray(clusters.seeds.result())
    places = np.zeros(len(of), np.int64)
    drawn = np.flatnonzero((of >= 0) & (seeds[of] > job.recipe.seeds_above))
    order = drawn[np.lexsort((job.pool.ids[drawn], drawing(job, job.pool.ids[drawn]), of[drawn]))]
    _, first, sizes = np.unique(of[order], return_index=True, return_counts=True)
    places[order] = np.arange(len(order)) - np.repeat(first, sizes) + 1
    places[places > job.recipe.per_cluster] = 0
    return places


def drawing(job: Job, ids: np.ndarray) -> np.ndarray:
    """(n,) uint64 by which images are drawn, smallest first."""
    return mixed(ids, job.recipe.seed, _PLACE)


def _centres(job: Job, left: np.ndarray, key: str) -> Step:
    wanted = job.recipe.clusters or min(round(4 * math.sqrt(len(left))), len(left) // _LEAST)
    count = max(1, min(wanted, len(left)))
    step = job.ledger.step("centres", left=key, clusters=count, seed=job.recipe.seed)
    if step.finished() is not None:
        return step
    drawn = left[np.lexsort((left, mixed(left, job.recipe.seed, _SAMPLE)))]
    dimension = job.pool.collection.vectors(drawn[:1])[1].shape[1]
    points = np.sort(drawn[: sample_size(len(left), count, dimension)])
    vectors: list[np.ndarray] = []

    def learned(centres: np.ndarray) -> np.ndarray:
        if not vectors:
            vectors.append(_gathered(job.pool.collection, points, dimension))
        return improved(vectors[0], centres)

    centres = step.part(0, lambda: job.pool.collection.vectors(drawn[:count])[1])
    for number in range(1, ROUNDS + 1):
        job.tell("centres", number - 1, ROUNDS)
        moved = step.part(number, lambda before=centres: learned(before))  # type: ignore[misc]
        settled, centres = np.array_equal(moved, centres), moved
        if settled:
            break
    job.tell("centres", ROUNDS, ROUNDS)
    job.check()
    with step.writing(centres.shape, np.dtype("<f4"), {"clusters": count, "learned_from": len(points)}) as table:
        table[:] = centres
    return step


def _gathered(collection: Collection, ids: np.ndarray, dimension: int) -> np.ndarray:
    vectors = np.empty((len(ids), dimension), np.float32)  # filled in place: joining parts would hold them twice
    for low in range(0, len(ids), BLOCK):
        vectors[low : low + BLOCK] = collection.vectors(ids[low : low + BLOCK])[1]
    return vectors


def _assigned(job: Job, left: np.ndarray, centres: Step) -> Step:
    step = job.ledger.step("clusters", centres=centres.sha256, pool=job.pool.digest)
    if step.finished() is not None:
        return step
    table_of_centres = np.asarray(centres.result())
    job.check()
    with step.writing((len(job.pool.ids),), np.dtype("<i4"), {}) as table:
        table[:] = NONE
        for number, part in enumerate(portions(len(left))):
            found = step.part(
                number,
                lambda part=part: _nearest(  # type: ignore[misc]
                    job, "clusters", job.pool.collection, left[part], table_of_centres, part.start, len(left)
                ),
            )
            table[job.places(left[part])] = found
        job.tell("clusters", len(left), len(left))
        job.check()
    return step


def _counted(job: Job, centres: Step) -> Step:
    step = job.ledger.step("seeded", centres=centres.sha256, seeds=[source.digest for source in job.seeds])
    if step.finished() is not None:
        return step
    table_of_centres = np.asarray(centres.result())
    total, counts = sum(len(source.ids) for source in job.seeds), np.zeros(len(table_of_centres), np.int64)
    number, done = 0, 0
    for source in job.seeds:
        for part in portions(len(source.ids)):
            found = step.part(
                number,
                lambda source=source, part=part, done=done: _nearest(  # type: ignore[misc]
                    job, "seeded", source.collection, source.ids[part], table_of_centres, done + part.start, total
                ),
            )
            counts += np.bincount(found, minlength=len(counts))
            number += 1
        done += len(source.ids)
    job.tell("seeded", total, total)
    job.check()
    told: dict[str, Any] = {"seeds": total, "clusters": int((counts > job.recipe.seeds_above).sum())}
    with step.writing(counts.shape, np.dtype("<i8"), told) as table:
        table[:] = counts
    return step


def _nearest(
    job: Job, stage: str, collection: Collection, ids: np.ndarray, centres: np.ndarray, before: int, total: int
) -> np.ndarray:
    chosen = np.empty(len(ids), np.int32)
    for low in range(0, len(ids), BLOCK):
        job.tell(stage, before + low, total)
        chosen[low : low + BLOCK] = nearest(collection.vectors(ids[low : low + BLOCK])[1], centres)[0]
    return chosen
