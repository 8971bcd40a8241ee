"""The transform between two images that most point pairs agree on, found among any share of wrong pairs.

Random sample consensus (Fischler and Bolles 1981) with the graded score of MSAC (Torr and Zisserman 2000): hypotheses
from two pairs each, all scored at once; the best few are refined by least squares on their inliers and scored again,
"locally optimised" (Chum, Matas and Kittler 2003). The same pairs and seed give the same answer. It knows points only,
no descriptors and no images.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from dinosearch.retrieval.transform import Transform, fit_affine, fit_similarity, scales

HYPOTHESES = 2048
SCALES = (0.25, 4.0)  # of a transform; at 4 a patch of one image covers 16 of the other
TOLERANCE = 1.0  # patches; tried with the tokens of `mini`: 0.75 and 1 alike, 1.25 to 2 less accurate
CELL = 2.0  # patches
_SEED = 4
_REFINED = 16  # best hypotheses that are refined
_ROUNDS = 4  # of least squares
_SHORTEST = 2.0  # patches between the two points of a sample; nearer ones say nothing of scale and angle
_AFFINE_LEAST = 10  # cells below which two more degrees of freedom are not trusted


def estimate(
    a: np.ndarray,
    b: np.ndarray,
    extents: tuple[float, float],
    *,
    weights: np.ndarray | None = None,
    tolerance: float = TOLERANCE,
    affine: bool = False,
    hypotheses: int = HYPOTHESES,
    seed: int = _SEED,
) -> Transform | None:
    """The similarity transform (rotation, scale, shift; no reflection) from a to b that most pairs agree on.

    Args:
        a: (p, 2) float64 points of the first image.
        b: (p, 2) float64, the points they are paired with.
        extents: side of a patch in the first and in the second image, in the units of a and b.
        weights: (p,) trust in each pair, positive; those of more trust are sampled more often and weigh more.
        tolerance: largest distance of an inlier in patches, the larger of b's and of a's as mapped.
        affine: relax the result to an affine map where ten cells or more agree and the fit gains by it.
        hypotheses: samples of two pairs; where no more than that exist, all of them.
        seed: of the sampling.

    Returns:
        The transform, or None where no two pairs lie far enough apart in the first image to tell an allowed scale.
    """
    trust = np.ones(len(a)) if weights is None else np.asarray(weights, dtype=np.float64)
    pairs = _Pairs(a, b, extents, trust / crowding(a, b, extents), tolerance)
    matrices = pairs.samples(hypotheses, seed)
    if not len(matrices):
        return None
    # A stable order: of equal scores the earlier hypothesis wins on every machine.
    best = matrices[np.argsort(-pairs.scores(matrices), kind="stable")[:_REFINED]]
    candidates = np.concatenate([best, pairs.refined(best, fit_similarity)])
    found = candidates[[np.argmax(pairs.scores(candidates))]]
    inliers = pairs.gains(found)[0] > 0
    if affine and distinct_cells(a[inliers], b[inliers], extents) >= _AFFINE_LEAST:
        both = np.concatenate([found, pairs.refined(found, fit_affine)])
        found = both[[np.argmax(pairs.scores(both))]]
        inliers = pairs.gains(found)[0] > 0
    return Transform(pairs.original(found[0]), inliers)


def distinct_cells(a: np.ndarray, b: np.ndarray, extents: tuple[float, float]) -> int:
    """How many separate observations the pairs are: cells of 2 x 2 patches they touch, in the image with fewer.

    Tokens next to each other are alike, so that a clump of pairs is one observation and not many.

    Args:
        a: (p, 2) points of the first image.
        b: (p, 2) points of the second image.
        extents: side of a patch in each.
    """
    if not len(a) or not len(b):
        return 0
    return min(len(np.unique(_cells(points, extent))) for points, extent in zip((a, b), extents, strict=True))


def crowding(a: np.ndarray, b: np.ndarray, extents: tuple[float, float]) -> np.ndarray:
    """(p,) int64: how many pairs share a pair's cell, in the image where they are more; arguments: `distinct_cells`."""
    counts = np.ones(len(a), dtype=np.int64)
    for points, extent in zip((a, b), extents, strict=True):
        _, cells, held = np.unique(_cells(points, extent), return_inverse=True, return_counts=True)
        counts = np.maximum(counts, held[cells.reshape(-1)])
    return counts


