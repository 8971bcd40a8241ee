"""Where in an image the query is, between the fixed windows: from the scores of all of them. It ranks no images."""

from __future__ import annotations

import numpy as np

from dinosearch.retrieval.windows import WINDOWS

TEMPERATURE = 0.04
"""Cosine by which a window may be worse and still count a third. Measured with `mini` in 64 dimensions on 200 collages
and 226 crops of pictures of the half `choose` of scripts/bench_regions.py: mean IoU of the images among the first five
0.55 to 0.65 on collages and 0.39 to 0.46 on crops; 0.02 gives 0.61 and 0.45. The largest value tried, 0.08, gives a
little more (0.67 and 0.47), but lets more windows speak that do not show the query; other models have other spreads."""
LEAST_OVERLAP = 0.1
"""IoU with the best window from which a window counts, so that a second such thing elsewhere draws no box to itself."""


def refine_box(scores: np.ndarray) -> np.ndarray:
    """The mean of the best window and those that overlap it, weighted by exp(score / `TEMPERATURE`).

    Args:
        scores: (..., 84) cosines of the query with every one of `WINDOWS` of an image.

    Returns:
        (..., 4) float32 left, top, right, bottom as fractions of the image.

    Raises:
        ValueError: not one score for each window.
    """
    if scores.shape[-1:] != (len(WINDOWS),):
        raise ValueError(f"{len(WINDOWS)} scores of each image are wanted, not an array of shape {scores.shape}")
    near = _OVERLAPS[scores.argmax(axis=-1)] >= LEAST_OVERLAP
    below = np.asarray(scores, np.float64) - scores.max(axis=-1, keepdims=True)
    weights = np.exp(below / TEMPERATURE) * near
    boxes: np.ndarray = weights @ WINDOWS / weights.sum(axis=-1, keepdims=True)
    return boxes.astype(np.float32)


def overlaps(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Intersection over union of boxes that have an area: (m, 4) and (n, 4) to (m, n)."""
    low, high = np.maximum(a[:, None, :2], b[:, :2]), np.minimum(a[:, None, 2:], b[:, 2:])
    shared = np.maximum(high - low, 0.0).prod(axis=-1)
    areas = [(boxes[:, 2:] - boxes[:, :2]).prod(axis=1) for boxes in (a, b)]
    iou: np.ndarray = shared / (areas[0][:, None] + areas[1] - shared)
    return iou


_OVERLAPS = overlaps(WINDOWS, WINDOWS)
