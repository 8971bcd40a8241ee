"""The groups inside components: near copies first, then photos of one thing among what those would keep."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from dinosearch.analysis.duplicates.checking import CopyCheck, Pair
from dinosearch.analysis.duplicates.group import NEAR_COPY, SAME_INSTANCE, DuplicateGroup
from dinosearch.analysis.duplicates.keeping import Keep
from dinosearch.analysis.duplicates.likeness import Likeness, change
from dinosearch.analysis.duplicates.linking import IGNORED, NEVER, linked
from dinosearch.analysis.duplicates.proposing import alike
from dinosearch.analysis.duplicates.pyramid import inverse
from dinosearch.analysis.duplicates.scope import File, Nodes
from dinosearch.analysis.neighbours import EQUAL

CHECKS = 100
"""Pairs of an image that are compared to complete a group, the nearest first: a crowd of copies must not cost its
square."""
Words = Callable[[File, File], str]
Parts = Sequence[tuple[np.ndarray, np.ndarray]]


@dataclass
class _Component:
    """Images that chains of near pairs join; pairs are of places in it.

    Attributes:
        ids: (m,) int64 of the images.
        files: of each, those in the scope.
        cosines: (m, m) float32.
        compared: (m, m) bool, the pairs that the scope lets count.
        copies: those that are copies, the smaller id first.
    """

    ids: np.ndarray
    files: list[list[File]]
    cosines: np.ndarray
    compared: np.ndarray
    copies: dict[Pair, Likeness] = field(default_factory=dict)


class Tiers:
    """Groups components; keeps nothing of them.

    Args:
        nodes: what is in the scope.
        thresholds: smallest cosine of each tier that is asked for.
        link: how groups are linked.
        keep: rules for the file that is kept.
        check: compares pictures.
        judged: pairs of image ids, the smaller first, that are no duplicates.

    Attributes:
        hidden: groups left out so far, as all of their pairs are judged.
        unchecked: pairs left out so far, see `CHECKS`.
    """

    def __init__(
        self,
        nodes: Nodes,
        thresholds: Mapping[str, float],
        link: str,
        keep: Keep,
        check: CopyCheck,
        judged: set[Pair],
    ) -> None:
        self._nodes, self._link, self._keep, self._check, self._judged = nodes, link, keep, check, judged
        self._thresholds = {tier: min(value, EQUAL) for tier, value in thresholds.items()}
        self.hidden = self.unchecked = 0

    def near_copies(self, parts: Parts) -> Iterator[DuplicateGroup]:
        """The groups of copies in components that pairs of copies join.

        Args:
            parts: the (m,) nodes of each component, and their (m, d) float32 vectors.
        """
        components = self._components(parts)
        self._look(components)
        for component in components:
            yield from self._near(component)

    def same_instances(self, parts: Parts) -> Iterator[DuplicateGroup]:
        """The groups of photos of one thing in components that near pairs join; the argument is that of the other."""
        for component in self._components(parts):
            near = component.cosines >= self._thresholds[SAME_INSTANCE]
            yield from self._linked(SAME_INSTANCE, component, component.cosines, near, lambda *_: "")

    def _components(self, parts: Parts) -> list[_Component]:
        files = dict(self._nodes.members(np.concatenate([nodes for nodes, _ in parts])))
        return [self._component(nodes, vectors, files) for nodes, vectors in parts]

    def _component(self, nodes: np.ndarray, vectors: np.ndarray, files: Mapping[int, list[File]]) -> _Component:
        there = np.array([int(node) in files for node in nodes])  # the others were removed meanwhile
        nodes, wide = nodes[there], vectors[there].astype(np.float64)
        cosines = np.clip(wide @ wide.T, -1, 1).astype(np.float32)
        compared = self._nodes.compared(nodes[:, None], nodes[None, :])
        return _Component(self._nodes.ids[nodes], [files[int(node)] for node in nodes], cosines, compared)

    def _look(self, components: Sequence[_Component]) -> None:
        """Find out which of the pairs that are near enough are copies, those included that nobody asked for yet."""
        pairs: list[tuple[float, Pair]] = []
        files: dict[int, list[File]] = {}
        owners: dict[int, _Component] = {}
        for component in components:
            near = component.compared & (component.cosines >= self._thresholds[NEAR_COPY])
            rows, columns = np.nonzero(np.triu(near, 1))
            ids = np.sort(np.stack([component.ids[rows], component.ids[columns]], axis=1), axis=1)
            scores = component.cosines[rows, columns].tolist()
            pairs += ((score, (one, other)) for score, (one, other) in zip(scores, ids.tolist(), strict=True))
            numbers = component.ids.tolist()
            files |= dict(zip(numbers, component.files, strict=True))
            owners |= dict.fromkeys(numbers, component)
        known = {pair: self._check.known[pair] for _, pair in pairs if pair in self._check.known}
        open_ = sorted((-score, pair) for score, pair in pairs if pair not in known)
        known |= self._check.copies(self._bounded(pair for _, pair in open_), files)
        for pair, likeness in known.items():
            owners[pair[0]].copies[pair] = likeness

    def _near(self, component: _Component) -> Iterator[DuplicateGroup]:
        copies = component.copies
        places = {number: place for place, number in enumerate(component.ids.tolist())}
        proven = np.zeros(component.compared.shape, bool)
        for one, other in copies:
            proven[places[one], places[other]] = proven[places[other], places[one]] = True

        def words(kept: File, other: File) -> str:
            found = copies.get((kept["id"], other["id"])) or copies.get((other["id"], kept["id"]))
            if found is None:
                return ""
            matrix = found.matrix if kept["id"] < other["id"] else inverse(found.matrix)
            return change(matrix, *((file["width"], file["height"]) for file in (kept, other)))

        cosines = np.where(proven, component.cosines, np.float32(NEVER))
        yield from self._linked(NEAR_COPY, component, cosines, proven, words)

    def _linked(
        self,
        tier: str,
        component: _Component,
        cosines: np.ndarray,
        proven: np.ndarray,
        words: Words,
    ) -> Iterator[DuplicateGroup]:
        """The groups of one tier in a component."""
        asked = np.where(component.compared, cosines, np.float32(IGNORED))
        for places in linked(asked, self._thresholds[tier], self._link):
            square = np.ix_(places, places)
            compared = component.compared[square]
            if self._is_judged(component.ids[places], compared):
                self.hidden += 1
                continue
            files = [self._keep.first(component.files[place]) for place in places]
            yield alike(tier, files, component.cosines[square], compared, proven[square], self._keep, words)

    def _bounded(self, pairs: Iterable[Pair]) -> list[Pair]:
        counts: Counter[int] = Counter()
        chosen = []
        for pair in pairs:
            if all(counts[image] < CHECKS for image in pair):
                counts.update(pair)
                chosen.append(pair)
            else:
                self.unchecked += 1
        return chosen

    def _is_judged(self, ids: np.ndarray, compared: np.ndarray) -> bool:
        rows, columns = np.nonzero(np.triu(compared, 1))
        pairs = zip(ids[rows].tolist(), ids[columns].tolist(), strict=True)
        return all((min(pair), max(pair)) in self._judged for pair in pairs)
