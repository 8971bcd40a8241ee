"""Find the duplicates of a collection, tier by tier: each looks at what the one before would keep."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from dinosearch.analysis.duplicates.checking import CopyCheck
from dinosearch.analysis.duplicates.copying import Copying
from dinosearch.analysis.duplicates.group import EXACT, NEAR_COPY, SAME_INSTANCE, TIERS, DuplicateGroup, Found
from dinosearch.analysis.duplicates.joining import components
from dinosearch.analysis.duplicates.keeping import Keep
from dinosearch.analysis.duplicates.linking import COMPLETE, LINKS
from dinosearch.analysis.duplicates.proposing import same_content
from dinosearch.analysis.duplicates.scope import Nodes, Scope
from dinosearch.analysis.duplicates.thresholds import thresholds_of
from dinosearch.analysis.duplicates.tiers import Parts, Tiers
from dinosearch.arguments import checked
from dinosearch.errors import SettingError
from dinosearch.protocols import Progress

if TYPE_CHECKING:
    from dinosearch.collection import Collection

BATCH = 512
"""Nodes whose components are looked at together, so that their pictures are read side by side."""
USUAL = (EXACT, NEAR_COPY)


@checked
def find_duplicates(
    collection: Collection,
    *,
    tiers: Sequence[str] = USUAL,
    thresholds: Mapping[str, float] | None = None,
    link: str = COMPLETE,
    scope: Scope | None = None,
    keep: Keep | None = None,
    progress: Progress | None = None,
) -> Found:
    """Group the duplicates of a collection and propose which file of each group to keep; nothing is changed.

    Args:
        collection: opened.
        tiers: of `TIERS`: `exact` groups files of one content; `near-copy` images whose pictures were made from one
            another, which their pixels must prove; `same-instance` photos of one thing, by the cosine alone. A tier
            looks at the files that those before it would keep.
        thresholds: smallest cosines by tier, instead of those of `thresholds_of`.
        link: `complete`: all pairs of a group are near enough; `single`: chains of near pairs join a group.
        scope: which files and pairs count; None for all.
        keep: the rules for the file that is kept; None for the largest.
        progress: told about the stages `compare` and `duplicates`, in images.

    Returns:
        The groups. One whose pairs were all said to be no duplicates is left out.

    Raises:
        SettingError: an unknown tier or link, or a threshold outside (0, 1].
        FilterError: the scope's filter cannot be read.
        ImageNotFoundError: the collection was changed meanwhile; ask again.
    """
    usual = thresholds_of(collection)
    wanted = {tier: (thresholds or {}).get(tier, usual.get(tier, 1.0)) for tier in TIERS if tier in tiers}
    if unknown := set(tiers) - set(TIERS):
        raise SettingError(f"{min(unknown)} is no tier; use {', '.join(TIERS)}")
    if link not in LINKS:
        raise SettingError(f"{link} is no way to link; use {' or '.join(LINKS)}")
    if wrong := [value for value in wanted.values() if not 0 < value <= 1]:
        raise SettingError(f"a threshold is a cosine above 0 and at most 1, not {wrong[0]}; try --threshold 0.9")
    nodes, rules = Nodes(collection, scope or Scope()), keep or Keep()
    groups: list[DuplicateGroup] = []
    if EXACT in wanted:
        groups += (same_content(files, nodes.scope, rules) for _, files in nodes.members(nodes.repeated))
    with CopyCheck() as check:
        tiers_of = Tiers(nodes, wanted, link, rules, check, set(collection.not_duplicates()))
        rest = np.ones(len(nodes), bool)
        if NEAR_COPY in wanted:
            copying = Copying(collection, nodes, wanted[NEAR_COPY], check)
            for parts in _batches(collection, nodes, copying.components(progress)):
                for group in tiers_of.near_copies(parts):
                    groups.append(group)
                    rest[np.concatenate([part for part, _ in parts])] &= ~_copied(nodes, parts, group)
        if SAME_INSTANCE in wanted:
            near = components(collection, nodes, wanted[SAME_INSTANCE], among=np.flatnonzero(rest), progress=progress)
            for parts in _batches(collection, nodes, near):
                groups += tiers_of.same_instances(parts)
        groups.sort(key=lambda group: (TIERS.index(group.tier), -group.smallest, group.ids))
        used = {tier: value for tier, value in wanted.items() if tier != EXACT}
        counts = tiers_of.hidden, check.checked, tiers_of.unchecked
        return Found(tuple(groups), used, *counts, tuple(sorted(check.unread)))


def _copied(nodes: Nodes, parts: Parts, group: DuplicateGroup) -> np.ndarray:
    """(m,) bool: which nodes of some components are of the images that a group would not keep."""
    gone = [number for number in group.ids if number != group.kept.id]
    return np.isin(nodes.ids[np.concatenate([part for part, _ in parts])], gone)


def _batches(collection: Collection, nodes: Nodes, found: Iterable[np.ndarray]) -> Iterator[Parts]:
    """Components with their vectors, in lists of about `BATCH` nodes."""
    batch: list[np.ndarray] = []
    for component in chain(found, [None]):
        if component is not None:
            batch.append(component)
        if batch and (component is None or sum(map(len, batch)) >= BATCH):
            vectors = collection.vectors(nodes.ids[np.concatenate(batch)])[1]
            ends = np.cumsum([len(part) for part in batch])
            yield list(zip(batch, np.split(vectors, ends[:-1]), strict=True))
            batch = []
