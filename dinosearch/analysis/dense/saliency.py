"""How much each patch belongs to what an image is about: the class token's attention, or what stands in for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from dinosearch.analysis.dense.grids import DenseImage, DenseImages, unit
from dinosearch.analysis.dense.sampling import PATCHES, sample

Saliency = Callable[[DenseImage], np.ndarray]
"""(h, w) float32 of an image, from 0 to 1."""
_NEAREST = 10
"""Patches of the edges that a patch is compared with: one alone may be the subject that reaches the edge."""


def find_saliency(images: DenseImages, heads: Sequence[int] | None = None, seed: int = 0) -> Saliency:
    """How the images of a group get their saliency.

    With attention: its mean over the heads, from the least to the largest of the image (Amir et al. 2021, who take four
    heads of one model). Without, `UnlikeEdges`.

    Args:
        images: at least one; those without attention are gone through once.
        heads: numbers of the heads that count, None for all.
        seed: of the choice of patches.
    """
    if next(iter(images)).attention is not None:
        return lambda image: _by_attention(image, heads)
    return UnlikeEdges.of(images, seed)


@dataclass(frozen=True)
class UnlikeEdges:
    """Stands in for attention: patches are salient that are unlike those along the edges of all images of their group.

    Attributes:
        edges: (n, d) float32, unit-length descriptors of patches along the edges.
        usual: mean over the group of how unlike them a patch is: 1 minus the mean of its ten largest cosines. It is
            taken away, what is negative then is cut off, and the largest number of an image becomes 1.
    """

    edges: np.ndarray
    usual: float

    @classmethod
    def of(cls, images: DenseImages, seed: int = 0) -> UnlikeEdges:
        """Learn from a group what its edges show; goes through it once."""
        taken = sample(images, PATCHES, seed)
        rows = unit(taken.rows)
        edges = rows[taken.border] if taken.border.any() else rows
        return cls(edges, float(_unlike(rows, edges).mean()))

    def __call__(self, image: DenseImage) -> np.ndarray:
        """See `Saliency`."""
        above = np.maximum(_unlike(image.unit_rows, self.edges) - self.usual, 0).reshape(image.grid)
        return np.asarray(above / max(float(above.max()), 1e-12), np.float32)


def _by_attention(image: DenseImage, heads: Sequence[int] | None) -> np.ndarray:
    attention = image.attention
    if attention is None:
        raise ValueError(f"{image.name} has no attention, and others of its group have")
    mean = attention[list(heads)].mean(axis=0) if heads else attention.mean(axis=0)
    low, high = float(mean.min()), float(mean.max())
    return np.asarray((mean - low) / (high - low) if high > low else np.zeros_like(mean), np.float32)


def _unlike(rows: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """(n,) float32: 1 minus the mean of the largest cosines; some thousand rows at a time."""
    count, step = min(_NEAREST, len(edges)), 2048
    parts = (rows[low : low + step] @ edges.T for low in range(0, len(rows), step))
    return np.concatenate([1 - np.partition(part, -count, axis=1)[:, -count:].mean(axis=1) for part in parts])
