"""Connected components by disjoint sets over arrays: pairs arrive in any order and any number of portions."""

from __future__ import annotations

import numpy as np


class DisjointSets:
    """Sets that grow together; the smallest member stands for its set.

    Whole arrays of pairs are joined at a time: each round hangs the larger root below the smaller and then shortens the
    ways, so that the rounds grow with the logarithm of the longest chain.

    Args:
        count: of the members 0 .. count - 1; 8 bytes each.
    """

    def __init__(self, count: int) -> None:
        self._above = np.arange(count)

    def join(self, first: np.ndarray, second: np.ndarray) -> None:
        """Join the sets of each pair, (m,) and (m,) integers."""
        one, other = self._roots(first), self._roots(second)
        while len(one):
            apart = one != other
            low, high = np.minimum(one[apart], other[apart]), np.maximum(one[apart], other[apart])
            # Of several that want the same root below them, the smallest wins; the others try again.
            np.minimum.at(self._above, high, low)
            one, other = self._roots(low), self._roots(high)

    def roots(self) -> np.ndarray:
        """(count,) the smallest member of each member's set."""
        while True:
            shorter: np.ndarray = self._above[self._above]
            if np.array_equal(shorter, self._above):
                return shorter
            self._above = shorter

    def _roots(self, members: np.ndarray) -> np.ndarray:
        roots: np.ndarray = self._above[members]
        while True:
            further = self._above[roots]
            if np.array_equal(further, roots):
                self._above[members] = roots
                return roots
            roots = further
