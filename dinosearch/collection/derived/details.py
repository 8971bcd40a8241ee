"""The kinds of rows that are made of patch tokens, as data: how their basis is learned and how rows are made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from dinosearch.collection.derived.basis import Basis
from dinosearch.errors import SettingError
from dinosearch.retrieval.unit import unit
from dinosearch.retrieval.whitening import PCA, VECTORS_PER_DIMENSION
from dinosearch.retrieval.windows import WINDOWS, pool_windows

Parts = Callable[[np.ndarray, "np.ndarray | None"], np.ndarray]
"""(tokens (h, w, d), centre (h, w, d) or None) -> (n, d) float32 rows of unit length, before any basis."""


def patches(tokens: np.ndarray, centre: np.ndarray | None) -> np.ndarray:
    """Each patch token, centred."""
    centred = tokens if centre is None else tokens - centre
    return unit(centred.reshape(-1, tokens.shape[-1])).astype(np.float32)


@dataclass(frozen=True)
class Detail:
    """One kind.

    Attributes:
        kind: its name in `records.KINDS`.
        side: pixels that pictures are squashed to, before rounding to the model's patch.
        parts: what the rows are made of.
        dimensions: principal components kept at most.
        power: how far they are whitened.
        count: rows of an image; with one, its parts stand in it behind each other.
        indexed: whether rows are searched.
    """

    kind: str
    side: int
    parts: Parts
    dimensions: int
    power: float
    count: int
    indexed: bool

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

    def rows(self, tokens: np.ndarray, basis: Basis) -> np.ndarray:
        """(1 or n, dimension) float32 rows of unit length of one image."""
        rows = basis.apply(self.parts(tokens, basis.centre))
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
