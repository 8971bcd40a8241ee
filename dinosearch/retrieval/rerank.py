"""From a first ranking to a better one: stages one after the other, by preset or by name. It fetches nothing itself.

    query ─> search ─> [expansion ─> search] ─> first `top` ranks scored again by each stage ─> ranking, same hits

A stage changes the order of what was found; expansion asks again with another query. Scores that are answered are the
cosines to the query as it was given, whatever the order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from dinosearch.retrieval.expansion import expand
from dinosearch.retrieval.stages import STAGES, reorder
from dinosearch.retrieval.verification import Match, fuse

Search = Callable[[np.ndarray, int], tuple[np.ndarray, np.ndarray]]
"""(queries (n, d), k) -> ids (n, k) int64, -1 where fewer exist, and their cosines (n, k), -inf there."""
Vectors = Callable[[np.ndarray], np.ndarray]
"""ids (m,) -> stored vectors (m, d) float32."""

Compare = Callable[[int, np.ndarray], "list[Match | None]"]
"""(number of the query, ids (m,)) -> how each of these images matches that query, None where it cannot be read."""

EXPANSION = "expansion"
GEOMETRY = "geometry"
COMPARED = 20
"""Ranks whose pictures are compared patch by patch; each costs a forward pass at twice the side."""
EXPANDED_BY = 10
"""Neighbours that expand a query; published choices are 10 to 50."""
TOP = 400
"""Ranks scored again, SuperGlobal's M."""
_BLOCK = 4096


@dataclass(frozen=True)
class Rerank:
    """What happens between the first ranking and the answer.

    Attributes:
        stages: names of `STAGES`, `expansion` or `geometry`, in the order they are applied.
        top: ranks that stages score again.
    """

    stages: tuple[str, ...] = ()
    top: int = TOP

    def __bool__(self) -> bool:
        return bool(self.stages)

    @classmethod
    def parse(cls, text: str) -> Rerank:
        """Read the name of a preset, or stages joined by commas.

        Raises:
            ValueError: a name that is neither.
        """
        if text in PRESETS:
            return PRESETS[text]
        names = tuple(text.split(","))
        known = (EXPANSION, *STAGES, GEOMETRY)
        for name in names:
            if name not in known:
                raise ValueError(
                    f"{name!r} is neither a preset ({', '.join(PRESETS)}) nor a stage ({', '.join(known)})"
                )
        return cls(names)


PRESETS = {
    "fast": Rerank(),
    "balanced": Rerank(("superglobal",)),
    "thorough": Rerank(("k-reciprocal", GEOMETRY)),
}
"""Named choices of stages; which one pays for its milliseconds is measured in docs/benchmarks.md."""


def rerank(
    plan: Rerank, queries: np.ndarray, k: int, search: Search, vectors: Vectors, compare: Compare | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Rank by a plan.

    Args:
        plan: the stages.
        queries: (n, d) float32 of unit length.
        k: ranks wanted.
        search: the first ranking.
        vectors: stored vectors by id.
        compare: compares pictures; without it there is no `geometry`.

    Returns:
        ids (n, k) int64, -1 where fewer exist, and cosines (n, k) float32 to the queries as given, -inf where the id is
        -1. Without expansion the ids are those of the first `max(k, top)` ranks.
    """
    if GEOMETRY in plan.stages and compare is None:
        raise ValueError("geometry compares pictures, which vectors have not; ask with images")
    if not plan or not len(queries):
        return search(queries, k)
    depth, asked = max(k, plan.top), queries
    found, cosines = search(asked, depth)
    for stage in plan.stages:
        if stage == EXPANSION:
            rows = zip(asked, found, cosines, strict=True)
            asked = np.stack([_expanded(query, ids, near, vectors) for query, ids, near in rows])
            found, cosines = search(asked, depth)
        else:
            for row, query in enumerate(asked):
                top = COMPARED if stage == GEOMETRY else plan.top
                head = min(top, int((found[row] >= 0).sum()))
                if stage == GEOMETRY:
                    scores = _fused(cosines[row, :head], compare(row, found[row, :head]) if compare else [])
                else:
                    scores = STAGES[stage](query, vectors(found[row, :head]), cosines[row, :head])
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


def _fused(cosines: np.ndarray, matches: Sequence[Match | None]) -> np.ndarray:
    """Scores that lift accepted matches and leave the others in the order they have."""
    ranked = np.sort(cosines)[::-1]  # an earlier stage may have changed the order, which is to be kept
    return np.array([fuse(float(cosine), match) for cosine, match in zip(ranked, matches, strict=True)], np.float64)


def _cosines(query: np.ndarray, ids: np.ndarray, vectors: Vectors) -> np.ndarray:
    out = np.full(len(ids), -np.inf, np.float32)
    count = int((ids >= 0).sum())  # places without a hit are the last ones
    for start in range(0, count, _BLOCK):
        stop = min(start + _BLOCK, count)
        out[start:stop] = vectors(ids[start:stop]).astype(np.float64) @ query.astype(np.float64)
    return out
