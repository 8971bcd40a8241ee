"""Patch descriptors of an image and where on the image they lie; it computes no tokens and compares nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from dinosearch.records import Preprocessing
from dinosearch.retrieval.matching import finite
from dinosearch.retrieval.transform import Transform

# What `dinosearch.images.resizing` does in `crop`: shorter side to size * 256 / 224, then the centre.
_CROP_RATIO = 256 / 224


@dataclass(frozen=True)
class Patches:
    """The patches of one image, or of a resized or turned view of it, with their places on the image.

    The unit of length is the longer side of the image, so that angles and circles are those of the undistorted image
    also where it was squashed to a square.

    Attributes:
        descriptors: (n, d) float32, rows of unit length (zero where a token was zero).
        points: (n, 2) float64, x and y of the centres from the top left.
        sides: width and height of the image; the longer one is 1.
        extent: longer side of the part of the image that a patch covers.
        neighbours: (n, 4) int64, rows of the patches to the left, to the right, above and below on the grid of the
            tokens, -1 where there is none.
    """

    descriptors: np.ndarray
    points: np.ndarray
    sides: tuple[float, float]
    extent: float
    neighbours: np.ndarray

    @property
    def fractions(self) -> np.ndarray:
        """(n, 2) float64: the centres as fractions of width and height, 0..1."""
        places: np.ndarray = self.points / np.asarray(self.sides)
        return places

    @property
    def outline(self) -> np.ndarray:
        """(4, 2) float64: the corners of the image, clockwise from the top left."""
        width, height = self.sides
        return np.array([[0.0, 0.0], [width, 0.0], [width, height], [0.0, height]])

    def contains(self, points: np.ndarray) -> np.ndarray:
        """(p,) bool: whether (p, 2) points lie on the image."""
        inside: np.ndarray = np.all((points >= 0) & (points <= np.asarray(self.sides)), axis=1)
        return inside

    def between(self, rows: np.ndarray, offsets: np.ndarray) -> np.ndarray:
        """(p, 2) float64: points `offsets` (p, 2) patches to the right of and below the centres of `rows` (p,)."""
        found: np.ndarray = self.points[rows]
        for axis in (0, 1):
            before, after = self.neighbours[rows, 2 * axis], self.neighbours[rows, 2 * axis + 1]
            known = ((before >= 0) & (after >= 0))[:, None]
            step = np.where(known, self.points[after] - self.points[before], 0) / 2
            found = found + offsets[:, [axis]] * step
        return found

    def on(self, sides: tuple[float, float], drawn: Transform) -> Patches:
        """Patches of an image that was drawn onto this one, a canvas: another view of that image.

        Args:
            sides: width and height of the image that was drawn; the longer one is 1.
            drawn: from its points to points of the canvas.

        Returns:
            The patches whose centre shows it, with their points on it.
        """
        points = drawn.inverse().apply(self.points)
        moved = replace(self, points=points, sides=sides, extent=self.extent / drawn.scale)
        return moved._kept(moved.contains(points))

    def _kept(self, shown: np.ndarray) -> Patches:
        rows = np.append(np.where(shown, np.cumsum(shown) - 1, -1), -1)  # the last one is that of -1
        return replace(
            self,
            descriptors=self.descriptors[shown],
            points=self.points[shown],
            neighbours=rows[self.neighbours[shown]],
        )


def describe(
    tokens: np.ndarray,
    width: int,
    height: int,
    preprocessing: Preprocessing | None = None,
    *,
    mean: np.ndarray | None = None,
    turned: float = 0.0,
) -> Patches:
    """Make patch descriptors out of a token map.

    Args:
        tokens: (h, w, d) patch tokens, not normalised; one with a number that is not finite gives a descriptor of 0.
        width: of the upright image in pixels, before any resizing.
        height: likewise.
        preprocessing: how the image became model input; None stands for a squash.
        mean: (d,) or (h, w, d), subtracted first: the mean token of a collection, or its mean at each place of the
            grid, which also takes away what tokens say of their place instead of the picture.
        turned: degrees by which the picture was turned clockwise about its centre, on a canvas of the same size, before
            the preprocessing: a second view of a query. The points are those on the picture as it was.

    Returns:
        The patches whose centre lies on the image, row by row; padding and the corners of a turned canvas have others.

    Raises:
        ValueError: tokens of another shape, or an image without pixels.
    """
    if tokens.ndim != 3 or 0 in tokens.shape or width < 1 or height < 1:
        raise ValueError(f"tokens (h, w, d) of an image with pixels are wanted, not {tokens.shape}, {width} x {height}")
    rows, columns, dimension = tokens.shape
    left, top, right, bottom = _window(preprocessing or Preprocessing(), width, height, (rows, columns))
    longer = max(width, height)
    sides = (width / longer, height / longer)
    x = (left + (np.arange(columns) + 0.5) / columns * (right - left)) * sides[0]
    y = (top + (np.arange(rows) + 0.5) / rows * (bottom - top)) * sides[1]
    points = _turn_back(np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2), sides, turned)
    centred = tokens if mean is None else tokens - mean
    extent = max((right - left) * sides[0] / columns, (bottom - top) * sides[1] / rows)
    whole = Patches(_unit(centred.reshape(-1, dimension)), points, sides, extent, _neighbours(rows, columns))
    return whole._kept(whole.contains(points))


def _window(
    preprocessing: Preprocessing, width: int, height: int, grid: tuple[int, int]
) -> tuple[float, float, float, float]:
    """What the grid covers, as fractions of the image: left, top, right, bottom; beyond 0..1 where there is padding."""
    if preprocessing.mode == "squash":
        return 0.0, 0.0, 1.0, 1.0
    size = preprocessing.size
    if preprocessing.mode == "crop":
        scale = round(size * _CROP_RATIO) / min(width, height)
        covered = (size / (width * scale), size / (height * scale))
    else:
        # The size is a multiple of the patch, so that the longer side of the grid tells the side of a patch.
        patch, scale = size / max(grid), size / max(width, height)
        covered = (grid[1] * patch / (width * scale), grid[0] * patch / (height * scale))
    across, down = covered
    return (1 - across) / 2, (1 - down) / 2, (1 + across) / 2, (1 + down) / 2


def _turn_back(points: np.ndarray, sides: tuple[float, float], turned: float) -> np.ndarray:
    if turned == 0.0:
        return points
    cosine, sine = np.cos(np.radians(turned)), np.sin(np.radians(turned))
    centre = np.asarray(sides) / 2
    back: np.ndarray = (points - centre) @ np.array([[cosine, -sine], [sine, cosine]]) + centre
    return back


def _neighbours(rows: int, columns: int) -> np.ndarray:
    numbers = np.full((rows + 2, columns + 2), -1, dtype=np.int64)
    numbers[1:-1, 1:-1] = np.arange(rows * columns).reshape(rows, columns)
    around = (numbers[1:-1, :-2], numbers[1:-1, 2:], numbers[:-2, 1:-1], numbers[2:, 1:-1])
    return np.stack(around, axis=-1).reshape(-1, 4)


def _unit(rows: np.ndarray) -> np.ndarray:
    rows = finite(np.ascontiguousarray(rows, dtype=np.float32))
    with np.errstate(over="ignore"):  # a token as long as that becomes zero
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: np.ndarray = rows / np.maximum(lengths, np.float32(1e-12))
    return unit
