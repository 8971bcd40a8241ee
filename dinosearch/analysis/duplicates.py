"""Groups of copies in a collection: files with the same content, and images whose vectors are nearly the same.

Each image asks the index for its neighbours, so that the time rises with the images and not with their square; scores
are cosines of the stored vectors.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dinosearch.protocols import Progress

if TYPE_CHECKING:
    from dinosearch.collection import Collection

NEIGHBOURS = 16
"""Neighbours that an image asks for at first; it asks for four times as many while all of them are copies."""
_STEP = 1024  # images that ask at a time


@dataclass(frozen=True)
class Group:
    """Images that are copies of each other.

    Attributes:
        kind: `exact` when all are files of one content, else `near`.
        ids: of the images, rising; one for `exact`.
        score: smallest cosine by which an image joined the group; 1 for `exact`.
    """

    kind: str
    ids: tuple[int, ...]
    score: float


def find(collection: Collection, threshold: float = 0.95, progress: Progress | None = None) -> list[Group]:
    """Group the copies: images belong together when a chain of pairs with that cosine joins them.

    Args:
        collection: opened.
        threshold: smallest cosine of a pair, in (0, 1]. What means a copy depends on the model.
        progress: told about the stage `duplicates`, in images.

    Returns:
        The groups, largest score first; then by their first id. Images of one content and no near copy make a group
        of kind `exact`.

    Raises:
        ValueError: a threshold out of its range.
    """
    if not 0 < threshold <= 1:
        raise ValueError(f"threshold is a cosine in (0, 1], not {threshold}")
    ids = collection.ids()
    sets = _Sets(ids)
    for low in range(0, len(ids), _STEP):
        if progress:
            progress("duplicates", low, len(ids))
        for one, other, score in _pairs(collection, ids[low : low + _STEP], threshold):
            sets.join(one, other, score)
    if progress:
        progress("duplicates", len(ids), len(ids))
    groups = [Group("near", members, score) for members, score in sets.groups()]
    taken = {member for group in groups for member in group.ids}
    groups += [Group("exact", (number,), 1.0) for number in _of_several_files(collection) if number not in taken]
    return sorted(groups, key=lambda group: (-group.score, group.ids))


def _pairs(collection: Collection, ids: np.ndarray, threshold: float) -> list[tuple[int, int, float]]:
    """Pairs of an image and a nearer or equally near one, each with its cosine."""
    found: list[tuple[int, int, float]] = []
    depth = NEIGHBOURS
    # A cosine of equal vectors may be a little less than 1 in float32.
    least = min(threshold, 1 - 1e-6)
    while len(ids):
        near, scores = collection.rank(collection.vectors(ids)[1], depth)
        copies = (near >= 0) & (scores >= least) & (near != ids[:, None])
        rows, columns = np.nonzero(copies)
        found += zip(ids[rows].tolist(), near[rows, columns].tolist(), scores[rows, columns].tolist(), strict=True)
        deeper = (near[:, -1] >= 0) & (scores[:, -1] >= least)
        ids, depth = ids[deeper], 4 * depth
    return found


def _of_several_files(collection: Collection) -> list[int]:
    files = Counter(file["id"] for file in collection.files())
    return [number for number, count in files.items() if count > 1]


class _Sets:
    """Sets that grow together (union-find with halved paths), each with the smallest score that joined it.

    Args:
        ids: (n,) int64 of all that may join.
    """

    def __init__(self, ids: np.ndarray) -> None:
        self._ids = ids
        self._above = np.arange(len(ids))
        self._links: list[tuple[float, int, int]] = []

    def join(self, one: int, other: int, score: float) -> None:
        place = np.searchsorted(self._ids, (one, other))
        if place[1] < len(self._ids) and self._ids[place[1]] == other:  # else it was added meanwhile
            self._links.append((score, int(place[0]), int(place[1])))

    def groups(self) -> list[tuple[tuple[int, ...], float]]:
        """Those of two and more, with the smallest score that was needed to join them (a largest spanning tree)."""
        least: dict[int, float] = {}
        for score, one, other in sorted(self._links, reverse=True):
            first, second = self._root(one), self._root(other)
            if first != second:
                self._above[second] = first
                least[first] = min(score, least.get(first, 1.0), least.pop(second, 1.0))
        members: dict[int, list[int]] = {}
        for place in {place for _, one, other in self._links for place in (one, other)}:
            members.setdefault(self._root(place), []).append(int(self._ids[place]))
        return [(tuple(sorted(group)), least[root]) for root, group in members.items()]

    def _root(self, place: int) -> int:
        above = self._above
        while above[place] != place:
            above[place] = above[above[place]]
            place = int(above[place])
        return place
