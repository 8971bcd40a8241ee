"""The log-binned descriptors of Amir et al. (2021, arXiv:2112.05814): a patch together with its surroundings."""

from __future__ import annotations

import numpy as np

HIERARCHY = 2
"""Sizes of surroundings, as in their correspondences: 17 bins."""


def log_binned(descriptors: np.ndarray, hierarchy: int = HIERARCHY) -> np.ndarray:
    """Join each descriptor with means over windows around it, which grow with their distance.

    Level k has windows of 3^k x 3^k patches at the nine places 3^k patches apart around the patch, without the middle
    one from the second level on. A mean leaves out what lies beyond the grid; where the centre of a window lies beyond,
    the nearest one that does not takes its place.

    Args:
        descriptors: (h, w, d) float.
        hierarchy: levels, at least 1.

    Returns:
        (h, w, (1 + 8 * hierarchy) * d) float32, level by level, each row by row.
    """
    height, width = descriptors.shape[:2]
    bins = []
    for level in range(hierarchy):
        reach = 3**level
        means = _window_means(descriptors, reach)
        for down in (-reach, 0, reach):
            for across in (-reach, 0, reach):
                if level and not down and not across:
                    continue
                rows = np.clip(np.arange(height) + down, 0, height - 1)
                columns = np.clip(np.arange(width) + across, 0, width - 1)
                bins.append(means[rows[:, None], columns])
    return np.concatenate(bins, axis=2, dtype=np.float32)


def _window_means(grid: np.ndarray, side: int) -> np.ndarray:
    """(h, w, d): for each patch the mean over the window around it, as far as that lies on the grid."""
    for axis in (0, 1):
        length, places = grid.shape[axis], np.arange(grid.shape[axis])
        low, high = np.maximum(places - side // 2, 0), np.minimum(places + side // 2, length - 1) + 1
        start = np.zeros_like(np.take(grid, [0], axis), dtype=np.float64)
        sums = np.concatenate([start, np.cumsum(grid, axis=axis, dtype=np.float64)], axis=axis)
        counts = (high - low).reshape([-1 if i == axis else 1 for i in range(3)])
        grid = (np.take(sums, high, axis) - np.take(sums, low, axis)) / counts
    return grid
