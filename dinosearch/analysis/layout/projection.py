"""A collection as a flat map: images that look alike lie together.

t-SNE of some landmarks, which openTSNE computes; every other image is put between the landmarks that it is nearest to,
so that the time rises with the images and not with their square. Without openTSNE the two principal components are the
map, which keeps large distances and no neighbourhoods.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

import numpy as np

from dinosearch.arguments import checked
from dinosearch.protocols import Progress

if TYPE_CHECKING:
    from dinosearch.collection import Collection

LANDMARKS = 2000
"""Images that t-SNE places itself: 4 to 8 s on one core."""
PERPLEXITY = 30.0
"""Neighbours that an image has, as van der Maaten and Hinton (2008, JMLR 9) use it."""
ROUNDS = 250, 500
"""Of t-SNE with early exaggeration, and without it, as openTSNE has them."""
_REPORTED = 25  # rounds between two reports
BETWEEN = 5
"""Landmarks that another image is placed between."""
_STEP = 4096  # vectors that are in memory at a time, beside the landmarks
_SHARPNESS = 20.0
"""Of the weights exp(20 (cosine - best cosine)): a landmark 0.1 further counts an eighth."""


@dataclass(frozen=True)
class Projection:
    """The map.

    Attributes:
        ids: (n,) int64, rising.
        xy: (n, 2) float32 in 0..1; both axes have one scale.
        method: `t-SNE` or `PCA`.
    """

    ids: np.ndarray
    xy: np.ndarray
    method: str


@checked
def project(
    collection: Collection, progress: Progress | None = None, *, where: str | None = None, seed: int = 0
) -> Projection:
    """Lay the images of a collection out on a plane; the same collection and seed give the same map.

    Args:
        collection: opened.
        progress: told about the stages `landmarks`, in rounds of t-SNE, and `map`, in images.
        where: a filter: only these images.
        seed: of the choice of landmarks and of t-SNE.

    Raises:
        ImageNotFoundError: the collection was changed meanwhile; ask again.
    """
    ids = collection.ids(where)
    rng = np.random.default_rng(seed)
    chosen = np.sort(rng.choice(ids, min(len(ids), LANDMARKS), replace=False)) if len(ids) else ids
    if len(ids) < 3:
        line = np.array([0.0, 1.0] if len(ids) == 2 else [0.5] * len(ids))
        return Projection(ids, np.stack([line, np.full(len(ids), 0.5)], axis=1).astype(np.float32), "PCA")
    landmarks = collection.vectors(chosen)[1]
    placed, method = _placed(landmarks, seed, progress)
    xy = np.empty((len(ids), 2), np.float32)
    for low in range(0, len(ids), _STEP):
        if progress:
            progress("map", low, len(ids))
        part = ids[low : low + _STEP]
        xy[low : low + len(part)] = _between(collection.vectors(part)[1], landmarks, placed)
    if progress:
        progress("map", len(ids), len(ids))
    return Projection(ids, _into_unit_square(xy), method)


def _placed(vectors: np.ndarray, seed: int, progress: Progress | None) -> tuple[np.ndarray, str]:
    """(n, 2) places of the landmarks, and how they were found."""
    centred = vectors - vectors.mean(axis=0)
    _, axes = np.linalg.eigh(centred.T @ centred)
    components = centred @ axes[:, : -3 if axes.shape[1] > 1 else None : -1]
    if components.shape[1] < 2:
        components = np.pad(components, ((0, 0), (0, 2 - components.shape[1])))
    # The sign of an eigenvector is arbitrary: the component's longest excursion points to the right, or up.
    components = components * np.sign(components[np.argmax(np.abs(components), axis=0), [0, 1]] + 1e-30)
    if progress:
        progress("landmarks", 0, sum(ROUNDS))
    try:
        from openTSNE import TSNE
    except ImportError:
        return components, "PCA"
    perplexity = min(PERPLEXITY, (len(vectors) - 1) / 3)
    # Small, so that t-SNE starts with the large structure and then forms neighbourhoods (Kobak and Berens, 2019).
    start = components / max(float(components[:, 0].std()), 1e-12) * 1e-4
    # One thread: several wait for each other by spinning, which took 100 times as long on busy cores. Barnes and Hut's
    # sum was twice as fast as the interpolation by FFT at this size.
    tsne = TSNE(
        perplexity=perplexity,
        metric="cosine",
        initialization=start,
        random_state=seed,
        n_jobs=1,
        negative_gradient_method="bh",
        early_exaggeration_iter=ROUNDS[0],
        n_iter=ROUNDS[1],
        callbacks=_reporter(progress) if progress else None,
        callbacks_every_iters=_REPORTED,
    )
    return np.asarray(tsne.fit(vectors), np.float64), "t-SNE"


def _reporter(progress: Progress) -> Callable[..., None]:
    """What t-SNE calls now and then, with the rounds since its last change of settings."""
    calls = count(1)
    return lambda *_: progress("landmarks", _REPORTED * next(calls), sum(ROUNDS))


def _between(vectors: np.ndarray, landmarks: np.ndarray, placed: np.ndarray) -> np.ndarray:
    """(n, 2): the weighted mean of the nearest landmarks' places; a landmark is its own nearest and lies there."""
    cosines = vectors @ landmarks.T
    count = min(BETWEEN, len(landmarks))
    near = np.argpartition(-cosines, count - 1, axis=1)[:, :count]
    found = np.take_along_axis(cosines, near, axis=1)
    weights = np.exp(_SHARPNESS * (found - found.max(axis=1, keepdims=True)))
    # What equals a landmark lies on it, wherever the others are.
    weights[found >= 1 - 1e-6] *= 1e6
    weighted: np.ndarray = (placed[near] * weights[..., None]).sum(axis=1)
    between: np.ndarray = weighted / weights.sum(axis=1, keepdims=True)
    return between


def _into_unit_square(xy: np.ndarray) -> np.ndarray:
    low, high = xy.min(axis=0), xy.max(axis=0)
    scale = float((high - low).max()) or 1.0
    inside: np.ndarray = np.clip((xy - (low + high) / 2) / scale + 0.5, 0, 1).astype(np.float32)
    return inside
