"""HDBSCAN of a sample by scikit-learn: clusters are where images lie close, what lies thinly belongs to none."""

from __future__ import annotations

import numpy as np

from dinosearch.analysis.centres import nearest
from dinosearch.analysis.layout.sampling import missing_library

MOST = 10_000
"""Images that HDBSCAN looks at itself: its time grows with their square."""
COMPONENTS = 50
"""Principal components that it measures distances in: among hundreds of numbers density says little, and each costs."""
NOISE = -1


class Dense:
    """Clusters of a sample; other images go where the sampled image that is nearest to them belongs.

    Args:
        vectors: (n, d) float32 of unit length, at most `MOST` of them.
        least: images of the smallest cluster.

    Attributes:
        labels: (n,) int64 from 0, `NOISE` for none.

    Raises:
        SettingError: scikit-learn is not installed.
    """

    def __init__(self, vectors: np.ndarray, least: int) -> None:
        try:
            from sklearn.cluster import HDBSCAN
        except ImportError:
            raise missing_library("HDBSCAN") from None
        self._vectors = vectors
        self.labels = np.full(len(vectors), NOISE, np.int64)
        if len(vectors) >= max(2, least):
            found = HDBSCAN(min_cluster_size=max(2, least), copy=True).fit(_reduced(vectors))
            self.labels = found.labels_.astype(np.int64)
        self._reach = self._farthest()

    def assigned(self, vectors: np.ndarray) -> np.ndarray:
        """(m,) int64 labels: that of the nearest sampled image, `NOISE` where that is noise or too far.

        Too far is farther than any sampled image of the cluster is from the next one of it.
        """
        found, cosines = nearest(vectors, self._vectors)
        labels: np.ndarray = self.labels[found]
        labels[cosines < self._reach[labels] - 1e-6] = NOISE
        return labels

    def _farthest(self) -> np.ndarray:
        """(k + 1,) float32 by label, the last for `NOISE`: the smallest cosine of a member to its nearest one."""
        reach = np.full(int(self.labels.max(initial=NOISE)) + 2, -2, np.float32)
        for label in range(len(reach) - 1):
            members = self._vectors[self.labels == label]
            closest = np.full(len(members), -2, np.float32)
            for low in range(0, len(members), 1024):
                cosines = members[low : low + 1024] @ members.T
                cosines[np.arange(len(cosines)), np.arange(low, low + len(cosines))] = -2
                closest[low : low + 1024] = cosines.max(axis=1)
            reach[label] = closest.min()
        return reach


def _reduced(vectors: np.ndarray) -> np.ndarray:
    """(n, at most 50) float64 places along the principal components, whose signs do not matter for distances."""
    centred: np.ndarray = vectors.astype(np.float64) - vectors.mean(axis=0, dtype=np.float64)
    if centred.shape[1] <= COMPONENTS:
        return centred
    _, axes = np.linalg.eigh(centred.T @ centred)
    places: np.ndarray = centred @ axes[:, -COMPONENTS:]
    return places
