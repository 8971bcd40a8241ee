"""Why two images match: what `Collection.explain` answers and a picture of it shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Explanation:
    """The comparison of a query image with one result, patch by patch.

    Places are fractions of the upright image: x from the left, y from the top, both 0..1.

    Attributes:
        score: cosine of the two vectors, as a query answers it.
        without: the same when the matched part of the result is painted over with grey; None without a match.
        inliers: patch pairs that agree on one movement, rotation and scale, counted so that clumps do not count twice.
        bound: inliers from which the agreement is no accident.
        pairs: (p, 4) float32 of the agreeing pairs: x and y in the query, x and y in the result.
        outline: (4, 2) float32, the query's corners in the result, clockwise from the top left; they may lie outside of
            0..1. None without a match.
        box: left, top, right, bottom of the outline inside the result; None without a match.
        heat: for query and result (h, w) float32, the best cosine of each patch with any patch of the other image.
        colours: for query and result (h, w, 3) uint8, the first three principal components of the patch tokens of both
            images together as red, green and blue: equal colours mean similar patches.
    """

    score: float
    without: float | None
    inliers: int
    bound: int
    pairs: np.ndarray
    outline: np.ndarray | None
    box: tuple[float, float, float, float] | None
    heat: tuple[np.ndarray, np.ndarray]
    colours: tuple[np.ndarray, np.ndarray]

    @property
    def matched(self) -> bool:
        """Whether the geometric check found the same thing in both images."""
        return self.outline is not None
