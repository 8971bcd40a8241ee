"""Some patches of every image, so that what is learned from a group fits into memory however large the group is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dinosearch.analysis.dense.grids import DenseImages

PATCHES = 20_000
"""Patches that components are taken from; two images of 448 pixels have 2,048 at a stride of 14."""
CLUSTERED = 6_000
"""Patches that clusters are formed of. Amir et al. took every hundredth, 30 of each image."""
_NUMBERS = 1 << 25  # of all sampled descriptors together: 128 MB; long, log-binned ones are sampled more thinly


@dataclass(frozen=True)
class Sample:
    """Patches of a group.

    Attributes:
        rows: (n, d) float32 descriptors.
        border: (n,) bool, those along the edges of their images.
        image: (n,) int64, the number of their image.
        place: (n,) int64, their number on its grid, row by row.
    """

    rows: np.ndarray
    border: np.ndarray
    image: np.ndarray
    place: np.ndarray


def sample(images: DenseImages, limit: int = PATCHES, seed: int = 0) -> Sample:
    """Draw patches, as many of each image, without repetition; all of them where that is within the limit.

    Args:
        images: at least one.
        limit: at most so many patches, but one of each image.
        seed: of the choice.
    """
    rng = np.random.default_rng(seed)
    parts = []
    for number, image in enumerate(images):
        share = max(1, min(limit, _NUMBERS // image.descriptors.shape[2]) // max(1, len(images)))
        count = image.grid[0] * image.grid[1]
        chosen = np.sort(rng.choice(count, share, replace=False)) if share < count else np.arange(count)
        parts.append((image.rows[chosen], image.border[chosen], np.full(len(chosen), number), chosen))
    return Sample(*(np.concatenate(column) for column in zip(*parts, strict=True)))
