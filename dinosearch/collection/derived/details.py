"""The kinds of rows that are made of tokens: what each needs to begin, and how an image's rows are made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from dinosearch.collection.derived.basis import Basis
from dinosearch.errors import SettingError
from dinosearch.records import Generation
from dinosearch.retrieval.unit import unit
from dinosearch.retrieval.whitening import PCA, VECTORS_PER_DIMENSION
from dinosearch.retrieval.windows import WINDOWS, pool_windows

Parts = Callable[[np.ndarray, "np.ndarray | None"], np.ndarray]
"""(tokens (h, w, d), centre (h, w, d) or None) -> (n, d) float32 rows of unit length, before any basis."""


SAMPLE, LEAST = 256, 16
"""Images that a basis is learned on, and the fewest that say what tokens look like on average."""
GROWTH = 4
"""A basis learned on fewer images than `SAMPLE` is learned anew when there are so many times more."""


@dataclass(frozen=True)
class Begun:
    """What a generation begins with.

    Attributes:
        dimension: length of its rows.
        recipe: JSON-ready; `rows` of an image are always in it.
        basis: what rows go through.
    """

    dimension: int
    recipe: dict[str, Any]
    basis: Basis | None = None


class Rows(Protocol):
    """A kind of rows that is made of each image's tokens.

    Attributes:
        kind: its name in `records.KINDS`.
        side: pixels that pictures are squashed to, before rounding to the model's patch.
        indexed: whether rows are searched.
    """

    @property
    def kind(self) -> str: ...

    @property
    def side(self) -> int: ...

    @property
    def indexed(self) -> bool: ...

    def is_current(self, generation: Generation, images: int) -> bool:
        """Whether rows can go on being added to what there is, of that many images."""
        ...

    def begin(self, sample: Callable[[], tuple[list[Any], int]]) -> Begun | None:
        """What a generation begins with; None without any image that can be read.

        Args:
            sample: gives the tokens of some images from everywhere, and how many were asked for; it takes its time.
        """
        ...

    def rows(self, tokens: Any, basis: Basis) -> np.ndarray:
        """(rows of an image, dimension) float32 of unit length, of an embedder's tokens of it."""
        ...


def patches(tokens: np.ndarray, centre: np.ndarray | None) -> np.ndarray:
    """Each patch token, centred."""
    centred = tokens if centre is None else tokens - centre
    return unit(centred.reshape(-1, tokens.shape[-1])).astype(np.float32)


@dataclass(frozen=True)
class Detail:
    """Rows of patch tokens in a basis that is learned on the collection.

    Attributes:
        kind, side, indexed: as in `Rows`.
        parts: what the rows are made of.
        dimensions: principal components kept at most.
        power: how far they are whitened.
        count: rows of an image; with one, its parts stand in it behind each other.
    """

    kind: str
    side: int
    parts: Parts
    dimensions: int
    power: float
    count: int
    indexed: bool

    def is_current(self, generation: Generation, images: int) -> bool:
        # What was asked for, not what could be read: an unreadable file must not make every run begin anew.
        sampled = int(generation.recipe["sampled"])
        same = generation.recipe["side"] == self.side and generation.recipe["rows"] == self.count
        return same and (sampled >= SAMPLE or images < GROWTH * sampled)

    def begin(self, sample: Callable[[], tuple[list[Any], int]]) -> Begun | None:
        tokens, sampled = sample()
        if not tokens:
            return None
        maps = [one.patches for one in tokens]
        basis = self.learn(maps, len(maps) >= LEAST)
        count, dimension = self.rows(tokens[0], basis).shape
        grid = list(maps[0].shape[:2])
        recipe = {"rows": count, "learned_on": len(maps), "sampled": sampled, "side": self.side, "grid": grid}
        return Begun(dimension, recipe, basis)

    def learn(self, maps: Sequence[np.ndarray], centred: bool) -> Basis:
        """A basis from the token maps of a sample of images, all of one grid.

        Args:
            maps: (h, w, d) each.
            centred: whether there are enough of them to say what a token is at each place on average.
        """
        centre: np.ndarray | None = None
        if centred:
            centre = np.asarray(np.mean(maps, axis=0, dtype=np.float64), np.float32)
        rows = np.concatenate([self.parts(tokens, centre) for tokens in maps])
        width = rows.shape[1]
        dimensions = max(1, min(self.dimensions, width, len(rows) // VECTORS_PER_DIMENSION))
        try:
            pca = PCA.fit(rows, dimensions, self.power)
        except SettingError:  # images of one colour: there are no directions in which they differ
            pca = PCA(np.zeros(width, np.float32), np.eye(width, dimensions, dtype=np.float32))
        return Basis(pca, centre)

    def rows(self, tokens: Any, basis: Basis) -> np.ndarray:
        rows = basis.apply(self.parts(tokens.patches, basis.centre))
        if self.count > 1:
            return rows
        return np.asarray(rows.reshape(1, -1) / np.sqrt(len(rows)), np.float32)


DETAILS = {
    detail.kind: detail
    for detail in (
        Detail("regions", 448, pool_windows, 96, power=0.5, count=len(WINDOWS), indexed=True),
        Detail("patches", 224, patches, 64, power=0.0, count=1, indexed=False),
    )
}
"""By kind."""
