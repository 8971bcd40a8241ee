"""A small grey copy of a picture at several sizes, squashed to squares, and how it is drawn in the frame of another.

Places in a picture are pairs of -1..1, from left to right and from top to bottom, whatever its aspect: so a copy with
other sides has the same places. A map from places of one picture to places of another is a (2, 3) matrix.
"""

from __future__ import annotations

from functools import cached_property, lru_cache

import numpy as np

SIDE = 256
"""Pixels of the largest size; the others are 128, 64 and 32."""
SIZES = (32, 64, 128, 256)
_CHROMA = np.array([[-0.169, -0.331, 0.5], [0.5, -0.419, -0.081]], np.float32)  # of the same norm
_EVEN = 4.0  # grey levels of contrast below which a place counts as even, when contrasts are made alike
_AROUND = 16  # a place is compared with what is around it: so many parts of the side either way


class Pyramid:
    """One picture.

    Args:
        pixels: (SIDE, SIDE, 3) uint8, upright and squashed.
        size: width and height of the picture itself in pixels.
    """

    def __init__(self, pixels: np.ndarray, size: tuple[int, int]) -> None:
        self.size = size
        grey = pixels.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601
        self._grey = np.rint(grey).astype(np.uint8)
        self.colours = pixels.reshape(8, SIDE // 8, 8, SIDE // 8, 3).mean(axis=(1, 3))
        """(8, 8, 3) mean colours, 0..255."""
        coarse = pixels.reshape(32, SIDE // 32, 32, SIDE // 32, 3).mean(axis=(1, 3), dtype=np.float32)
        self.tint = np.moveaxis(coarse @ _CHROMA.T, 2, 0)
        """(2, 32, 32) float32 blue less yellow and red less green; 0 where there is no colour."""
        self.spectra: dict[bool, np.ndarray] = {}
        """Filled by `turning`: by whether the picture is mirrored."""
        self._even: dict[int, np.ndarray] = {}

    def forget(self) -> None:
        """Drop what can be made again: 65 kB are left of half a megabyte."""
        self.__dict__.pop("grey", None)
        self._even, self.spectra = {}, {}

    @cached_property
    def grey(self) -> dict[int, np.ndarray]:
        """(n, n) float32 levels 0..255 by their size n."""
        made = {SIDE: self._grey.astype(np.float32)}
        for n in reversed(SIZES[:-1]):
            made[n] = made[2 * n].reshape(n, 2, n, 2).mean(axis=(1, 3))
        return made

    def even(self, n: int) -> np.ndarray:
        """The same with light and contrast made alike everywhere: what is left is structure, about -3..3."""
        if n not in self._even:
            self._even[n] = _evened(self.grey[n])
        return self._even[n]


def level(n: int, matrix: np.ndarray) -> int:
    """The size at which a picture is as fine as a frame of n pixels into which it is drawn by a matrix."""
    wanted = 0.9 * n / max(growth(matrix), 1e-3)
    return next((size for size in SIZES if size >= wanted), SIDE)


def growth(matrix: np.ndarray) -> float:
    """How many times as long distances become."""
    return float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))


def drawn(picture: np.ndarray, matrix: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw a picture in the frame of another, between its pixels linearly.

    Args:
        picture: (m, m) float32.
        matrix: (2, 3) from places of the frame to places of the picture.
        n: pixels of the frame's side.

    Returns:
        (n, n) float32, and (n, n) bool: where the picture reaches.
    """
    m = len(picture)
    x, y = ((matrix @ _places(n) + 1) * (m / 2) - 0.5).astype(np.float32)
    inside = (x >= -0.5) & (x <= m - 0.5) & (y >= -0.5) & (y <= m - 0.5)
    x, y = np.clip(x, 0, m - 1.001), np.clip(y, 0, m - 1.001)
    left, top = x.astype(np.int32), y.astype(np.int32)
    right, down, flat, at = x - left, y - top, picture.ravel(), top * m + left
    above = flat[at] * (1 - right) + flat[at + 1] * right
    below = flat[at + m] * (1 - right) + flat[at + m + 1] * right
    return (above * (1 - down) + below * down).reshape(n, n), inside.reshape(n, n)


def places(n: int) -> tuple[np.ndarray, np.ndarray]:
    """(n * n,) float64 x and y of a frame's pixels."""
    x, y, _ = _places(n)
    return x, y


def chained(outer: np.ndarray, inner: np.ndarray) -> np.ndarray:
    """The (2, 3) matrix that maps by `inner` and then by `outer`."""
    both: np.ndarray = outer @ np.vstack([inner, [0, 0, 1]])
    return both


def inverse(matrix: np.ndarray) -> np.ndarray:
    """The (2, 3) matrix that maps back."""
    back: np.ndarray = np.linalg.inv(np.vstack([matrix, [0, 0, 1]]))[:2]
    return back


@lru_cache(maxsize=8)
def _places(n: int) -> np.ndarray:
    centres = (np.arange(n) + 0.5) / n * 2 - 1
    x, y = np.meshgrid(centres, centres)
    return np.stack([x.ravel(), y.ravel(), np.ones(n * n)])


def _evened(grey: np.ndarray) -> np.ndarray:
    radius = max(2, len(grey) // _AROUND)
    wide = grey.astype(np.float64)
    mean = _around(wide, radius)
    spread = np.sqrt(np.maximum(_around(wide * wide, radius) - mean * mean, 0) + _EVEN**2)
    evened: np.ndarray = ((wide - mean) / spread).astype(np.float32)
    return evened


def _around(values: np.ndarray, radius: int) -> np.ndarray:
    """Means over the square of that radius around each place, as far as it lies inside."""
    n = len(values)
    sums = np.zeros((n + 1, n + 1))
    sums[1:, 1:] = values.cumsum(axis=0).cumsum(axis=1)
    low, high = np.clip(np.arange(n) - radius, 0, n), np.clip(np.arange(n) + radius + 1, 0, n)
    total = sums[high][:, high] - sums[low][:, high] - sums[high][:, low] + sums[low][:, low]
    means: np.ndarray = total / np.outer(high - low, high - low)
    return means
