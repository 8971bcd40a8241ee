"""The rows that a filter leaves, in the forms that a search wants, kept while the same filter is asked again.

`plans` chooses between brute force over the subset and the index.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from dinosearch.vectors.row_table import RowTable
from dinosearch.vectors.vector_file import UNIT_TOLERANCE, VectorFile
from dinosearch.vectors.vector_index import VectorIndex

COPIED_ROWS, COPIED_NUMBERS = 64_000, 1 << 25
"""Most rows of a subset that are copied out of the file, and most numbers (128 MiB): side by side they are read several
times faster, and more of them take longer than the index does (1.3 ms against 1.3 to 2.4, 384 numbers, one thread)."""
PAID = 500
"""Rows whose copy a query makes up for: to copy a row takes 0.3 to 1.4 microseconds, and a query gains 0.1 to 1 ms."""


@dataclass(frozen=True)
class Subset:
    """Immutable, so that searches share it; what is wanted is made once.

    Attributes:
        table: the rows at that moment.
        allowed: int64 ids that the filter leaves, as they were given.
        slots: (m,) int64 their live slots, ascending.
    """

    table: RowTable
    allowed: np.ndarray
    slots: np.ndarray

    @classmethod
    def of(cls, table: RowTable, allowed: np.ndarray) -> Subset:
        """Look the ids up."""
        return cls(table, allowed, table.live_slots(allowed))

    def answers(self, table: RowTable, allowed: np.ndarray) -> bool:
        """Whether it is the subset of these ids in that table."""
        return self.table is table and self.allowed.shape == allowed.shape and bool((self.allowed == allowed).all())

    @cached_property
    def live(self) -> np.ndarray:
        """(rows,) bool."""
        live = np.zeros(self.table.rows, bool)
        live[self.slots] = True
        return live

    @cached_property
    def bits(self) -> np.ndarray:
        """(rows / 8,) uint8 a bit for each row, lowest first."""
        return np.packbits(self.live, bitorder="little")

    def rows(self, file: VectorFile, queries: int) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
        """Copies of its vectors for so many queries more; None while they have not paid, or where one is damaged.

        Returns:
            rows: (m, dimension) float32.
            slots: (m,) int64 of each.
            ids: (m,) int64 of each.
        """
        known: tuple[np.ndarray, np.ndarray, np.ndarray] | None = self.__dict__.get("_rows")
        if known is None:
            asked = self.__dict__["_asked"] = self.__dict__.get("_asked", 0) + queries
            if 0 < len(self.slots) <= min(COPIED_ROWS, COPIED_NUMBERS // file.dimension, PAID * (asked - 1)):
                rows = file.read(self.slots)
                if not _all_of_unit_length(rows):
                    self.__dict__["_asked"] = -(1 << 60)  # not again
                    return None
                known = self.__dict__["_rows"] = rows, self.slots, self.table.ids[self.slots]
        return known

    def held(self, index: VectorIndex) -> tuple[np.ndarray, np.ndarray]:
        """(nlist,) its rows in each list of the index, and (nlist,) all the rows of each."""
        known = self.__dict__.get("_held")
        if known is None or known[0] is not index or known[1] != index.covers:
            known = self.__dict__["_held"] = (index, index.covers, index.held(self.slots), index.sizes)
        return known[2], known[3]


def _all_of_unit_length(rows: np.ndarray) -> bool:
    """Whether products with them are numbers; what else is wrong with a row its checksum tells once it is answered."""
    with np.errstate(all="ignore"):
        return bool((np.abs(np.einsum("md,md->m", rows, rows) - 1) < 3 * UNIT_TOLERANCE).all())