def on_a_line(points: np.ndarray, extent: float) -> bool:
    """Whether (p, 2) points spread by less than half a patch (standard deviation) in some direction."""
    if len(points) < 3:
        return True
    (xx, xy), (_, yy) = np.cov(points.T)
    least = (xx + yy) / 2 - np.hypot((xx - yy) / 2, xy)  # the smaller eigenvalue
    return bool(least < (extent / 2) ** 2)


def _cells(points: np.ndarray, extent: float) -> np.ndarray:
    """(p,) int64 that tells the cells apart."""
    places = np.floor(points / (extent * CELL)).astype(np.int64)
    numbers: np.ndarray = places[:, 0] * 65536 + places[:, 1]
    return numbers


class _Pairs:
    """Point pairs in patches of the second image, around their means: numbers small enough for scoring in 32 bits."""

    def __init__(
        self, a: np.ndarray, b: np.ndarray, extents: tuple[float, float], weights: np.ndarray, tolerance: float
    ) -> None:
        self._unit = extents[1]
        self._centres = (a.mean(axis=0), b.mean(axis=0)) if len(a) else (np.zeros(2), np.zeros(2))
        self._a, self._b = (a - self._centres[0]) / self._unit, (b - self._centres[1]) / self._unit
        self._sources = np.column_stack([self._a, np.ones(len(a))]).T.astype(np.float32)
        self._targets = self._b.T.astype(np.float32)
        self._weights = weights
        self._patch = extents[0] / extents[1]
        self._tolerance = tolerance

    def samples(self, number: int, seed: int) -> np.ndarray:
        """(h, 2, 3) transforms through two pairs each, those of an allowed scale."""
        count = len(self._a)
        if count * (count - 1) // 2 <= number:
            first, second = np.triu_indices(count, 1)
        else:
            upto = np.cumsum(self._weights) / self._weights.sum()
            drawn = np.searchsorted(upto, np.random.default_rng(seed).random((2, number)), side="right")
            first, second = np.minimum(drawn, count - 1)
        far = np.linalg.norm(self._a[first] - self._a[second], axis=1) >= _SHORTEST * self._patch
        both = np.column_stack([first[far], second[far]])
        matrices = fit_similarity(self._a[both], self._b[both], np.ones(both.shape))
        allowed: np.ndarray = matrices[_allowed(matrices)]
        return allowed

    def gains(self, matrices: np.ndarray) -> np.ndarray:
        """(h, p) float32: 1 - (distance / tolerance)^2, 0 for outliers."""
        limits = self._tolerance * np.maximum(1.0, self._patch * scales(matrices))
        rows = matrices.astype(np.float32)
        squares = np.square(rows[:, 0] @ self._sources - self._targets[0])
        squares += np.square(rows[:, 1] @ self._sources - self._targets[1])
        squares *= (-1 / limits[:, None] ** 2).astype(np.float32)
        squares += 1
        gains: np.ndarray = np.maximum(squares, 0, out=squares)
        return gains

    def scores(self, matrices: np.ndarray) -> np.ndarray:
        """(h,) weighted sum of the gains."""
        summed: np.ndarray = self.gains(matrices) @ self._weights.astype(np.float32)
        return summed

    def refined(self, matrices: np.ndarray, fit: Callable[..., np.ndarray]) -> np.ndarray:
        """The matrices after rounds of least squares with Tukey's biweight; one that leaves the scales stays behind."""
        for _ in range(_ROUNDS):
            fitted = fit(self._a, self._b, self._weights * np.square(self.gains(matrices), dtype=np.float64))
            matrices = np.where(_allowed(fitted)[:, None, None], fitted, matrices)
        return matrices

    def original(self, matrix: np.ndarray) -> np.ndarray:
        """The matrix in the units of the caller."""
        linear = matrix[:, :2]
        return np.column_stack([linear, matrix[:, 2] * self._unit + self._centres[1] - linear @ self._centres[0]])


def _allowed(matrices: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        growth = scales(matrices)
        allowed: np.ndarray = np.isfinite(matrices).all(axis=(1, 2)) & (growth >= SCALES[0]) & (growth <= SCALES[1])
    return allowed
