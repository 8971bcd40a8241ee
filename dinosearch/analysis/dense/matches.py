"""Places of two images that are each other's most similar, spread over what both show."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dinosearch.analysis.dense.clusters import find_clusters
from dinosearch.analysis.dense.grids import DenseImage, unit
from dinosearch.analysis.dense.saliency import find_saliency

THRESHOLD = 0.05
"""Saliency above which a patch may be matched (ShirAmir/dino-vit-features, correspondences.py)."""
_BLOCK = 1 << 24  # cosines at a time


@dataclass(frozen=True)
class Pair:
    """One place in both images.

    Attributes:
        first: x and y on the first upright image, in pixels.
        second: x and y on the second.
        cosine: of their descriptors.
        saliency: mean of both, 0 to 1.
    """

    first: tuple[float, float]
    second: tuple[float, float]
    cosine: float
    saliency: float


def best_buddies(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of rows that are each other's nearest; of equally near ones the first counts.

    Args:
        first: (m, d) float32 of unit length.
        second: (n, d) float32 of unit length.

    Returns:
        (p, 2) int64 rows of both, ascending in the first; (p,) float32 cosines. Not all m x n cosines are in memory.
    """
    forth, best = np.empty(len(first), np.int64), np.empty(len(first), np.float32)
    back, highest = np.zeros(len(second), np.int64), np.full(len(second), -np.inf, np.float32)
    step = max(1, _BLOCK // max(1, len(second)))
    for start in range(0, len(first), step):
        cosines = first[start : start + step] @ second.T
        part = slice(start, start + len(cosines))
        forth[part] = cosines.argmax(axis=1)
        best[part] = cosines.max(axis=1)
        nearest, values = cosines.argmax(axis=0), cosines.max(axis=0)
        better = values > highest
        back[better], highest[better] = nearest[better] + start, values[better]
    rows = np.arange(len(first))
    kept = back[forth] == rows
    return np.stack([rows[kept], forth[kept]], axis=1), best[kept]


def match(
    first: DenseImage,
    second: DenseImage,
    count: int = 10,
    *,
    threshold: float = THRESHOLD,
    heads: tuple[int, ...] | None = None,
    seed: int = 0,
) -> list[Pair]:
    """Find corresponding places as Amir et al. (2021, arXiv:2112.05814).

    Best buddies that are salient in both images are grouped by k-means of their joined descriptors, so that they are
    spread over the parts of the subject, and the most salient pair of each group is kept.

    Args:
        first: an image.
        second: another, of the same model.
        count: pairs wanted; fewer where there are fewer.
        threshold: saliency that both patches must exceed.
        heads: as for `find_saliency`.
        seed: of k-means.

    Returns:
        The most salient first.
    """
    saliency = find_saliency([first, second], heads, seed)
    salient = [saliency(image).ravel() for image in (first, second)]
    rows = [image.unit_rows for image in (first, second)]
    buddies, cosines = best_buddies(*rows)
    one, other = buddies.T
    seen = (salient[0][one] > threshold) & (salient[1][other] > threshold)
    one, other, cosines = one[seen], other[seen], cosines[seen]
    if not len(one):
        return []
    joined = unit(np.hstack([rows[0][one], rows[1][other]]))
    labels = find_clusters(joined, count, seed).labels(joined)
    ranks = (salient[0][one] + salient[1][other]) / 2
    order = np.argsort(-ranks, kind="stable")
    chosen = order[np.sort(np.unique(labels[order], return_index=True)[1])]
    places = [image.pixels for image in (first, second)]
    return [
        Pair(_point(places[0][one[i]]), _point(places[1][other[i]]), float(cosines[i]), float(ranks[i])) for i in chosen
    ]


def _point(place: np.ndarray) -> tuple[float, float]:
    return float(place[0]), float(place[1])
