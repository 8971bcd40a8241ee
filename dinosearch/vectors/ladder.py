"""The ladder of index types: which one suits how many rows. It builds nothing.

Above EXACT_ROWS vectors are kept as 4 bits for every two numbers, which Faiss scans with vector instructions
("FastScan"), and the best candidates are scored exactly from the vector file. Recall@10 after exact scoring of 40 and
80 candidates from 16 lists, 384 numbers a vector; the rows differ in size, so that only those of one column and one
size compare, and speeds are left out, as they were taken on a busy machine:

    storage                       clustered vectors           500,000 from real DINOv2 vectors, cosine 0.6
    4 bits, as they are           0.38   0.52   (1,000,000)   0.961  0.972
    4 bits, turned at random      0.74   0.88   (1,000,000)   0.963  0.972
    4 bits, residuals             0.807  0.941  (300,000)     0.968  0.973
    4 bits, turned, residuals     0.992  1.000  (300,000)     as without turning
    RaBitQ, 1 bit, residuals      0.968  0.998  (300,000)     0.895  0.953

The clustered vectors have a falling spectrum, as embeddings with a few outlying numbers do; FastScan keeps its tables
in bytes, so that the largest number decides how fine all the others are told apart. A random rotation spreads them and
costs one small product a query. Residuals (what is left after the centre of the list) spend the bits on what tells
neighbours apart.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

EXACT_ROWS = 50_000
"""Up to here one inverted list, which is exact search; brute force over 100,000 x 384 takes 3-7 ms (performance.md,
section C)."""
MIN_POINTS = 39
"""Training points a centroid, and what k-means wants at least (faiss, ClusteringParameters). More gain
nothing: with 39, 64 and 128 lists hold the same share of true neighbours within 0.003, in 5 rounds as in 10."""
PQ_POINTS = 256
"""A product quantizer has as many centroids a part (8 bits), and k-means wants at least a point for each."""


@dataclass(frozen=True)
class Rung:
    """One step of the ladder.

    Attributes:
        rows: it suits up to so many rows; None for any number.
        storage: what a list holds, in Faiss factory words; `{quarter}` stands for the largest divisor of the dimension
            that is at most a quarter of it, `{half}` for half the dimension, rounded up.
        widen: candidates taken from the index for each hit wanted, re-scored exactly from the vector file, while no
            measurement says how many are needed.
    """

    rows: int | None
    storage: str
    widen: int

    def nlist(self, rows: int) -> int:
        """Inverted lists for so many rows: 1, then 4 sqrt(n) as the Faiss guidelines say, with enough points each.

        Half as many for 4-bit codes: these are scanned so fast that finding the lists would take longer, and twice the
        lists take twice as long to train and to fill.
        """
        if self.rows is not None and self.rows <= EXACT_ROWS:
            return 1
        lists = 2 if "fs" in self.storage else 4
        return max(1, min(round(lists * math.sqrt(rows)), rows // MIN_POINTS))

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
        half = -(-dimension // 2)
        storage = self.stores(rows if points is None else points)
        # Turned at random, into one number more where the dimension is odd, so that any dimension has halves.
        turned = f"RR{2 * half}," if "{half}" in storage else ""
        return f"{turned}IVF{self.nlist(rows)},{storage.format(quarter=quarter, half=half)}"


_FAST = Rung(None, "PQ{half}x4fsr", 8)

LADDER = (Rung(EXACT_ROWS, "Flat", 1), _FAST)
"""Vectors as they are while brute force is quick, then 2 bits a number."""

WINDOW_LADDER = (Rung(EXACT_ROWS, "SQ8", 4), _FAST)
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


@lru_cache
def widen_of(factory: str) -> int:
    """Candidates to take for each hit wanted from an index of that factory string, where none were measured."""
    storage = storage_of(factory)
    rungs = (*LADDER, *(rung for ladder in LADDERS.values() for rung in ladder))
    return next(rung.widen for rung in rungs if _kind(rung.storage) == _kind(storage))


def suits(rung: Rung, rows: int, factory: str) -> bool:
    """Whether an index of that factory string has what the rung wants for so many rows: its storage, and lists."""
    return _kind(rung.stores(rows)) == _kind(storage_of(factory)) and (rung.nlist(rows) == 1) == ("IVF1," in factory)


def storage_of(factory: str) -> str:
    """What the lists of a factory string hold."""
    return factory.rpartition(",")[2]


def _kind(storage: str) -> str:
    """`PQ192x4fsr` and `PQ{half}x4fsr` are of one kind, `PQ48` and `PQ{quarter}` of another."""
    return f"PQ{storage.partition('x')[2]}" if storage.startswith("PQ") else storage
