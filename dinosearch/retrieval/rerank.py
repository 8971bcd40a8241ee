"""From a first ranking to a better one: stages one after the other, by preset or by name. It fetches nothing itself.

    query ─> search ─> [expansion ─> search] ─> first `top` ranks scored again by each stage ─> ranking, same hits

A stage changes the order of what was found; expansion asks again with another query. Scores that are answered are the
cosines to the query as it was given, whatever the order.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from dinosearch.retrieval.expansion import expand
from dinosearch.retrieval.stages import STAGES, reorder
from dinosearch.retrieval.threads import one_thread

if TYPE_CHECKING:
    from dinosearch.retrieval.verification import Match

Search = Callable[[np.ndarray, int], tuple[np.ndarray, np.ndarray]]
"""(queries (n, d), k) -> ids (n, k) int64, -1 where fewer exist, and their cosines (n, k), -inf there."""
Vectors = Callable[[np.ndarray], np.ndarray]
"""ids (m,) -> stored vectors (m, d) float32."""
Walk = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
"""Nearest ids (k,), their cosines (k,) -> ids reached (m,) that may be answered, their scores (m,) above 0."""


class Pictures(Protocol):
    """Compares the pictures of a query with those of images; `number` is that of the query."""

    def matches(self, number: int, ids: np.ndarray) -> list[Match | None]:
        """How each of the images (m,) matches, None where it cannot be read."""
        ...

    def likeness(self, number: int, ids: np.ndarray) -> np.ndarray:
        """(m,) MaxSim of patch tokens with each of the images; not-a-number where it cannot be read."""
        ...


EXPANSION, DIFFUSION, MAXSIM, GEOMETRY = "expansion", "diffusion", "maxsim", "geometry"
PICTURED = {MAXSIM: 100, GEOMETRY: 20}
"""Stages that compare pictures, and the ranks they do it for. Fast with kept patch tokens; without, a forward pass for
each image."""
WALKED_FROM = 10
"""Nearest images that walks start from (fyang93/diffusion, kq)."""
EXPANDED_BY = 10
"""Neighbours that expand a query; published choices are 10 to 50."""
TOP = 400
"""Ranks scored again, SuperGlobal's M."""
_BLOCK = 4096


@dataclass(frozen=True)
class Rerank:
    """What happens between the first ranking and the answer.

    Attributes:
        stages: names of `STAGES`, `PICTURED`, `expansion` or `diffusion`, in the order they are applied.
        top: ranks that stages score again.
    """

    stages: tuple[str, ...] = ()
    top: int = TOP

    def __bool__(self) -> bool:
        return bool(self.stages)

    @property
    def pictured(self) -> tuple[str, ...]:
        """The stages that compare pictures."""
        return tuple(stage for stage in self.stages if stage in PICTURED)

    @classmethod
    def parse(cls, text: str) -> Rerank:
        """Read the name of a preset, or stages joined by commas.

        Raises:
            ValueError: a name that is neither.
        """
        if text in PRESETS:
            return PRESETS[text]
        names = tuple(text.split(","))
        known = (EXPANSION, DIFFUSION, *STAGES, *PICTURED)
        for name in names:
            if name not in known:
                raise ValueError(
                    f"{name!r} is neither a preset ({', '.join(PRESETS)}) nor a stage ({', '.join(known)})"
                )
        return cls(names)


PRESETS = {
    "fast": Rerank(),
    "balanced": Rerank(("manifold",)),
    "thorough": Rerank(("manifold", GEOMETRY)),
}
"""Named choices of stages; which one pays for its milliseconds is measured in docs/benchmarks.md."""


