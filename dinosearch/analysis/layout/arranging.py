"""Where pictures go on a map so that none covers another, and which of many are shown."""

from __future__ import annotations

import math

import numpy as np

_FILLED = 0.45
"""Of the cells, where all images have one: the paper between them shows the groups."""

_APART = 0.85
"""Of the mean spacing, that images are moved apart to."""
_ROUNDS = 100


def grid_for(count: int, most: int, aspect: float) -> tuple[int, int]:
    """Columns and rows: as few cells as leave more than half of them free, but not more than `most`.

    Args:
        count: images.
        most: cells.
        aspect: width over height.
    """
    cells = min(most, max(1, round(count / _FILLED)))
    rows = max(1, round(math.sqrt(cells / aspect)))
    return max(1, math.ceil(cells / rows)), rows


def snapped(xy: np.ndarray, grid: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """A cell of its own for every image, near to where it lies; or, where they are too many, for one of each cell.

    Where all have room, they take their cells in the order of how crowded it is around them, the most crowded first:
    they take the nearest one that is free. Where images are more than `_FILLED` of the cells, each cell shows the image
    nearest to its middle.

    Args:
        xy: (n, 2) in 0..1.
        grid: columns and rows.

    Returns:
        (m,) int64 places among the images, and (m, 2) int64 columns and rows.
    """
    size = np.array(grid)
    at = np.clip(_stretched(xy), 0, 1) * (size - 1)
    if len(xy) > 1.2 * _FILLED * size.prod():
        return _representatives(at, grid)
    free = np.stack(np.meshgrid(np.arange(grid[0]), np.arange(grid[1]), indexing="xy"), axis=-1).reshape(-1, 2)
    middle, open_ = free.astype(np.float64), np.ones(len(free), bool)
    cells = np.empty((len(xy), 2), np.int64)
    for place in _crowded_first(at):
        away = ((middle - at[place]) ** 2).sum(axis=1)
        away[~open_] = np.inf
        taken = int(away.argmin())
        open_[taken] = False
        cells[place] = free[taken]
    return np.arange(len(xy)), cells


def spread(xy: np.ndarray, count: int) -> np.ndarray:
    """Images all over the map, each as far as can be from those before it (farthest-point sampling).

    Args:
        xy: (n, 2).
        count: images wanted.

    Returns:
        (min(n, count),) int64 places, the first the nearest to the middle; their beginning is spread as well.
    """
    found = np.empty(min(len(xy), count), np.int64)
    if not len(found):
        return found
    points = xy.astype(np.float32)
    found[0] = int(((points - 0.5) ** 2).sum(axis=1).argmin())
    away = np.full(len(points), np.inf, np.float32)
    for number in range(1, len(found)):
        np.minimum(away, ((points - points[found[number - 1]]) ** 2).sum(axis=1), out=away)
        away[found[number - 1]] = -1  # images on one spot are all taken in the end
        found[number] = int(away.argmax())
    return found


def parted(xy: np.ndarray, aspect: float) -> np.ndarray:
    """The images moved apart where they would cover each other, each as little as possible; the whole keeps its shape.

    Pairs that are nearer than `_APART` of the mean spacing push each other away, by half of what is missing, again and
    again; takes time by the square of the images.

    Args:
        xy: (n, 2) in 0..1.
        aspect: width over height of what the plane is drawn on.

    Returns:
        (n, 2) float32 in 0..1.
    """
    if len(xy) < 2:
        return xy.astype(np.float32)
    at = (_stretched(xy) * (aspect, 1)).astype(np.float32)
    # Images on one spot part in directions of their own, the same in every run.
    angles = np.arange(len(at)) * 2.399963  # the golden angle
    at += 1e-4 * np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    least = _APART * math.sqrt(aspect / len(at))
    for _ in range(_ROUNDS):
        pushes = np.zeros_like(at)
        for low in range(0, len(at), 256):
            away = at[low : low + 256, None] - at[None]
            lengths = np.maximum(np.linalg.norm(away, axis=2), 1e-9)
            missing = np.where(lengths < least, (least - lengths) / lengths, 0)
            pushes[low : low + 256] = (away * missing[..., None]).sum(axis=1)
        # In a crowd all pushes together would throw an image across the others.
        strong = np.linalg.norm(pushes, axis=1, keepdims=True)
        at += pushes * np.minimum(0.25, 0.25 * least / np.maximum(strong, 1e-9))
    low_end, high_end = at.min(axis=0), at.max(axis=0)
    found: np.ndarray = ((at - low_end) / np.maximum(high_end - low_end, 1e-9)).astype(np.float32)
    return found


def _stretched(xy: np.ndarray) -> np.ndarray:
    """Both axes from 0 to 1: the plane's own shape says nothing."""
    low, high = xy.min(axis=0), xy.max(axis=0)
    return np.where(high > low, (xy - low) / np.maximum(high - low, 1e-12), 0.5)


def _crowded_first(at: np.ndarray) -> np.ndarray:
    """Places by the number of images within a cell and a half, most first."""
    near = np.array([int((((at - one) ** 2).sum(axis=1) < 2.25).sum()) for one in at])
    return np.lexsort((np.arange(len(at)), -near))


def _representatives(at: np.ndarray, grid: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    cells = np.rint(at).astype(np.int64)
    away = ((at - cells) ** 2).sum(axis=1)
    cell = cells[:, 1] * grid[0] + cells[:, 0]
    order = np.lexsort((np.arange(len(at)), away, cell))
    _, first = np.unique(cell[order], return_index=True)
    chosen = order[first]
    return chosen, cells[chosen]
