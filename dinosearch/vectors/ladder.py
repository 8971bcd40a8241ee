"""The ladder of index types: which one suits how many rows. It builds nothing."""

from __future__ import annotations

import math
from dataclasses import dataclass

EXACT_ROWS = 50_000
"""Up to here one inverted list, which is exact search; brute force over 100,000 x 384 takes 3-7 ms (performance.md,
section C)."""
MIN_POINTS = 39
"""k-means wants at least so many training points a centroid (faiss, ClusteringParameters)."""
PQ_POINTS = 256
"""A product quantizer has as many centroids a part (8 bits), and k-means wants at least a point for each."""
MAX_POINTS = 128
"""More points a centroid gain nothing that the recall measurement sees; faiss itself stops at 256."""


@dataclass(frozen=True)
class Rung:
    """One step of the ladder.

    Attributes:
        rows: it suits up to so many rows; None for any number.
        storage: what a list holds, in Faiss factory words; `{quarter}` stands for the largest divisor of the dimension
            that is at most a quarter of it.
        widen: candidates taken from the index for each hit wanted, re-scored exactly from the vector file.
    """

    rows: int | None
    storage: str
    widen: int

    def nlist(self, rows: int) -> int:
        """Inverted lists for so many rows: 1, then 4 sqrt(n) as the Faiss guidelines say, with enough points each."""
        if self.rows is not None and self.rows <= EXACT_ROWS:
            return 1
        return max(1, min(round(4 * math.sqrt(rows)), rows // MIN_POINTS))

    def stores(self, points: int) -> str:
        """The storage that can be trained on so many points: vectors as they are where there are too few for PQ."""
        return "Flat" if points < PQ_POINTS and self.storage.startswith("PQ") else self.storage

    def factory(self, rows: int, dimension: int, points: int | None = None) -> str:
        """Faiss factory string, such as `IVF1265,Flat`.

        Args:
            rows: to be held.
            dimension: of a vector.
            points: vectors to train on; None for all the rows.
        """
        quarter = next(parts for parts in range(max(1, dimension // 4), 0, -1) if dimension % parts == 0)
        return f"IVF{self.nlist(rows)},{self.stores(rows if points is None else points).format(quarter=quarter)}"


LADDER = (
    Rung(EXACT_ROWS, "Flat", 1),
    Rung(1_000_000, "Flat", 1),
    Rung(20_000_000, "SQ8", 4),
    Rung(None, "PQ{quarter}", 16),
)
"""Vectors as they are while memory does not matter, then a byte, then two bits a number; measured in performance.md,
section C."""

WINDOW_LADDER = (Rung(EXACT_ROWS, "SQ8", 4), Rung(None, "SQ8", 4))
"""For windows of images, of which there are many: a byte a number from the first one on."""

LADDERS: dict[str, tuple[Rung, ...]] = {
    "auto": LADDER,
    "ivf-flat": (Rung(None, "Flat", 1),),
    "ivf-sq8": (Rung(None, "SQ8", 4),),
    "ivf-pq": (Rung(None, "PQ{quarter}", 16),),
}
"""By name: the ladder, or one of its storages for any number of rows."""


def rung_for(rows: int, ladder: tuple[Rung, ...] = LADDER) -> Rung:
    """The lowest rung that so many rows fit on."""
    return next(rung for rung in ladder if rung.rows is None or rows <= rung.rows)


def widen_of(factory: str, ladder: tuple[Rung, ...] = LADDER) -> int:
    """Candidates to take for each hit wanted from an index of that factory string.

    It goes by the index that is there, not by the ladder that the next one will be built on.
    """
    storage = storage_of(factory)
    rungs = (rung for rung in (*ladder, *LADDER) if storage.startswith(rung.storage.partition("{")[0]))
    return next(rungs).widen


def storage_of(factory: str) -> str:
    """What the lists of a factory string hold."""
    return factory.split(",", 1)[1]
