"""Find pairs of copies: each image asks for its neighbours, and pictures decide, from the nearest on until it is clear.

An image that has been compared with some near ones in vain is given up: in a large collection each has many that are
near and are other photos. What is kept is a few numbers an image, and the pairs that are copies.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from dinosearch.analysis.components import DisjointSets
from dinosearch.analysis.duplicates.checking import CopyCheck, Pair
from dinosearch.analysis.duplicates.joining import LARGEST, of_several
from dinosearch.analysis.duplicates.scope import Nodes
from dinosearch.analysis.neighbours import DEEPER, neighbours
from dinosearch.protocols import Progress

if TYPE_CHECKING:
    from dinosearch.collection import Collection

IN_VAIN = 8
"""Comparisons without success after which an image asks no more; the nearest come first."""
NEIGHBOURS = 16
"""Neighbours that an image asks for; one whose neighbours are all copies asks for more, up to `DEEPEST`."""
DEEPEST = 1024
_BLOCK = 256  # images that ask at a time


class Copying:
    """The search for pairs of copies.

    Args:
        collection: opened.
        nodes: what is in the scope.
        threshold: smallest cosine of a pair that is looked at.
        check: compares pictures; what is found is in its `known`.
    """

    def __init__(self, collection: Collection, nodes: Nodes, threshold: float, check: CopyCheck) -> None:
        self._collection, self._nodes, self._threshold, self._check = collection, nodes, threshold, check
        self._images = nodes.images
        self._tried = np.full((len(self._images), IN_VAIN), -1, np.int32)  # places of images that are no copies

    def components(self, progress: Progress | None = None) -> Iterator[np.ndarray]:
        """Nodes that chains of copies join, two and more, in the order of the first of them.

        Args:
            progress: told about the stage `compare`, in images.
        """
        if not len(self._nodes):
            return
        self._ask(self._images, NEIGHBOURS, progress)
        sets = DisjointSets(len(self._nodes))
        pairs = np.array(sorted(self._check.known), np.int64).reshape(-1, 2)
        for first, second in self._nodes.pairs(pairs[:, 0], pairs[:, 1]):
            sets.join(first, second)
        for component in of_several(sets, np.arange(len(self._nodes))):
            for low in range(0, len(component), LARGEST):
                yield component[low : low + LARGEST]

    def _ask(self, images: np.ndarray, depth: int, progress: Progress | None) -> None:
        """Let images look at so many neighbours."""
        among = self._images if self._nodes.scope.narrow else None
        block = max(1, _BLOCK * NEIGHBOURS // depth)
        for found in neighbours(
            self._collection, depth, ids=images, among=among, block=block, progress=progress, stage="compare"
        ):
            near = self._allowed(found.ids, found.near) & (found.cosines >= self._threshold)
            waiting = [row[kept].tolist() for row, kept in zip(found.near, near, strict=True)]
            successes = self._look(found.ids.tolist(), waiting)
            deeper = near[:, -1] & (np.array(successes) == depth)
            if depth < DEEPEST and deeper.any():
                self._ask(found.ids[deeper], DEEPER * depth, None)

    def _allowed(self, ids: np.ndarray, near: np.ndarray) -> np.ndarray:
        """(n, k) bool: which neighbours the scope lets be a pair."""
        rows, columns = np.nonzero(near >= 0)
        allowed = np.zeros(near.shape, bool)
        allowed[rows, columns] = self._nodes.images_compared(ids[rows], near[rows, columns])
        return allowed

    def _look(self, ids: Sequence[int], waiting: list[list[int]]) -> list[int]:
        """Compare each image with those that wait for it, in rounds of one each; returns how many were copies."""
        files = {}
        for number, found in self._nodes.files_of({*ids, *(other for others in waiting for other in others)}):
            files[number] = found
        successes, failures = [0] * len(ids), [0] * len(ids)
        while True:
            asked: dict[Pair, list[int]] = {}
            for row, number in enumerate(ids):
                pair = self._next(number, waiting[row], successes, row) if failures[row] < IN_VAIN else None
                if pair is not None and pair[0] in files and pair[1] in files:
                    asked.setdefault(pair, []).append(row)
            if not asked:
                return successes
            copies = self._check.copies(list(asked), files)
            for pair, rows in asked.items():
                for row in rows:
                    successes[row] += pair in copies
                    failures[row] += pair not in copies
                if pair not in copies:
                    self._note(pair)

    def _next(self, number: int, waiting: list[int], successes: list[int], row: int) -> Pair | None:
        """The next pair of an image that nothing is known of yet."""
        tried = self._tried[np.searchsorted(self._images, number)]
        while waiting:
            other = waiting.pop(0)
            pair = min(number, other), max(number, other)
            if pair in self._check.known:
                successes[row] += 1
            elif np.searchsorted(self._images, other) not in tried:
                return pair
        return None

    def _note(self, pair: Pair) -> None:
        """Remember that two images are no copies, as far as there is room."""
        places = np.searchsorted(self._images, pair)
        for one, other in (places, places[::-1]):
            room = np.flatnonzero(self._tried[one] < 0)
            if len(room):
                self._tried[one, room[0]] = other
