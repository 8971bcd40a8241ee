"""Which rows of the vector file count: the last row of each image that is neither removed nor damaged.

It looks at ids only, never at vectors.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


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

    def find(self, ids: np.ndarray) -> np.ndarray:
        """(n,) int64 slot of each id, removed ones included; -1 where it has no row."""
        if not len(self.keys):
            return np.full(len(ids), -1, np.int64)
        places = np.minimum(np.searchsorted(self.keys, ids), len(self.keys) - 1)
        return np.where(self.keys[places] == ids, self.slots[places], -1)

    def live_slots(self, ids: np.ndarray) -> np.ndarray:
        """Ascending int64 slots of those of the ids that may be answered, each once."""
        slots = np.unique(self.find(ids))
        slots = slots[slots >= 0]
        return slots if self.live is None else slots[self.live[slots]]


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
