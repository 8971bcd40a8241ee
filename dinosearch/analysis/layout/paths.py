"""One path for each image of a collection, of those that its content has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from dinosearch.collection import Collection

_STEP = 200  # ids in one filter, which takes 250 values
_MANY = 10_000  # ids, from which on all files are read once


def first_paths(collection: Collection, ids: np.ndarray | None = None) -> dict[int, str]:
    """The first path of each image, in the order of the alphabet.

    Args:
        collection: opened.
        ids: of the images wanted; None for all. One that has left the collection has no path here.
    """
    found: dict[int, str] = {}
    wanted = None if ids is None else set(ids.tolist())
    for where in [None] if ids is None or len(ids) > _MANY else _filters(ids):
        for file in collection.files(where):
            if wanted is None or file["id"] in wanted:
                found.setdefault(file["id"], str(file["path"]))
    return found


def _filters(ids: np.ndarray) -> list[str]:
    numbers = np.unique(np.asarray(ids, np.int64)).tolist()
    parts = [numbers[low : low + _STEP] for low in range(0, len(numbers), _STEP)]
    return [f"id in ({', '.join(map(str, part))})" for part in parts]
