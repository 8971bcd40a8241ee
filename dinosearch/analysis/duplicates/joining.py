"""The self-join: which images of a collection are so near to each other that they may be duplicates.

Each image asks the index for its neighbours, so that the time rises with the images and not with their square; of some
ten thousand images all pairs are compared, which is faster (`multiplying`). What is kept is a number for each node;
pairs are looked at and forgotten, and asked for again where a component is taken apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from dinosearch.analysis.components import DisjointSets
from dinosearch.analysis.duplicates.multiplying import fits, join_near
from dinosearch.analysis.duplicates.scope import Nodes
from dinosearch.analysis.neighbours import BLOCK, DEEPER, EQUAL, Pairs, neighbours
from dinosearch.protocols import Progress

if TYPE_CHECKING:
    from dinosearch.collection import Collection

NEIGHBOURS = 16
"""Neighbours that an image asks for at first; it asks for four times as many while all of them are near enough."""
DEEPEST = 1024
"""Neighbours at most. An image with more of them is joined to the rest of its crowd by those."""
LARGEST = 2048
"""Nodes of a component whose pairs are all computed at once: 17 MB of cosines, and as much again for the links."""


def components(
    collection: Collection,
    nodes: Nodes,
    threshold: float,
    *,
    among: np.ndarray | None = None,
    largest: int | None = LARGEST,
    progress: Progress | None = None,
) -> Iterator[np.ndarray]:
    """Nodes that chains of near pairs join.

    Args:
        collection: opened.
        nodes: what is in the scope.
        threshold: smallest cosine of a pair.
        among: (m,) rising nodes that are looked at; None for all.
        largest: nodes of a component from which on it is cut where its chains are weakest; None never cuts.
        progress: told about the stage `duplicates`, in images.

    Yields:
        (m,) rising nodes, two at least, in the order of the first of them.
    """
    looked_at = np.arange(len(nodes)) if among is None else among
    if not len(looked_at):
        return
    for component in _joined(collection, nodes, looked_at, threshold, progress):
        yield from [component] if largest is None else _cut(collection, nodes, component, threshold, largest)


def _cut(
    collection: Collection, nodes: Nodes, component: np.ndarray, threshold: float, largest: int
) -> Iterator[np.ndarray]:
    """A component as parts of at most so many nodes: joined by nearer pairs only, in the end by their numbers."""
    if len(component) <= largest:
        yield component
    elif threshold >= EQUAL:  # so many equal vectors
        for low in range(0, len(component), largest):
            yield component[low : low + largest]
    else:
        nearer = (1 + threshold) / 2 if threshold < 0.9999 else 1.0
        for part in _joined(collection, nodes, component, nearer, None):
            yield from _cut(collection, nodes, part, nearer, largest)


def _joined(
    collection: Collection, nodes: Nodes, among: np.ndarray, threshold: float, progress: Progress | None
) -> Iterator[np.ndarray]:
    """The components of some nodes, of two and more."""
    ids, sets = np.unique(nodes.ids[among]), DisjointSets(len(nodes))
    if nodes.scope.is_all and fits(collection, ids):
        join_near(collection, ids, min(threshold, EQUAL), sets, among, progress or (lambda *_: None))
        yield from of_several(sets, among)
        return
    # A search that may answer everything needs no list of it.
    whole = len(among) == len(nodes) and not nodes.scope.narrow
    inside = np.zeros(len(nodes), bool)
    inside[among] = True
    for found in _near(collection, ids, None if whole else ids, min(threshold, EQUAL), NEIGHBOURS, progress):
        for first, second in nodes.pairs(found.first, found.second):
            both = inside[first] & inside[second]
            sets.join(first[both], second[both])
    yield from of_several(sets, among)


def of_several(sets: DisjointSets, members: np.ndarray) -> Iterator[np.ndarray]:
    """The sets of two and more among rising members, each rising, in the order of the first of them."""
    roots = sets.roots()[members]
    order = np.argsort(roots, kind="stable")
    starts = np.flatnonzero(np.diff(roots[order], prepend=-1))
    for start, end in zip(starts.tolist(), [*starts[1:].tolist(), len(order)], strict=True):
        if end - start > 1:
            yield members[order[start:end]]


def _near(
    collection: Collection,
    ids: np.ndarray,
    among: np.ndarray | None,
    least: float,
    depth: int,
    progress: Progress | None = None,
) -> Iterator[Pairs]:
    """Pairs of images that are near enough; one whose neighbours all are asks for more of them."""
    block = max(1, BLOCK * NEIGHBOURS // depth)
    for found in neighbours(
        collection, depth, ids=ids, among=among, block=block, progress=progress, stage="duplicates"
    ):
        yield found.pairs(least)
        full = (found.near[:, -1] >= 0) & (found.cosines[:, -1] >= least)
        if depth < DEEPEST and full.any():
            yield from _near(collection, found.ids[full], among, least, DEEPER * depth)
