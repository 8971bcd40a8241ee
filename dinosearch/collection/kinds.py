"""What generations of a home are called, and which rows images have in them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from dinosearch.records import Generation

IMAGES, REFINED, REGIONS, PATCHES = "images", "refined", "regions", "patches"
TEXT, DIFFUSION = "text", "diffusion"
NEXT, KEPT = "next-", "kept-"
"""The sides of a home that do not answer queries: kinds that are being made with another model begin with `next-`,
those of the model before, kept for going back, with `kept-`. The side that answers has no such beginning."""

STATES = {"": "answering", NEXT: "being made", KEPT: "kept for going back"}
"""What is said of each side; "" is the one that answers."""


def kinds_of(held: Iterable[str], side: str) -> list[str]:
    """Those of the kinds that a side has, without its beginning."""
    return [kind.removeprefix(side) for kind in held if (kind.startswith(side) if side else not is_aside(kind))]


def without_side(kind: str) -> str:
    """What a kind is called on the side that answers."""
    return kind.removeprefix(NEXT).removeprefix(KEPT)


def is_aside(kind: str) -> bool:
    """Whether generations of this kind belong to a model that does not answer queries."""
    return kind.startswith((NEXT, KEPT))


def row_ids(image_ids: np.ndarray, generation: Generation) -> np.ndarray:
    """(n * rows an image,) int64 ids of the rows that images have in a generation.

    An image has one row, with its own id, but for kinds whose recipe says `rows` of them: row r of image i is then
    i * rows + r.
    """
    each = int(generation.recipe.get("rows", 1))
    ids: np.ndarray = (np.asarray(image_ids, np.int64)[:, None] * each + np.arange(each)).reshape(-1)
    return ids


def image_ids(rows: np.ndarray, generation: Generation) -> np.ndarray:
    """(n,) int64 the image that each row id of a generation is of."""
    return np.asarray(rows, np.int64) // int(generation.recipe.get("rows", 1))
