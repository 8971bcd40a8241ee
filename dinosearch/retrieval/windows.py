"""Windows of an image and what is inside them: vectors pooled from one map of patch tokens. It searches nothing.

The idea of fixed regions pooled from one feature map is R-MAC's (Tolias et al. 2016, arXiv:1511.05879). Chosen with
`mini` on the half `choose` of scripts/bench_regions.py, of which no picture is in the half that is reported: tokens of
a picture at 448 pixels, windows of these four sizes, and the query seen at several small sizes, since a thing that
covers a twentieth of a photo has few pixels there.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from dinosearch.retrieval.unit import unit

QUERY_SIDES = ((96, 128, 192), (448,))
"""Pixels that a query is squashed to, before rounding to the model's patch: what is a small part of a photo has few
pixels there, what fills it as many as the photo. The vectors of a group are added up, and the better group counts."""


def _pyramid(*levels: tuple[float, int]) -> np.ndarray:
    """(w, 4) left, top, right, bottom of windows of each (side, number along an axis), row by row."""
    boxes = []
    for side, steps in levels:
        places = np.linspace(0, 1 - side, steps)
        boxes += [(x, y, x + side, y + side) for y in places for x in places]
    return np.array(boxes)


WINDOWS = _pyramid((1.0, 1), (1 / 2, 3), (1 / 3, 5), (1 / 4, 7))
"""(84, 4) float64, fractions of the image: the whole, and windows that overlap by about half."""


def pool_windows(tokens: np.ndarray, centre: np.ndarray | None) -> np.ndarray:
    """The mean of the patches in each window.

    Args:
        tokens: (h, w, d) patch tokens, not normalised.
        centre: (h, w, d) the mean token at each place of the grid over a collection, subtracted first, which also takes
            away what tokens say of their place; None where it is not known.

    Returns:
        (84, d) float32 of unit length: mean of the unit length tokens, those on an edge by the share that is inside.
    """
    centred = (tokens if centre is None else tokens - centre).reshape(-1, tokens.shape[-1]).astype(np.float32)
    # In float32, five times as fast as in float64: this is done for every image of a collection.
    lengths = np.linalg.norm(centred, axis=1, keepdims=True)
    pooled = _shares(*tokens.shape[:2]) @ (centred / np.maximum(lengths, np.float32(1e-12)))
    return unit(pooled).astype(np.float32)


def pool_query(maps: list[np.ndarray], centre: np.ndarray | None) -> np.ndarray:
    """What a window would have that shows exactly the query.

    Args:
        maps: (h, w, d) patch tokens of the query at each side of a group of `QUERY_SIDES`.
        centre: as for `pool_windows`; its mean over all places is subtracted, since the query has no place.

    Returns:
        (1, d) float32 of unit length.
    """
    mean = 0.0 if centre is None else centre.mean(axis=(0, 1), dtype=np.float64)
    pooled = [unit(unit((tokens - mean).reshape(-1, tokens.shape[-1])).mean(axis=0)) for tokens in maps]
    return unit(np.sum(pooled, axis=0, keepdims=True)).astype(np.float32)


@lru_cache(maxsize=16)
def _shares(height: int, width: int) -> np.ndarray:
    """(84, height * width) how much of each window each cell of a grid covers; rows sum to one."""
    down = _covered(WINDOWS[:, 1], WINDOWS[:, 3], height)
    across = _covered(WINDOWS[:, 0], WINDOWS[:, 2], width)
    areas = (down[:, :, None] * across[:, None, :]).reshape(len(WINDOWS), -1)
    return np.asarray(areas / areas.sum(axis=1, keepdims=True), np.float32)


def _covered(low: np.ndarray, high: np.ndarray, cells: int) -> np.ndarray:
    """(w, cells) length of each of the cells 0..1 that lies between low and high, both (w,)."""
    edges = np.arange(cells + 1) / cells
    inside = np.minimum(high[:, None], edges[1:]) - np.maximum(low[:, None], edges[:-1])
    return np.asarray(np.maximum(inside, 0.0))
