"""The rows that a filter leaves, in the forms that a search wants, kept while the same filter is asked again.

`plans` chooses between brute force over the subset and the index.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from dinosearch.vectors.row_table import RowTable
from dinosearch.vectors.vector_file import VectorFile
from dinosearch.vectors.vector_index import VectorIndex

GATHERED = 1 << 25
"""Numbers of a subset that are copied out of the file (128 MiB): rows side by side are read several times faster."""
AT_ONCE = 1 << 21
"""And that are copied though the filter has never been asked before, which takes 1 to 2 ms."""
MANY = 256
"""Queries asked at once that make up for a copy."""


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
        return self.table is table and np.array_equal(self.allowed, allowed)

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

    def rows(self, file: VectorFile) -> np.ndarray | None:
        """(m, dimension) float32 its vectors; None where that is not worth it."""
        if "_rows" not in self.__dict__:
            if len(self.slots) * file.dimension > (GATHERED if self.__dict__.get("_pays") else AT_ONCE):
                return None
            self.__dict__["_rows"] = file.read(self.slots)
        return np.asarray(self.__dict__["_rows"])

    def asked(self, queries: int) -> bool:
        """Note that so many queries are asked of it; whether it pays to copy its rows, for many or after others."""
        self.__dict__["_pays"] = "_pays" in self.__dict__ or queries >= MANY
        return bool(self.__dict__["_pays"])

    def held(self, index: VectorIndex) -> tuple[np.ndarray, np.ndarray]:
        """(nlist,) its rows in each list of the index, and (nlist,) all the rows of each."""
        known = self.__dict__.get("_held")
        if known is None or known[0] is not index or known[1] != index.covers:
            known = self.__dict__["_held"] = (index, index.covers, index.held(self.slots), index.sizes)
        return known[2], known[3]
