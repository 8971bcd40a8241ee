"""Images that are unlike all others, by the cosines to their nearest neighbours; the index finds those."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dinosearch.analysis.neighbours import neighbours
from dinosearch.arguments import checked
from dinosearch.errors import SettingError
from dinosearch.protocols import Progress

if TYPE_CHECKING:
    from dinosearch.collection import Collection

NEIGHBOURS = 10
METHODS = ("distance", "lof")
_ALONE = 1e-10  # added to a mean distance, as scikit-learn does: copies have none


@dataclass(frozen=True)
class Outliers:
    """How unlike the others each image is.

    Attributes:
        method: one of `METHODS`.
        k: neighbours that were looked at.
        ids: (n,) int64, the most unlike first, of equal ones the smaller id.
        scores: (n,) float32: for `distance` 1 - the mean cosine to the k nearest, for `lof` the local outlier factor.
        nearest: (n,) int64 the image that each is most like; -1 for a single image.
        cosines: (n,) float32 to it; 0 for a single image.
    """

    method: str
    k: int
    ids: np.ndarray
    scores: np.ndarray
    nearest: np.ndarray
    cosines: np.ndarray


@checked
def outliers(
    collection: Collection,
    k: int = NEIGHBOURS,
    *,
    method: str = "distance",
    where: str | None = None,
    exact: bool = False,
    progress: Progress | None = None,
) -> Outliers:
    """Order images by how unlike all others they are.

    `distance` is 1 - the mean cosine to the k nearest images (Angiulli and Pizzuti, 2002, take the sum of their
    distances), which finds what lies alone. `lof` is the local outlier factor (Breunig et al., 2000) of Euclidean
    distances: how much thinner an image lies than its neighbours do, about 1 inside a group, so that it also finds
    what lies just beside a dense one.

    Args:
        collection: opened.
        k: neighbours, at least 1; at most one less than there are images.
        method: one of `METHODS`.
        where: a filter: only these images, compared with each other.
        exact: brute force instead of the index.
        progress: told about the stage `outliers`, in images.

    Raises:
        SettingError: an unknown method.
        ImageNotFoundError: an image was removed meanwhile; ask again.
    """
    if method not in METHODS:
        raise SettingError(f"there is no method {method}; take one of: {', '.join(METHODS)}")
    ids = collection.ids(where)
    k = min(k, max(len(ids) - 1, 1))
    near, cosines = np.full((len(ids), k), -1, np.int64), np.full((len(ids), k), -np.inf, np.float32)
    low = 0
    if len(ids) > 1:
        among = None if where is None else ids
        asked = neighbours(collection, k, ids=ids, among=among, exact=exact, progress=progress, stage="outliers")
        for found in asked:
            part = slice(low, low + len(found.ids))
            near[part], cosines[part] = found.near, found.cosines
            low += len(found.ids)
    scores = _lof(ids, near, cosines) if method == "lof" else _distance(near, cosines)
    order = np.lexsort((ids, -scores))
    closest = np.where(near[:, 0] >= 0, cosines[:, 0], 0)
    return Outliers(method, k, ids[order], scores[order], near[order, 0], closest[order].astype(np.float32))


def _distance(near: np.ndarray, cosines: np.ndarray) -> np.ndarray:
    found = near >= 0
    total = np.where(found, cosines, 0).sum(axis=1, dtype=np.float64)
    scores: np.ndarray = (1 - total / np.maximum(found.sum(axis=1), 1)).astype(np.float32)
    return scores


def _lof(ids: np.ndarray, near: np.ndarray, cosines: np.ndarray) -> np.ndarray:
    """(n,) float32: the mean density of the neighbours over an image's own; 1 where there is nothing to compare.

    The density is one over the mean reachability, the larger of the distance and the neighbour's own to its k-th.
    """
    places = np.minimum(np.searchsorted(ids, near), max(len(ids) - 1, 0))
    known = (near >= 0) & (ids[places] == near) if len(ids) else near >= 0  # else it was added meanwhile
    counts = np.maximum(known.sum(axis=1), 1)
    # Of unit vectors: |a - b|^2 = 2 - 2 cos.
    distances = np.sqrt(np.maximum(2 - 2 * np.where(known, cosines, 1).astype(np.float64), 0))
    reach = np.maximum(distances, distances.max(axis=1, initial=0)[places])
    density = 1 / (np.where(known, reach, 0).sum(axis=1) / counts + _ALONE)
    factor = np.where(known, density[places], 0).sum(axis=1) / counts / density
    return np.where(known.any(axis=1), factor, 1).astype(np.float32)
