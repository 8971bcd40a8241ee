"""Deduplication against reference sets: a group of copies goes whole when one of them is too near to a reference."""

from __future__ import annotations

from typing import Any

import numpy as np

from dinosearch.analysis.curation.copies import table_of_pairs
from dinosearch.analysis.curation.job import NONE, Job, exactly, portions
from dinosearch.analysis.curation.ledger import Step
from dinosearch.analysis.neighbours import pairs

TOUCHED = np.dtype([("set", "<i4"), ("reference", "<i8"), ("cosine", "<f4"), ("via", "<i8")])
"""For each image of the pool: the set (from 0; -1: none is near) and the id of the nearest reference, its cosine, and
the member of the image's group that it is near to."""


def keep_away(job: Job, copies: Step) -> Step | None:
    """Find what is too near to a reference; None without references."""
    if not job.against:
        return None
    recipe, ids = job.recipe, job.pool.ids
    step = job.ledger.step(
        "references",
        copies=copies.sha256,
        pool=job.pool.digest,
        against=[source.digest for source in job.against],
        threshold=recipe.against_threshold,
    )
    if step.finished() is not None:
        return step
    nearest = np.zeros(len(ids), TOUCHED)
    nearest["set"], nearest["reference"], nearest["cosine"] = NONE, NONE, -np.inf
    number, done, total = 0, 0, sum(len(source.ids) for source in job.against)
    for which, source in enumerate(job.against):
        for part in portions(len(source.ids)):
            found = step.part(number, lambda which=which, part=part, done=done: _near(job, which, part, done))  # type: ignore[misc]
            _offer(nearest, which, job.places(found["second"]), found)
            number += 1
        done += len(source.ids)
    job.tell("references", total, total)
    roots = job.places(copies.result()["component"])
    touched = np.flatnonzero(nearest["set"] != NONE)
    # The nearest pair of each group, ties by set, reference and image.
    order = np.lexsort(
        (touched, nearest["reference"][touched], nearest["set"][touched], -nearest["cosine"][touched], roots[touched])
    )
    groups, first = np.unique(roots[touched][order], return_index=True)
    best = touched[order][first]
    job.check()
    counts: dict[str, Any] = {}
    with step.writing((len(ids),), TOUCHED, counts) as table:
        place = np.searchsorted(groups, roots)
        place[place == len(groups)] = 0
        inside = groups[place] == roots if len(groups) else np.zeros(len(ids), bool)
        table["set"] = table["reference"] = table["via"] = NONE
        table[inside] = nearest[best[place[inside]]]
        table["via"][inside] = ids[best[place[inside]]]
        own = nearest["set"] != NONE
        table[own] = nearest[own]
        table["via"][own] = ids[own]
        counts |= {"dropped": int(inside.sum()), "touching": len(touched), "groups": len(groups)}
    return step


def _near(job: Job, place: int, part: slice, before: int) -> np.ndarray:
    source, total = job.against[place], sum(len(source.ids) for source in job.against)
    found = pairs(
        job.pool.collection,
        float(job.recipe.against_threshold or 0),
        asking=source.collection,
        ids=source.ids[part],
        among=job.pool.among,
        exact=exactly(len(source.ids)),
        progress=lambda stage, done, _: job.tell("references", before + part.start + done, total),
    )
    return table_of_pairs(list(found))


def _offer(nearest: np.ndarray, number: int, places: np.ndarray, found: np.ndarray) -> None:
    """Take nearer references; those of earlier sets, and then smaller ids, win where two are as near."""
    order = np.lexsort((found["first"], -found["cosine"], places))
    first = order[np.unique(places[order], return_index=True)[1]]
    places, found = places[first], found[first]
    held = nearest[places]
    same = (found["cosine"] == held["cosine"]) & (held["set"] == number) & (found["first"] < held["reference"])
    better = (found["cosine"] > held["cosine"]) | same
    chosen = places[better]
    nearest["set"][chosen], nearest["reference"][chosen] = number, found["first"][better]
    nearest["cosine"][chosen] = found["cosine"][better]
