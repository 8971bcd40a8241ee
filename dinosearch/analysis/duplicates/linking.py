"""Groups inside a component: by complete link, where all pairs of a group are near, or by chains of near pairs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

COMPLETE, SINGLE = "complete", "single"
LINKS = (COMPLETE, SINGLE)
NEVER, IGNORED = -np.inf, np.inf
"""Instead of the cosine of a pair: one that must not share a group, and one that nobody asks about."""


def linked(cosines: np.ndarray, threshold: float, link: str) -> Iterator[np.ndarray]:
    """Group the members of a component.

    Args:
        cosines: (m, m) float, symmetric; `NEVER` and `IGNORED` stand for pairs without one. The diagonal is not read.
        threshold: smallest cosine.
        link: `complete` or `single`.

    Yields:
        (k,) rising places of the members of each group of two and more, in the order of the first of them.
    """
    groups = _complete(cosines, threshold) if link == COMPLETE else _single(cosines, threshold)
    yield from sorted((np.array(sorted(group)) for group in groups if len(group) > 1), key=lambda group: int(group[0]))


def _complete(cosines: np.ndarray, threshold: float) -> Iterator[list[int]]:
    """Agglomerative clustering by complete linkage, cut at the threshold, by chains of nearest neighbours.

    A chain goes from a cluster to its nearest, to the nearest of that, and so on; two that are each other's nearest
    become one (Murtagh 1983, "A survey of recent advances in hierarchical clustering algorithms"). As complete linkage
    never brings clusters nearer by a merge, the clusters are those of merging the nearest two first, in m^2 steps.
    Among equally near ones the first counts.
    """
    low = np.array(cosines, copy=True)  # the smallest cosine between two clusters
    np.fill_diagonal(low, NEVER)
    members: dict[int, list[int]] = {place: [place] for place in range(len(low))}
    chain: list[int] = []
    while members:
        if not chain:
            chain = [next(iter(members))]
        row = np.where(low[chain[-1]] == IGNORED, NEVER, low[chain[-1]])
        nearest = int(row.argmax())
        if len(chain) > 1 and row[chain[-2]] == row[nearest]:
            nearest = chain[-2]
        if row[nearest] < threshold:  # only the first of a chain has nobody near, and never will
            alone = chain.pop()
            low[alone], low[:, alone] = NEVER, NEVER
            yield members.pop(alone)
        elif len(chain) > 1 and nearest == chain[-2]:
            one, other = sorted((chain.pop(), chain.pop()))
            both = np.minimum(low[one], low[other])
            low[other], low[:, other] = NEVER, NEVER
            both[[one, other]] = NEVER
            low[one], low[:, one] = both, both
            members[one] += members.pop(other)
        else:
            chain.append(nearest)


def _single(cosines: np.ndarray, threshold: float) -> Iterator[list[int]]:
    """Connected components of the pairs that are near enough."""
    near = (cosines >= threshold) & (cosines != IGNORED)
    waiting = set(range(len(near)))
    while waiting:
        group, edge = [], [min(waiting)]
        waiting.discard(edge[0])
        while edge:
            place = edge.pop()
            group.append(place)
            reached = waiting.intersection(np.flatnonzero(near[place]).tolist())
            waiting -= reached
            edge += reached
        yield group
