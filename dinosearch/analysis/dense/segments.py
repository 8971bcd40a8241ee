"""What a group of images has in common, and its parts, after Amir et al. (2021, arXiv:2112.05814).

Patches of all images are clustered together; a cluster that is salient in most images is part of the common subject. A
second clustering of the subject alone gives its parts. The paper refines masks by GrabCut and a conditional random
field, which look at the colours of pixels; here masks are the patches' distances to the clusters, bilinear between the
patches.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from dinosearch.analysis.dense.clusters import ELBOW, Clusters, find_clusters, find_elbow
from dinosearch.analysis.dense.grids import DenseImage, DenseImages, enlarged, unit
from dinosearch.analysis.dense.saliency import Saliency, find_saliency
from dinosearch.analysis.dense.sampling import CLUSTERED, sample

THRESHOLD, VOTES = 0.065, 0.75
"""Mean saliency from which a cluster is salient in an image, and the share of images in which it must be
(ShirAmir/dino-vit-features, cosegmentation.py)."""
PARTS = 4
"""As in part_cosegmentation.py there."""


@dataclass(frozen=True)
class Segments:
    """What of one image belongs to the common subject, and to which part of it.

    Attributes:
        image: its name.
        width: of the upright image in pixels.
        height: likewise.
        labels: (h, w) int64 of the patches: 0 is background, then the number of a part; of `cosegment` 0 and 1.
        distances: (h, w, labels) float32, squared, to the nearest centre that means each label; background is the least
            where it is to win.
        patch: as `DenseImage.patch`.
    """

    image: str
    width: int
    height: int
    labels: np.ndarray
    distances: np.ndarray
    patch: tuple[float, float]

    def mask(self, width: int, height: int) -> np.ndarray:
        """(height, width) uint8 labels of the image's pixels at some size."""
        strips = enlarged(self.distances, self.patch, width, height)
        return np.concatenate([strip.argmin(axis=2).astype(np.uint8) for strip in strips])

    @property
    def shares(self) -> list[float]:
        """Of the patches that have each label."""
        counts = np.bincount(self.labels.ravel(), minlength=self.distances.shape[2])
        return [float(share) for share in counts / self.labels.size]


@dataclass(frozen=True)
class Subject:
    """What a group has in common.

    Attributes:
        clusters: of all patches.
        votes: (k,) int64, in how many images each is salient.
        salient: (k,) bool, those that are the subject.
        parts: clusters of the subject's patches; None where they were not asked for.
    """

    clusters: Clusters
    votes: np.ndarray
    salient: np.ndarray
    parts: Clusters | None = None

    @property
    def found(self) -> bool:
        """Whether there is any."""
        return bool(self.salient.any())

    @property
    def centres(self) -> np.ndarray:
        """(k, d) float32 unit-length descriptors' means: of the subject's clusters, or of its parts."""
        return self.clusters.centres[self.salient] if self.parts is None else self.parts.centres

    def of(self, image: DenseImage) -> Segments:
        """The subject and its parts in one image."""
        rows = image.unit_rows
        near = self.clusters.distances(rows)
        # There may be no centre of either kind; nothing is further than `_FAR`.
        to_subject, to_rest = (near[:, kind].min(axis=1, initial=_FAR) for kind in (self.salient, ~self.salient))
        if self.parts is None:
            to_labels = [to_rest, to_subject]
        else:
            to_parts = self.parts.distances(rows)
            # Whether a patch is background is decided by the clusters of all patches alone.
            to_labels = [to_parts.min(axis=1) + to_rest - to_subject, *to_parts.T]
        distances = np.stack(to_labels, axis=1).astype(np.float32)
        grid = image.grid
        return Segments(
            image.name,
            image.width,
            image.height,
            distances.argmin(axis=1).reshape(grid),
            distances.reshape(*grid, -1),
            image.patch,
        )


_FAR = 4.0
"""Squared distance of opposite unit vectors: nothing is further."""


def find_subject(
    images: DenseImages,
    *,
    parts: int | None = None,
    threshold: float = THRESHOLD,
    votes: float = VOTES,
    elbow: float = ELBOW,
    heads: tuple[int, ...] | None = None,
    seed: int = 0,
) -> Subject:
    """Learn what the images of a group have in common.

    Args:
        images: at least one; gone through two or three times.
        parts: how many parts the subject has; None asks for none.
        threshold: mean saliency from which a cluster is salient in an image.
        votes: share of the images in which a cluster of the subject is salient.
        elbow: as for `find_elbow`.
        heads: as for `find_saliency`.
        seed: of samples and k-means.
    """
    taken = sample(images, CLUSTERED, seed)
    rows = unit(taken.rows)
    clusters = find_elbow(rows, elbow, seed)
    counts = _votes(images, clusters, find_saliency(images, heads, seed), threshold)
    # Rounded first: 0.6 * 5 is more than 3.
    salient = counts >= max(1, math.ceil(round(votes * len(images), 9)))
    subject = Subject(clusters, counts, salient)
    if parts is None or not subject.found:
        return subject
    inside = salient[clusters.labels(rows)]
    return replace(subject, parts=find_clusters(rows[inside], parts, seed)) if inside.any() else subject


def _votes(images: DenseImages, clusters: Clusters, saliency: Saliency, threshold: float) -> np.ndarray:
    """In how many images each cluster is salient: its patches there are so on average."""
    votes = np.zeros(len(clusters.centres), np.int64)
    for image in images:
        labels = clusters.labels(image.unit_rows)
        sums = np.bincount(labels, saliency(image).ravel(), len(votes))
        votes += sums > threshold * np.maximum(np.bincount(labels, minlength=len(votes)), 1)
    return votes
