"""Principal components of patches: the foreground by the first, colours by three more in one basis for a whole group.

After DINOv2, section 7.5 (Oquab et al. 2023, arXiv:2304.07193): the first component of all patches parts the foreground
from the background, and three components of the foreground alone are red, green and blue.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dinosearch.analysis.dense.grids import DenseImage, DenseImages, enlarged
from dinosearch.analysis.dense.sampling import PATCHES, sample

_ALIKE = 1e-3  # of the spread: means that differ by less do not say on which side the border lies


@dataclass(frozen=True)
class Basis:
    """A mean and orthonormal axes; the axes of the largest spread come first.

    Attributes:
        mean: (d,) float64.
        axes: (count, d) float64; each points to where its largest number is positive. Rows of zeros where the patches
            have no more spread.
    """

    mean: np.ndarray
    axes: np.ndarray

    def of(self, rows: np.ndarray) -> np.ndarray:
        """(n, count) float64 components of (n, d) rows."""
        components: np.ndarray = rows.astype(np.float64) @ self.axes.T - self.mean @ self.axes.T
        return components


@dataclass(frozen=True)
class Foreground:
    """Which patches show the subject: those whose first component is positive, after its sign was chosen.

    Attributes:
        basis: of one axis.
    """

    basis: Basis

    def of(self, image: DenseImage) -> np.ndarray:
        """(h, w) float64, positive in the foreground."""
        return self.basis.of(image.rows)[:, 0].reshape(image.grid)


@dataclass(frozen=True)
class Coloured:
    """One image in colours of its patches.

    Attributes:
        image: its name.
        first: (h, w) float32, the component that parts foreground from background.
        foreground: (h, w) bool.
        components: (h, w, 3) float32 in the basis of the group's foreground.
        colours: (h, w, 3) uint8, the components from the least to the largest of the group's foreground; those of the
            background are cut to that and mean little.
        patch: as `DenseImage.patch`.
    """

    image: str
    first: np.ndarray
    foreground: np.ndarray
    components: np.ndarray
    colours: np.ndarray
    patch: tuple[float, float]

    def pixels(self, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
        """(height, width, 3) uint8 colours and (height, width) bool foreground, bilinear between the patches."""
        sign = self.first if not self.foreground.all() else np.ones_like(self.first)
        grids = np.concatenate([self.colours, sign[..., None]], axis=2)
        numbers = np.concatenate(list(enlarged(grids, self.patch, width, height)))
        return np.rint(numbers[..., :3]).astype(np.uint8), numbers[..., 3] > 0


def principal_basis(rows: np.ndarray, count: int) -> Basis:
    """The first principal components.

    Args:
        rows: (n, d) float, at least one.
        count: axes wanted.
    """
    mean = rows.mean(axis=0, dtype=np.float64)
    centred = rows - mean
    n, d = centred.shape
    # The smaller of the two products has the same eigenvalues.
    values, vectors = np.linalg.eigh(centred.T @ centred if d <= n else centred @ centred.T)
    order = np.argsort(values)[::-1][:count]
    found = vectors[:, order].T if d <= n else vectors[:, order].T @ centred
    lengths = np.linalg.norm(found, axis=1)
    # What rounding leaves of no spread at all is no axis.
    real = values[order] > max(float(values.max()), 0.0) * 1e-12
    axes = np.zeros((count, d))
    axes[: len(found)][real] = found[real] / lengths[real, None]
    axes *= np.where(axes[np.arange(count), np.abs(axes).argmax(axis=1)] < 0, -1.0, 1.0)[:, None]
    return Basis(mean, axes)


def find_foreground(images: DenseImages, *, flip: bool = False, seed: int = 0) -> Foreground:
    """Learn from a group which patches show its subject.

    The sign of a component means nothing. The foreground is the side that is seen less along the edges of the images
    than inside: the mean of the component over the patches of the edges is the lower one. Where both means are alike,
    it is the side with fewer patches.

    Args:
        images: at least one.
        flip: take the other side.
        seed: of the choice of patches.
    """
    taken = sample(images, PATCHES, seed)
    return _oriented(taken.rows, taken.border, flip)


def colour(images: DenseImages, *, flip: bool = False, whole: bool = False, seed: int = 0) -> list[Coloured]:
    """Colour the patches of a group; equal colours mean similar patches, also in different images.

    Args:
        images: at least one; gone through twice.
        flip: take the other side of the first component for the foreground.
        whole: leave no background out.
        seed: of the choice of patches.

    Returns:
        One for each image. Where less than two patches lie in the foreground, nothing is coloured.
    """
    taken = sample(images, PATCHES, seed)
    foreground = _oriented(taken.rows, taken.border, flip)
    kept = np.ones(len(taken.rows), bool) if whole else foreground.basis.of(taken.rows)[:, 0] > 0
    rows = taken.rows[kept] if kept.sum() > 1 else taken.rows[:1]
    basis = principal_basis(rows, 3)
    numbers = basis.of(rows)
    low, high = numbers.min(axis=0), numbers.max(axis=0)
    return [_coloured(image, foreground, basis, (low, high), whole) for image in images]


def _oriented(rows: np.ndarray, border: np.ndarray, flip: bool) -> Foreground:
    basis = principal_basis(rows, 1)
    numbers = basis.of(rows)[:, 0]
    less = bool((numbers > 0).sum() > (numbers < 0).sum())
    if border.any() and not border.all():
        difference = float(numbers[border].mean() - numbers[~border].mean())
        if abs(difference) > _ALIKE * float(numbers.std()):
            less = difference > 0
    return Foreground(Basis(basis.mean, -basis.axes if less != flip else basis.axes))


def _coloured(
    image: DenseImage, foreground: Foreground, basis: Basis, span: tuple[np.ndarray, np.ndarray], whole: bool
) -> Coloured:
    first = foreground.of(image)
    shown = np.ones(first.shape, bool) if whole else first > 0
    components = basis.of(image.rows).reshape(*image.grid, 3)
    low, high = span
    spread = high > low
    shares = np.where(spread, (components - low) / np.where(spread, high - low, 1), 0.5)
    colours = np.rint(np.clip(shares, 0, 1) * 255).astype(np.uint8)
    return Coloured(image.name, first.astype(np.float32), shown, components.astype(np.float32), colours, image.patch)