def rerank(
    plan: Rerank,
    queries: np.ndarray,
    k: int,
    search: Search,
    vectors: Vectors,
    pictures: Pictures | None = None,
    walk: Walk | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Rank by a plan.

    Args:
        plan: the stages.
        queries: (n, d) float32 of unit length.
        k: ranks wanted.
        search: the first ranking.
        vectors: stored vectors by id.
        pictures: compares them; without it there is no stage of `PICTURED`.
        walk: prepared random walks; without it there is no `diffusion`.

    Returns:
        ids (n, k) int64, -1 where fewer exist, and cosines (n, k) float32 to the queries as given, -inf where the id is
        -1. Without expansion the ids are those of the first `max(k, top)` ranks.
    """
    if pictures is None and plan.pictured:
        raise ValueError(f"{plan.pictured[0]} compares pictures, which vectors have not; ask with images")
    if not plan or not len(queries):
        return search(queries, k)
    depth, asked = max(k, plan.top), queries
    found, cosines = search(asked, depth)
    for stage in plan.stages:
        if stage == EXPANSION:
            rows = zip(asked, found, cosines, strict=True)
            asked = np.stack([_expanded(query, ids, near, vectors) for query, ids, near in rows])
            found, cosines = search(asked, depth)
        elif stage == DIFFUSION:
            for row, query in enumerate(asked):
                found[row], cosines[row] = _walked(query, found[row], cosines[row], vectors, walk)
        else:
            for row, query in enumerate(asked):
                head = min(PICTURED.get(stage, plan.top), int((found[row] >= 0).sum()))
                if stage in PICTURED and pictures is not None:
                    scores = _compared(stage, row, found[row, :head], cosines[row, :head], pictures)
                else:
                    shortlist = vectors(found[row, :head])
                    with one_thread():
                        scores = STAGES[stage](query, shortlist, cosines[row, :head])
                order = reorder(found[row], cosines[row], scores, head)
                found[row], cosines[row] = found[row, order], cosines[row, order]
    found, cosines = found[:, :k], cosines[:, :k]
    if asked is not queries:
        cosines = np.stack([_cosines(query, ids, vectors) for query, ids in zip(queries, found, strict=True)])
    return found, cosines


def _expanded(query: np.ndarray, ids: np.ndarray, cosines: np.ndarray, vectors: Vectors) -> np.ndarray:
    near = ids[:EXPANDED_BY]
    near = near[near >= 0]
    return expand(query, vectors(near), cosines[: len(near)])


def _walked(
    query: np.ndarray, ids: np.ndarray, cosines: np.ndarray, vectors: Vectors, walk: Walk | None
) -> tuple[np.ndarray, np.ndarray]:
    """First what the walks reach, by falling score, then the others as they were; as many ranks as before."""
    if walk is None:
        raise ValueError("diffusion needs prepared walks, which this search has not")
    start = ids[:WALKED_FROM]
    start = start[start >= 0]
    reached, scores = walk(start, cosines[: len(start)])
    reached = reached[np.lexsort((reached, -scores))]
    behind = ids[(ids >= 0) & ~np.isin(ids, reached)]
    count = len(ids)
    ranked = np.full(count, -1, np.int64)
    ranked[: min(count, len(reached) + len(behind))] = np.concatenate([reached, behind])[:count]
    return ranked, _cosines(query, ranked, vectors)


def _compared(stage: str, number: int, ids: np.ndarray, cosines: np.ndarray, pictures: Pictures) -> np.ndarray:
    """Scores by pictures: matches that geometry accepts are lifted, MaxSim counts as much as the cosine."""
    ranked = np.sort(cosines)[::-1]  # an earlier stage may have changed the order, which is to be kept
    if stage == GEOMETRY:
        from dinosearch.retrieval.verification import fuse

        matches = pictures.matches(number, ids)
        return np.array([fuse(float(cosine), match) for cosine, match in zip(ranked, matches, strict=True)], np.float64)
    likeness = pictures.likeness(number, ids)
    known = ~np.isnan(likeness)
    # What cannot be read keeps its place: it gets the likeness that is usual for its cosine.
    usual = float(np.mean(likeness[known] - ranked[known])) if known.any() else 0.0
    return np.asarray((ranked + np.where(known, likeness, ranked + usual)) / 2, np.float64)


def _cosines(query: np.ndarray, ids: np.ndarray, vectors: Vectors) -> np.ndarray:
    out = np.full(len(ids), -np.inf, np.float32)
    count = int((ids >= 0).sum())  # places without a hit are the last ones
    for start in range(0, count, _BLOCK):
        stop = min(start + _BLOCK, count)
        out[start:stop] = vectors(ids[start:stop]).astype(np.float64) @ query.astype(np.float64)
    return out
