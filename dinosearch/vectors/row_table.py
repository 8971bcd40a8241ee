"""Which rows of the vector file count: the last row of each image that is neither removed nor damaged.

It looks at ids only, never at vectors.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

DENSE = 4
"""Ids up to so many times their number are looked up in an array by id, of 4 bytes each; sparser ones by bisection."""


@dataclass(frozen=True)
class RowTable:
    """A consistent picture of the rows at one moment; immutable, so that searches share it without a lock.

    Attributes:
        ids: (rows,) int64 image id of each slot.
        live: (rows,) bool, False for superseded, removed and damaged rows; None where all rows are live.
        live_count: how many are live.
        keys: (m,) int64 distinct ids, ascending.
        slots: (m,) int64 slot of the last row of each key.
    """

    ids: np.ndarray
    live: np.ndarray | None
    live_count: int
    keys: np.ndarray
    slots: np.ndarray

    @classmethod
    def of(cls, ids: np.ndarray, removed: np.ndarray, damaged: np.ndarray) -> RowTable:
        """Draw the picture.

        Args:
            ids: (rows,) int64 image ids by slot.
            removed: int64 ids of images that must not be answered.
            damaged: int64 slots to overlook, as if they had never been written.
        """
        keys, slots = _last_rows(ids, damaged)
        gone = slots[_positions(keys, removed)]
        if len(slots) == len(ids) and not len(gone):
            return cls(ids, None, len(ids), keys, slots)
        live = np.zeros(len(ids), bool)
        live[slots] = True
        live[gone] = False
        return cls(ids, live, int(np.count_nonzero(live)), keys, slots)

    @property
    def rows(self) -> int:
        return len(self.ids)

    @cached_property
    def bits(self) -> np.ndarray | None:
        """(rows / 8,) uint8 a bit for each live row, lowest first; None where all are live."""
        return None if self.live is None else np.packbits(self.live, bitorder="little")

    def find(self, ids: np.ndarray) -> np.ndarray:
        """(n,) int64 slot of each id, removed ones included; -1 where it has no row."""
        if not len(self.keys):
            return np.full(len(ids), -1, np.int64)
        if self._slot_of is not None:
            inside = (ids >= 0) & (ids < len(self._slot_of))
            return np.where(inside, self._slot_of[np.where(inside, ids, 0)], -1).astype(np.int64)
        places = np.minimum(np.searchsorted(self.keys, ids), len(self.keys) - 1)
        return np.where(self.keys[places] == ids, self.slots[places], -1)

    def live_slots(self, ids: np.ndarray) -> np.ndarray:
        """Ascending int64 slots of those of the ids that may be answered, each once."""
        slots = self.find(ids)
        if not np.all(slots[1:] > slots[:-1]):
            slots = np.unique(slots)
        slots = slots[slots >= 0]
        return slots if self.live is None else slots[self.live[slots]]

    @cached_property
    def _slot_of(self) -> np.ndarray | None:
        """(largest id + 1,) int32 slot of each id; None where the ids are sparse, or too many for 4 bytes."""
        largest = int(self.keys[-1])
        if not 0 <= largest < DENSE * len(self.keys) + 1024 or self.rows >= 1 << 31 or self.keys[0] < 0:
            return None
        table = np.full(largest + 1, -1, np.int32)
        table[self.keys] = self.slots
        return table


def _last_rows(ids: np.ndarray, damaged: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    slots = np.arange(len(ids), dtype=np.int64)
    if len(damaged):
        slots = np.delete(slots, damaged)
        ids = ids[slots]
    if np.all(ids[1:] > ids[:-1]):  # ids as the store gives them out: nothing to sort, nothing superseded
        return ids, slots
    order = np.argsort(ids, kind="stable")
    ids, slots = ids[order], slots[order]
    last = np.append(ids[1:] != ids[:-1], True)
    return ids[last], slots[last]


def _positions(keys: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    places = np.searchsorted(keys, wanted)
    inside = places < len(keys)
    places, wanted = places[inside], wanted[inside]
    return np.asarray(places[keys[places] == wanted])
