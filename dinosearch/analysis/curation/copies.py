"""Self-deduplication: images that a chain of near pairs joins are copies of each other, and one of them stays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from dinosearch.analysis.components import DisjointSets
from dinosearch.analysis.curation.job import NONE, Job, portions
from dinosearch.analysis.curation.ledger import Step
from dinosearch.analysis.duplicates.keeping import Keep
from dinosearch.analysis.neighbours import EQUAL, Pairs, neighbours

COPIES = np.dtype([("component", "<i8"), ("keeper", "<i8"), ("cosine", "<f4"), ("via", "<i8"), ("via_cosine", "<f4")])
"""For each image of the pool: the smallest id of its component, the id that stays of it and the cosine with that, and
the nearest member (-1: it is alone) with its cosine."""
PAIRS = np.dtype([("first", "<i8"), ("second", "<i8"), ("cosine", "<f4")])
_BATCH = 4096  # pairs of vectors in memory


def deduplicate(job: Job) -> Step:
    """Find the copies of the pool, or take what was found before."""
    recipe, pool = job.recipe, job.pool
    step = job.ledger.step(
        "copies",
        pool=pool.digest,
        threshold=recipe.threshold,
        neighbours=recipe.neighbours,
        keep=list(recipe.keep),
    )
    if step.finished() is not None:
        return step
    sets, nearest = DisjointSets(len(pool.ids)), _Nearest(len(pool.ids))
    for found in _pairs(job, step):
        first, second = job.places(found["first"]), job.places(found["second"])
        sets.join(first, second)
        nearest.offer(first, found["second"], found["cosine"])
        nearest.offer(second, found["first"], found["cosine"])
    roots = sets.roots()
    keepers = _keepers(job, roots)
    job.check()
    counts: dict[str, Any] = {}
    with step.writing((len(pool.ids),), COPIES, counts) as table:
        table["component"], table["keeper"] = pool.ids[roots], pool.ids[keepers]
        table["via"], table["via_cosine"] = nearest.id, nearest.cosine
        table["cosine"] = 1
        gone = np.flatnonzero(keepers != np.arange(len(roots)))
        for low in range(0, len(gone), _BATCH):
            part = gone[low : low + _BATCH]
            table["cosine"][part] = _cosines(job, pool.ids[part], pool.ids[keepers[part]])
        sizes = np.bincount(roots, minlength=1)
        counts |= {"dropped": len(gone), "groups": int((sizes > 1).sum()), "largest_group": int(sizes.max())}
    return step


def _pairs(job: Job, step: Step) -> Iterator[np.ndarray]:
    ids = job.pool.ids

    def found(part: slice) -> np.ndarray:
        near = neighbours(
            job.pool.collection,
            job.recipe.neighbours,
            ids=ids[part],
            among=job.pool.among,
            progress=lambda stage, done, total: job.tell("copies", part.start + done, len(ids)),
        )
        return table_of_pairs([block.pairs(min(job.recipe.threshold or 0, EQUAL)) for block in near])

    for number, part in enumerate(portions(len(ids))):
        yield step.part(number, lambda part=part: found(part))  # type: ignore[misc]


def table_of_pairs(found: Sequence[Pairs]) -> np.ndarray:
    """One array of `PAIRS`."""
    table = np.empty(sum(len(pairs.first) for pairs in found), PAIRS)
    low = 0
    for pairs in found:
        part = table[low : low + len(pairs.first)]
        part["first"], part["second"], part["cosine"] = pairs.first, pairs.second, pairs.cosines
        low += len(part)
    return table


class _Nearest:
    """The nearest member that each image was paired with so far, the smaller id where two are as near."""

    def __init__(self, count: int) -> None:
        self.id, self.cosine = np.full(count, NONE, np.int64), np.full(count, -np.inf, np.float32)

    def offer(self, places: np.ndarray, ids: np.ndarray, cosines: np.ndarray) -> None:
        order = np.lexsort((ids, -cosines, places))
        first = order[np.unique(places[order], return_index=True)[1]]
        places, ids, cosines = places[first], ids[first], cosines[first]
        better = (cosines > self.cosine[places]) | ((cosines == self.cosine[places]) & (ids < self.id[places]))
        self.id[places[better]], self.cosine[places[better]] = ids[better], cosines[better]


def _keepers(job: Job, roots: np.ndarray) -> np.ndarray:
    """(n,) the place of the image that stays, for each image of the pool."""
    keepers = np.arange(len(roots))
    several = np.bincount(roots, minlength=len(roots))[roots] > 1
    best: dict[int, Mapping[str, Any]] = {}
    keep = Keep(job.recipe.keep)
    for file in job.pool.collection.files(job.pool.where) if several.any() else ():
        place = int(job.places(np.asarray(file["id"])))
        if several[place]:
            root = int(roots[place])
            best[root] = keep.first((best.get(root, file), file))
    for root, chosen in best.items():
        keepers[root] = int(job.places(np.asarray(chosen["id"])))
    keepers[several] = keepers[roots[several]]
    return keepers


def _cosines(job: Job, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(n,) float32 cosines of pairs of stored vectors."""
    one, other = (job.pool.collection.vectors(ids)[1].astype(np.float64) for ids in (first, second))
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    return np.asarray(np.einsum("nd,nd->n", one, other) / lengths, np.float32)
