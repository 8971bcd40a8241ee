"""What becomes of each image of the pool, once every step has said its part."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dinosearch.analysis.curation.clusters import Clusters, drawing, sampled
from dinosearch.analysis.curation.job import Job, few
from dinosearch.analysis.curation.ledger import Step
from dinosearch.analysis.curation.manifest import KEPT
from dinosearch.analysis.curation.sources import Source

About = dict[str, Any]
_TOLD = 4096  # images between two reports of progress


@dataclass(frozen=True)
class Found:
    """What the steps found; None for a step that was not asked for."""

    copies: Step
    references: Step | None = None
    retrieved: Step | None = None
    clusters: Clusters | None = None


def left_of(job: Job, copies: Step, references: Step | None) -> np.ndarray:
    """(m,) int64 ids of the pool that are neither another's copy nor too near to a reference, rising."""
    stays = copies.result()["keeper"] == job.pool.ids
    if references is not None:
        stays &= references.result()["set"] < 0
    return np.asarray(job.pool.ids[stays])


def lines(job: Job, found: Found) -> Iterator[About]:
    """The lines of the manifest, see there."""
    verdicts, last = _Verdicts(job, found), None
    for file in job.pool.collection.files(job.pool.where):
        if file["id"] == last:
            continue  # another file of the same content
        last, place = file["id"], int(job.places(np.asarray(file["id"])))
        if place % _TOLD == 0:
            job.tell("manifest", place, len(job.pool.ids))
        reason, about = verdicts.of(place)
        of_file = {name: file[name] for name in ("id", "path", "sha256")}
        yield {**of_file, "kept": reason in KEPT, "reason": reason, **about}
    job.tell("manifest", len(job.pool.ids), len(job.pool.ids))


class _Verdicts:
    """The verdict on each image, by its place in the pool."""

    def __init__(self, job: Job, found: Found) -> None:
        count = len(job.pool.ids)
        self._job, self._copies = job, found.copies.result()
        self._sizes = np.bincount(job.places(self._copies["component"]), minlength=count)
        self._references = found.references.result() if found.references else None
        self._retrieved = found.retrieved.result() if found.retrieved else None
        self._cluster = found.clusters.of.result() if found.clusters else None
        self._seeded = found.clusters.seeds.result() if found.clusters else None
        self._drawn = sampled(job, found.clusters) if found.clusters else np.zeros(count, np.int64)
        self._over = self._over_cap(left_of(job, found.copies, found.references))
        self._reference_paths = _paths(job.against, self._references, "reference")
        self._seed_paths = _paths(job.seeds, self._retrieved, "seed")

    def of(self, place: int) -> tuple[str, About]:
        """The reason, and what it is about."""
        if self._references is not None and self._references[place]["set"] >= 0:
            return "reference", self._near_reference(place, self._references[place])
        if self._copies[place]["keeper"] != self._job.pool.ids[place]:
            return "duplicate", self._copy(self._copies[place])
        reason, about = self._wanted(place)
        return ("over cap", {"else": reason, **about}) if self._over[place] else (reason, about)

    def _wanted(self, place: int) -> tuple[str, About]:
        if not self._job.seeds:
            return "only", {"copies": int(self._sizes[self._job.places(self._copies[place]["component"])])}
        if self._retrieved is not None and self._retrieved[place]["rank"]:
            return "retrieved", self._brought(self._retrieved[place])
        if self._drawn[place] and self._cluster is not None and self._seeded is not None:
            cluster = int(self._cluster[place])
            return "sampled", {
                "cluster": cluster,
                "place": int(self._drawn[place]),
                "seeds": int(self._seeded[cluster]),
            }
        return "not reached", {}

    def _near_reference(self, place: int, touched: np.void) -> About:
        which = int(touched["set"]), int(touched["reference"])
        about: About = {"set": which[0] + 1, "reference": which[1], "reference_path": self._reference_paths.get(which)}
        about["cosine"] = few(touched["cosine"])
        itself = touched["via"] == self._job.pool.ids[place]
        return about if itself else {**about, "via": int(touched["via"])}

    def _copy(self, copy: np.void) -> About:
        about = {"of": int(copy["keeper"]), "cosine": few(copy["cosine"])}
        if copy["cosine"] >= (self._job.recipe.threshold or 0):
            return about
        return {**about, "via": int(copy["via"]), "via_cosine": few(copy["via_cosine"])}

    def _brought(self, hit: np.void) -> About:
        which = int(hit["set"]), int(hit["seed"])
        about = {"set": which[0] + 1, "seed": which[1], "seed_path": self._seed_paths.get(which)}
        return {**about, "rank": int(hit["rank"]), "cosine": few(hit["cosine"]), "seeds": int(hit["seeds"])}

    def _over_cap(self, left: np.ndarray) -> np.ndarray:
        """(n,) bool: what would be kept but for the cap.

        What seeds retrieve comes first, by rank and then cosine; then what is drawn, so that each cluster gives equally
        many; without seeds chance decides.
        """
        job, cap = self._job, self._job.recipe.cap
        wanted = job.places(left)
        rank = np.zeros(len(wanted), np.int64)
        cosine = np.zeros(len(wanted), np.float32)
        if self._retrieved is not None:
            rank = self._retrieved["rank"][wanted].astype(np.int64)
            cosine = np.where(rank > 0, self._retrieved["cosine"][wanted], 0)
        drawn, chance = self._drawn[wanted], drawing(job, left)
        chance[rank > 0] = 0
        reached = (rank > 0) | (drawn > 0) if job.seeds else np.ones(len(wanted), bool)
        order = np.lexsort((left, chance, -cosine, np.where(rank > 0, rank, drawn), rank == 0, ~reached))
        over = np.zeros(len(job.pool.ids), bool)
        if cap is not None:
            over[wanted[order[cap : int(reached.sum())]]] = True
        return over


def _paths(sources: Sequence[Source], found: np.ndarray | None, name: str) -> dict[tuple[int, int], str]:
    """The first path of each reference or seed that is the nearest of an image, by number of its set and its id."""
    paths: dict[tuple[int, int], str] = {}
    for number, source in enumerate(sources if found is not None else ()):
        assert found is not None
        wanted = set(np.unique(found[name][found["set"] == number]).tolist())
        for file in source.collection.files() if wanted else ():
            if file["id"] in wanted:
                paths.setdefault((number, file["id"]), file["path"])
    return paths
