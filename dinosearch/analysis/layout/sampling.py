"""What clusters are learned from: a sample of vectors that fits into memory, and parts of a collection in turn."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from dinosearch.errors import SettingError
from dinosearch.protocols import Progress

if TYPE_CHECKING:
    from dinosearch.collection import Collection

STEP = 4096
"""Vectors that are in memory at a time, beside the sample: 25 MB of 1,536 numbers each."""


def sample(collection: Collection, ids: np.ndarray, most: int, seed: int) -> np.ndarray:
    """(m, d) float32 vectors of at most `most` of the images, drawn evenly, in the order of their ids."""
    rng = np.random.default_rng(seed)
    chosen = ids if len(ids) <= most else np.sort(rng.choice(ids, most, replace=False))
    return np.concatenate([collection.vectors(chosen[low : low + STEP])[1] for low in range(0, len(chosen), STEP)])


def streamed(
    collection: Collection, ids: np.ndarray, progress: Progress | None, stage: str
) -> Iterator[tuple[slice, np.ndarray]]:
    """The vectors of images part by part, each with its place among the ids."""
    for low in range(0, len(ids), STEP):
        if progress:
            progress(stage, low, len(ids))
        part = slice(low, min(low + STEP, len(ids)))
        yield part, collection.vectors(ids[part])[1]
    if progress:
        progress(stage, len(ids), len(ids))


def missing_library(verb: str) -> SettingError:
    """The error where scikit-learn is not installed."""
    return SettingError(
        f'{verb} needs scikit-learn, which is not installed; run: pip install "dinosearch[analysis]", then again'
    )
