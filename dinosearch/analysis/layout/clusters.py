"""A collection in groups of images that are alike: k-means or HDBSCAN learn them from a sample, the rest is assigned.

Vectors are read part by part; beside the sample only a number and a cosine an image are kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dinosearch.analysis.centres import nearest
from dinosearch.analysis.layout.density import MOST, NOISE, Dense
from dinosearch.analysis.layout.kmeans import chosen_count, fitted
from dinosearch.analysis.layout.sampling import STEP, sample, streamed
from dinosearch.arguments import checked
from dinosearch.errors import SettingError
from dinosearch.protocols import Progress

if TYPE_CHECKING:
    from collections.abc import Callable

    from dinosearch.collection import Collection

METHODS = ("kmeans", "hdbscan")
POINTS = 256
"""Images to learn a centre from, as Faiss samples them (Clustering, max_points_per_centroid)."""
SAMPLE = 20_000
"""Images of a sample at least, where there are so many: 31 MB of 384 numbers each."""
NUMBERS = 1 << 26
"""Numbers of a sample at most: 256 MiB."""


@dataclass(frozen=True)
class Cluster:
    """One group.

    Attributes:
        number: from 1, the largest group first.
        size: images.
        cohesion: mean cosine of its images to its centre, the direction of their mean.
    """

    number: int
    size: int
    cohesion: float


@dataclass(frozen=True)
class Clustering:
    """The groups of a collection.

    Attributes:
        method: one of `METHODS`.
        ids: (n,) int64, rising.
        of: (n,) int32 number of each image's cluster, 0 for none (noise).
        cosines: (n,) float32 to the centre of it; 0 for noise.
        clusters: the groups by number.
        learned_from: images that the clusters were learned from; all others were assigned.
    """

    method: str
    ids: np.ndarray
    of: np.ndarray
    cosines: np.ndarray
    clusters: tuple[Cluster, ...]
    learned_from: int

    @property
    def noise(self) -> int:
        """Images that belong to no cluster."""
        return int((self.of == 0).sum())

    def central(self, number: int, count: int) -> np.ndarray:
        """Places among the ids of a cluster's most central images, the nearest to its centre first."""
        places = np.flatnonzero(self.of == number)
        order = np.lexsort((self.ids[places], -self.cosines[places]))
        found: np.ndarray = places[order[:count]]
        return found


@checked
def cluster(
    collection: Collection,
    count: int | None = None,
    *,
    method: str = "kmeans",
    min_size: int = 5,
    where: str | None = None,
    progress: Progress | None = None,
    seed: int = 0,
) -> Clustering:
    """Group the images; the same collection and seed give the same groups.

    Args:
        collection: opened.
        count: clusters of `kmeans`; None takes the number with the best silhouette (`kmeans.chosen_count`). There are
            fewer where fewer vectors differ.
        method: `kmeans` learns from 256 images a cluster and at least 20,000, `hdbscan` from 10,000 and finds the
            number itself. Of a larger collection a sample is drawn; its other images go to the nearest centre, or
            where the nearest sampled image belongs.
        min_size: of `hdbscan`: images of the smallest cluster of the sample.
        where: a filter: only these images.
        progress: told about the stages `centres`, `clusters` and `cohesion`, the latter in images.
        seed: of the sample and of k-means.

    Raises:
        SettingError: an unknown method, or scikit-learn is not installed.
        ValueError: fewer than one cluster.
        ImageNotFoundError: an image was removed meanwhile; ask again.
    """
    if method not in METHODS:
        raise SettingError(f"there is no method {method}; take one of: {', '.join(METHODS)}")
    if count is not None and count < 1:
        raise ValueError(f"a collection has at least 1 cluster, not {count}")
    ids = collection.ids(where)
    if not len(ids):
        return Clustering(method, ids, np.zeros(0, np.int32), np.zeros(0, np.float32), (), 0)
    if progress:
        progress("centres", 0, 1)
    learn = _by_kmeans if method == "kmeans" else _by_density
    assign, learned_from = learn(collection, ids, count, min_size, seed)
    of, sums = np.zeros(len(ids), np.int64), np.zeros((0, 0))
    for part, vectors in streamed(collection, ids, progress, "clusters"):
        of[part] = assign(vectors)
        sums = _added(sums, of[part], vectors)
    cosines = np.zeros(len(ids), np.float32)
    lengths = np.linalg.norm(sums, axis=1, keepdims=True)
    centres = (sums / np.maximum(lengths, 1e-12)).astype(np.float32)
    for part, vectors in streamed(collection, ids, progress, "cohesion"):
        inside = np.flatnonzero(of[part] != NOISE)
        cosines[part][inside] = np.einsum("nd,nd->n", vectors[inside], centres[of[part][inside]])
    return _numbered(method, ids, of, cosines, learned_from)


def _by_kmeans(
    collection: Collection, ids: np.ndarray, count: int | None, min_size: int, seed: int
) -> tuple[Callable[[np.ndarray], np.ndarray], int]:
    dimension = collection.vectors(ids[:1])[1].shape[1]
    vectors = sample(collection, ids, min(max(SAMPLE, POINTS * (count or 0)), NUMBERS // dimension), seed)
    wanted = chosen_count(vectors, seed) if count is None else min(count, len(vectors))
    centres = fitted(vectors, wanted, seed)[0]
    return lambda rows: nearest(rows, centres)[0], len(vectors)


def _by_density(
    collection: Collection, ids: np.ndarray, count: int | None, min_size: int, seed: int
) -> tuple[Callable[[np.ndarray], np.ndarray], int]:
    vectors = sample(collection, ids, MOST, seed)
    found = Dense(vectors, min_size)
    if len(vectors) < len(ids):
        return found.assigned, len(vectors)
    parts = iter(np.split(found.labels, range(STEP, len(ids), STEP)))  # all were looked at, in the order of the stream
    return lambda rows: next(parts), len(vectors)


def _added(sums: np.ndarray, labels: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """(k, d) float64 sums of the vectors of each label, grown where a label is new."""
    count = max(len(sums), int(labels.max(initial=NOISE)) + 1)
    grown = np.zeros((count, vectors.shape[1]))
    grown[: len(sums)] = sums if len(sums) else 0
    inside = labels != NOISE
    np.add.at(grown, labels[inside], vectors[inside])
    return grown


def _numbered(method: str, ids: np.ndarray, labels: np.ndarray, cosines: np.ndarray, learned_from: int) -> Clustering:
    """The clusters from 1, the largest first, of equal ones that with the smallest id."""
    found, first, sizes = np.unique(labels[labels != NOISE], return_index=True, return_counts=True)
    order = np.lexsort((first, -sizes))
    number = np.zeros(int(labels.max(initial=NOISE)) + 2, np.int32)  # the last is that of NOISE
    number[found[order]] = np.arange(1, len(found) + 1)
    of = number[labels]
    groups = tuple(
        Cluster(i + 1, int(sizes[place]), float(cosines[of == i + 1].mean(dtype=np.float64)))
        for i, place in enumerate(order)
    )
    return Clustering(method, ids, of, cosines, groups, learned_from)
