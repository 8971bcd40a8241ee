"""Nearest neighbours of every image of a collection, a block at a time: what joins of a collection are made of.

The index finds the candidates and the stored vectors give the cosines, so that it does not matter which image of a pair
asked. Only a block is in memory: a caller may stop after any of them and go on behind it later.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dinosearch.protocols import Progress

if TYPE_CHECKING:
    from dinosearch.collection import Collection

BLOCK = 1024
"""Images that ask at a time: their vectors, neighbours and candidates take some 10 MB at 64 neighbours."""
USUAL = 64
"""Neighbours that an image is asked for, as LVD-142M's self-deduplication has it (DINOv2, appendix A)."""
DEEPER = 4
"""How many times as many neighbours an image asks for that has nothing but near ones."""
EQUAL = 1 - 1e-6
"""A cosine of equal vectors may be a little less than 1 in float32."""


@dataclass(frozen=True)
class Neighbours:
    """The answer to a block of images.

    Attributes:
        ids: (n,) int64 of the images that asked.
        near: (n, k) int64 ids of their neighbours, nearest first, ties by smaller id; -1 behind the last.
        cosines: (n, k) float32 of the stored vectors; -inf where there is no neighbour.
    """

    ids: np.ndarray
    near: np.ndarray
    cosines: np.ndarray

    def pairs(self, threshold: float) -> Pairs:
        """The pairs with that cosine or more, in the order of those who asked, nearest first."""
        row, column = np.nonzero((self.near >= 0) & (self.cosines >= threshold))
        return Pairs(self.ids[row], self.near[row, column], self.cosines[row, column])


@dataclass(frozen=True)
class Pairs:
    """Pairs of images; one of two images that both asked may stand here twice, once in either direction.

    Attributes:
        first: (m,) int64 who asked.
        second: (m,) int64 who was found.
        cosines: (m,) float32.
    """

    first: np.ndarray
    second: np.ndarray
    cosines: np.ndarray


def neighbours(
    collection: Collection,
    k: int,
    *,
    asking: Collection | None = None,
    ids: np.ndarray | None = None,
    among: np.ndarray | None = None,
    exact: bool = False,
    block: int = BLOCK,
    progress: Progress | None = None,
    stage: str = "neighbours",
) -> Iterator[Neighbours]:
    """Let images ask for their nearest, a block of them at a time.

    Args:
        collection: where the neighbours are looked for.
        k: neighbours wanted of each, at least 1.
        asking: the collection whose images ask, made with the same model; None for `collection` itself, where an image
            is not its own neighbour.
        ids: (n,) int64 of the images that ask, in the order of the answers; None for all of `asking`, rising.
        among: int64 ids that may be answered; None for all of `collection`.
        exact: brute force instead of the index.
        block: images a block.
        progress: told about the stage, in images, before each block and at the end.
        stage: its name.

    Yields:
        The blocks. Where vectors were refined, the refined ones find the neighbours, and the cosines are still those of
        the stored vectors.

    Raises:
        ImageNotFoundError: an image that asks was removed meanwhile.
    """
    source = asking or collection
    asked = source.ids() if ids is None else np.asarray(ids, np.int64)
    refined = collection.is_refined
    for low in range(0, len(asked), block):
        if progress:
            progress(stage, low, len(asked))
        part = asked[low : low + block]
        vectors = source.vectors(part)[1]
        near, cosines = collection.rank(vectors, k + (asking is None), ids=among, exact=exact)
        if refined:
            near, cosines = _as_stored(collection, vectors, near)
        if asking is None:
            near, cosines = _without_itself(part, near, cosines)
        yield Neighbours(part, near, cosines)
    if progress:
        progress(stage, len(asked), len(asked))


def pairs(
    collection: Collection,
    threshold: float,
    *,
    asking: Collection | None = None,
    ids: np.ndarray | None = None,
    among: np.ndarray | None = None,
    exact: bool = False,
    progress: Progress | None = None,
    stage: str = "neighbours",
    depth: int = USUAL,
) -> Iterator[Pairs]:
    """All pairs of images with that cosine or more that the index finds; what is not said here is as in `neighbours`.

    An image whose neighbours are all that near is asked again for four times as many, and so on. A threshold of 1 takes
    equal vectors, whose cosine may be 1e-6 less.
    """
    least, block = min(threshold, EQUAL), max(1, BLOCK * USUAL // depth)  # as many cells at a time, however deep
    for found in neighbours(
        collection,
        depth,
        asking=asking,
        ids=ids,
        among=among,
        exact=exact,
        block=block,
        progress=progress,
        stage=stage,
    ):
        full = (found.near[:, -1] >= 0) & (found.cosines[:, -1] >= least)
        yield Neighbours(found.ids[~full], found.near[~full], found.cosines[~full]).pairs(least)
        if full.any():
            again, deeper = found.ids[full], DEEPER * depth
            yield from pairs(collection, least, asking=asking, ids=again, among=among, exact=exact, depth=deeper)


def _as_stored(collection: Collection, vectors: np.ndarray, near: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same neighbours with the cosines of the stored vectors, in their order."""
    cosines = np.full(near.shape, -np.inf, np.float32)
    for row, (vector, ids) in enumerate(zip(vectors.astype(np.float64), near, strict=True)):
        there = ids >= 0
        cosines[row, there] = np.einsum("nd,d->n", collection.vectors(ids[there])[1], vector)
    order = np.lexsort((near, -cosines), axis=1)
    return np.take_along_axis(near, order, 1), np.take_along_axis(cosines, order, 1)


def _without_itself(ids: np.ndarray, near: np.ndarray, cosines: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """One column less: without the image that asked, or without the last where it is not among them."""
    itself = near == ids[:, None]
    itself[~itself.any(axis=1), -1] = True
    shape = len(ids), near.shape[1] - 1
    return near[~itself].reshape(shape), cosines[~itself].reshape(shape)
