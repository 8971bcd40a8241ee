"""The patch descriptors of one image and where on it they lie; arithmetic on grids, no models and no files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np


@dataclass(frozen=True)
class DenseImage:
    """One image as a grid of descriptors.

    Attributes:
        name: as the user gave it.
        width: of the upright image in pixels.
        height: likewise.
        descriptors: (h, w, d) float32, finite.
        attention: (heads, h, w) float32, how much the class token looks at each patch; None where a model has none.
        patch: height and width of a patch as fractions of the image; the first begins at its edge, the last ends there.
    """

    name: str
    width: int
    height: int
    descriptors: np.ndarray
    attention: np.ndarray | None
    patch: tuple[float, float]

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.descriptors.shape[0], self.descriptors.shape[1]

    @property
    def rows(self) -> np.ndarray:
        """(h * w, d) descriptors, row by row from the top left."""
        return self.descriptors.reshape(-1, self.descriptors.shape[2])

    @property
    def unit_rows(self) -> np.ndarray:
        """The same with unit length; zeros where a descriptor is zero."""
        return unit(self.rows)

    @property
    def border(self) -> np.ndarray:
        """(h * w,) bool: the patches along the four edges."""
        inside = np.zeros(self.grid, dtype=bool)
        inside[1:-1, 1:-1] = True
        return ~inside.ravel()

    @property
    def pixels(self) -> np.ndarray:
        """(h * w, 2) float64: x and y of the patches' centres on the upright image, in pixels."""
        y, x = (centres(count, share) for count, share in zip(self.grid, self.patch, strict=True))
        places: np.ndarray = np.stack(np.meshgrid(x * self.width, y * self.height), axis=-1)
        return places.reshape(-1, 2)


class DenseImages(Protocol):
    """Images that may be gone through more than once; a list of `DenseImage` is one."""

    def __len__(self) -> int:
        """How many."""

    def __iter__(self) -> Iterator[DenseImage]:
        """In the same order each time."""


def centres(count: int, share: float) -> np.ndarray:
    """(count,) float64 centres, as fractions of a side, of patches `share` of it long that reach both its ends."""
    return np.linspace(share / 2, 1 - share / 2, count) if count > 1 else np.array([0.5])


def unit(rows: np.ndarray) -> np.ndarray:
    """(n, d) rows brought to unit length; zeros stay zeros."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    scaled: np.ndarray = rows / np.maximum(lengths, np.float32(1e-12))
    return scaled


def enlarged(grids: np.ndarray, patch: tuple[float, float], width: int, height: int) -> Iterator[np.ndarray]:
    """Bring numbers of patches to the pixels of the image, bilinear between the patches' centres, constant beyond.

    Args:
        grids: (h, w, c) float.
        patch: as `DenseImage.patch`.
        width: pixels.
        height: pixels.

    Yields:
        (n, width, c) float32, the next n rows of pixels; all of them would be hundreds of megabytes of a photo.
    """
    across = _between(width, centres(grids.shape[1], patch[1]))
    low, high, share = _between(height, centres(grids.shape[0], patch[0]))
    step = max(1, _STRIP // (width * grids.shape[2]))
    for start in range(0, height, step):
        part = slice(start, start + step)
        kept = share[part, None, None]
        rows = grids[low[part]] * (1 - kept) + grids[high[part]] * kept
        kept = across[2][:, None]
        yield (rows[:, across[0]] * (1 - kept) + rows[:, across[1]] * kept).astype(np.float32)


_STRIP = 1 << 22  # numbers at a time


def _between(pixels: int, places: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each pixel the patches before and after it, and the share of the one after."""
    at = np.interp((np.arange(pixels) + 0.5) / pixels, places, np.arange(len(places)))
    low = np.floor(at).astype(np.int64)
    return low, np.minimum(low + 1, len(places) - 1), (at - low).astype(np.float32)
