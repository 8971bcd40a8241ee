"""k-means of a sample by scikit-learn, and how many clusters there shall be where nobody says."""

from __future__ import annotations

import warnings

import numpy as np

from dinosearch.analysis.layout.sampling import missing_library

LARGEST = 100
"""Clusters that are tried where nobody says how many."""
LEAST = 3
"""Images of a cluster, on average, at the most clusters that are tried."""
JUDGED = 2000
"""Images that the number of clusters is judged by; their cosines take 16 MB."""
STARTS = 4
"""Of k-means++ for the answer; the numbers of clusters are compared by one."""


def fitted(vectors: np.ndarray, count: int, seed: int, starts: int = STARTS) -> tuple[np.ndarray, np.ndarray]:
    """Lloyd's k-means on unit vectors from starts of k-means++ (Arthur and Vassilvitskii, 2007), the best taken.

    Args:
        vectors: (n, d) float32 of unit length.
        count: clusters, at most n.
        seed: of the starts.
        starts: how many.

    Returns:
        (k, d) float32 centres of unit length, k less than `count` where fewer vectors differ; (n,) int64 labels.

    Raises:
        SettingError: scikit-learn is not installed.
    """
    try:
        from sklearn.cluster import KMeans
        from sklearn.exceptions import ConvergenceWarning
    except ImportError:
        raise missing_library("k-means") from None
    with warnings.catch_warnings():
        # Of fewer distinct vectors than clusters; the empty ones are left out below.
        warnings.simplefilter("ignore", ConvergenceWarning)
        found = KMeans(count, n_init=starts, random_state=seed).fit(vectors)
    used, labels = np.unique(found.labels_, return_inverse=True)
    centres = np.stack([vectors[labels == number].mean(axis=0, dtype=np.float64) for number in range(len(used))])
    lengths = np.linalg.norm(centres, axis=1, keepdims=True)
    return (centres / np.maximum(lengths, 1e-12)).astype(np.float32), labels.astype(np.int64)


def chosen_count(vectors: np.ndarray, seed: int) -> int:
    """The number of clusters with the best silhouette (Rousseeuw, 1987) by cosine, of a ladder from 2 to 100.

    A ladder whose steps are a fifth apart, ended where a cluster would have fewer than three images on average; the
    silhouette is that of at most 2,000 images.

    Args:
        vectors: (n, d) float32 of unit length.
        seed: of the choice and of k-means.
    """
    rng = np.random.default_rng(seed)
    judged = vectors
    if len(vectors) > JUDGED:
        judged = vectors[np.sort(rng.choice(len(vectors), JUDGED, replace=False))]
    most = min(LARGEST, len(judged) // LEAST)
    if most < 2:
        return 1
    rungs = [2]
    while rungs[-1] < most:
        rungs.append(min(most, max(rungs[-1] + 1, round(rungs[-1] * 1.2))))
    distances = np.maximum(1 - judged @ judged.T, 0)
    quality = [silhouette(distances, fitted(judged, count, seed, 1)[1]) for count in rungs]
    return rungs[int(np.argmax(quality))]


def silhouette(distances: np.ndarray, labels: np.ndarray) -> float:
    """Mean over all images of (b - a) / max(a, b): a to their own cluster, b to the next one; 0 for one that is alone.

    Args:
        distances: (n, n) float.
        labels: (n,) int64 from 0, without gaps.
    """
    member = np.eye(int(labels.max()) + 1, dtype=distances.dtype)[labels]
    sizes, rows = member.sum(axis=0), np.arange(len(labels))
    if len(sizes) < 2:
        return -1.0
    sums = distances @ member
    own = sums[rows, labels] / np.maximum(sizes[labels] - 1, 1)
    means = sums / sizes
    means[rows, labels] = np.inf
    other = means.min(axis=1)
    width = np.where(sizes[labels] > 1, (other - own) / np.maximum(np.maximum(own, other), 1e-12), 0.0)
    return float(width.mean())
