"""The groups that the page shows: files of one content, and chains of images whose vectors are nearly the same.

By the vectors alone, as fast as a page wants them; which tier a pair is of, and the pixels, are `finding`'s business.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dinosearch.analysis.duplicates.joining import LARGEST, components
from dinosearch.analysis.duplicates.scope import Nodes, Scope
from dinosearch.protocols import Progress

if TYPE_CHECKING:
    import numpy as np

    from dinosearch.collection import Collection


@dataclass(frozen=True)
class Group:
    """Images that are copies of each other.

    Attributes:
        kind: `exact` when all are files of one content, else `near`.
        ids: of the images, rising; one for `exact`.
        score: smallest cosine of all pairs; 1 for `exact`.
    """

    kind: str
    ids: tuple[int, ...]
    score: float


def find(
    collection: Collection, threshold: float = 0.95, progress: Progress | None = None, *, judged: bool = False
) -> list[Group]:
    """Group the copies: images belong together when a chain of pairs with that cosine joins them.

    Args:
        collection: opened.
        threshold: smallest cosine of a pair, in (0, 1]. What means a copy depends on the model.
        progress: told about the stage `duplicates`, in images.
        judged: also answer groups whose pairs were all said to be no duplicates.

    Returns:
        The groups, largest score first; then by their first id. Images of one content and no near copy make a group
        of kind `exact`.

    Raises:
        ValueError: a threshold out of its range.
    """
    if not 0 < threshold <= 1:
        raise ValueError(f"threshold is a cosine in (0, 1], not {threshold}")
    nodes, said = Nodes(collection, Scope()), set[tuple[int, int]]() if judged else set(collection.not_duplicates())
    groups: list[Group] = []
    for component in components(collection, nodes, threshold, largest=None, progress=progress):
        ids = nodes.ids[component]
        if not is_judged(ids.tolist(), said):
            groups.append(Group("near", tuple(ids.tolist()), _smallest(collection, ids)))
    taken = {member for group in groups for member in group.ids}
    repeated = nodes.ids[nodes.repeated].tolist()
    groups += [Group("exact", (number,), 1.0) for number in repeated if number not in taken]
    return sorted(groups, key=lambda group: (-group.score, group.ids))


def is_judged(ids: Iterable[int], said: Iterable[tuple[int, int]]) -> bool:
    """Whether all pairs of two and more images were said to be no duplicates.

    Args:
        ids: of the images.
        said: pairs that are none, each once; others may be among them.
    """
    inside = set(ids)
    seen = sum(one in inside and other in inside for one, other in said)
    return len(inside) > 1 and seen == len(inside) * (len(inside) - 1) // 2


def _smallest(collection: Collection, ids: np.ndarray) -> float:
    """The smallest cosine of all pairs, some rows against some at a time."""
    smallest = 1.0
    for low in range(0, len(ids), LARGEST):
        rows = collection.vectors(ids[low : low + LARGEST])[1]
        for start in range(low, len(ids), LARGEST):
            others = rows if start == low else collection.vectors(ids[start : start + LARGEST])[1]
            smallest = min(smallest, float((rows @ others.T).min()))
    return smallest
