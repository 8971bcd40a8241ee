"""What the steps of a curation share: what they read, where they write, and how long work is cut into parts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from dinosearch.analysis.curation.ledger import Ledger
from dinosearch.analysis.curation.recipe import CurationRecipe
from dinosearch.analysis.curation.sources import Source, changed_since
from dinosearch.analysis.neighbours import BLOCK
from dinosearch.protocols import Progress

PART = 16 * BLOCK
"""Images whose work an interruption costs at most: 16,384, some seconds to a minute."""
NONE = -1
"""Where there is no id."""


@dataclass(frozen=True)
class Job:
    """A curation at work.

    Attributes:
        ledger: its folder.
        recipe: its settings, thresholds settled.
        pool: what is chosen from.
        against: reference sets.
        seeds: seed sets.
        progress: told about each step by its name, in images.
    """

    ledger: Ledger
    recipe: CurationRecipe
    pool: Source
    against: Sequence[Source] = ()
    seeds: Sequence[Source] = ()
    progress: Progress | None = None

    def tell(self, stage: str, done: int, total: int) -> None:
        """Pass progress on."""
        if self.progress:
            self.progress(stage, done, total)

    def check(self) -> None:
        """Raise SettingError where something that is read was changed since the job began."""
        changed_since([self.pool, *self.against, *self.seeds])

    def places(self, ids: np.ndarray) -> np.ndarray:
        """(n,) the places of ids within the pool's."""
        return np.searchsorted(self.pool.ids, ids)


def portions(count: int) -> Iterator[slice]:
    """Cut work into parts of `PART`, the last one up to twice as long.

    A part so has a whole block at its beginning, and what a search keeps from one block to the next does not depend on
    where a run began.
    """
    parts = max(1, count // PART) if count else 0
    yield from (slice(n * PART, (n + 1) * PART if n + 1 < parts else count) for n in range(parts))


def exactly(asking: int) -> bool:
    """Whether so few images ask that brute force takes no longer than the index is worth."""
    return asking < BLOCK


def few(value: np.ndarray | float) -> float:
    """A cosine as it is written: six digits, which float32 has."""
    return round(float(value), 6)


def mixed(ids: np.ndarray, seed: int, purpose: int) -> np.ndarray:
    """(n,) uint64 numbers as good as random, the same for an id, a seed and a purpose whatever the other ids are.

    SplitMix64's mixing (Steele, Lea and Flood, 2014) of the id and a number made of the other two.
    """
    start = np.asarray([(seed * 16 + purpose) & (2**64 - 1)], np.uint64)
    return _mix(np.asarray(ids).astype(np.uint64) ^ _mix(start))


def _mix(values: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        values = values + np.uint64(0x9E3779B97F4A7C15)
        values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return np.asarray(values ^ (values >> np.uint64(31)))
