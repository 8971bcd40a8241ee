"""Whether two pictures are copies of each other: one picture, encoded again, resized, cut, turned, mirrored, blurred.

The second opinion beside the vectors, for which another photo of the same thing is as near as a copy. One picture is
laid onto the other, and fields of both are compared: in copies nearly all of them correlate nearly perfectly; in
another photo, taken a moment later from a step aside, many are a little different. It knows pixels only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dinosearch.analysis.duplicates.fitting import COARSE, FINE, fitted
from dinosearch.analysis.duplicates.pyramid import SIDE, Pyramid, drawn, growth, inverse, level
from dinosearch.analysis.duplicates.turning import guesses

AGREES = 0.7
"""Correlation of a field from which on it shows the same in both; the others were painted over, or differ."""
LEAST_SHARE = 0.7
"""Of the fields that must agree: a caption or a mark may take the rest."""
# The median correlation that the fields must have, by the share of those that agree: where some do not, the rest has to
# fit the better. Copies have 0.95 and more with a share of 1, and 1.00 with captions and marks; the nearest photos of
# one series that were found (boofcv, `scene`: two shots of a mountain, of a street) 0.957 with 0.92, 0.951 with 0.88.
MEDIAN, MEDIAN_MOST, FOR_SHARE = 0.94, 0.985, 0.4
LIGHT, TINT = 0.75, 0.3
"""Correlation of the fields' brightness, and cosine of the colours where both have some: pictures of few edges, such as
charts or a shirt in two colours, may fit each other edge by edge. A mark over a pale picture takes both far down."""
_HOPELESS = 0.85  # median at the coarse size below which no finer look is worth it
_PROMISING = 0.9  # median of a whole picture that needs no other guess
_BLURS = (-3.6, -2.4, -1.6, -1.0, 0.0, 1.0, 1.6, 2.4, 3.6)  # of one (below 0) or the other, in pixels of SIDE
_STRUCTURE = (2.0, 3.0)  # grey levels of deviation that a field has in the fainter and in the stronger picture
_LOST = 8.0  # grey levels of a field that is even in the other picture: something lies over it
_COLOURED = 6.0  # root mean square of the colours from which on a picture has some
_FIELDS = 8  # with structure; below, brightness is compared instead
_COVERED = 0.75  # of the smaller picture that the larger one reaches: else neither could stand for the other
_PLAIN = 6.0  # grey levels that plain pictures may differ by
_SIMILAR = 0.25  # correlation of a whole picture from which on it is worth fitting
Measured = tuple[float, float, float]
_WHOLE = tuple(
    np.array([[a, b, 0.0], [c, d, 0.0]])
    for a, b, c, d in (
        *((1, 0, 0, 1), (-1, 0, 0, 1), (1, 0, 0, -1), (-1, 0, 0, -1)),
        *((0, 1, 1, 0), (0, -1, 1, 0), (0, 1, -1, 0), (0, -1, -1, 0)),
    )
)
"""The whole picture upright, mirrored, and turned by quarters."""


@dataclass(frozen=True)
class Likeness:
    """How one picture lies in another.

    Attributes:
        matrix: (2, 3) from places of the one to places of the other (`pyramid`).
        median: of the correlations of the fields.
        share: of the fields that agree.
        light: correlation of the brightness of the fields, without those that disagree.
        tint: cosine of the colours; 1 where one picture has none.
    """

    matrix: np.ndarray
    median: float
    share: float
    light: float = 1.0
    tint: float = 1.0

    @property
    def is_copy(self) -> bool:
        needed = min(MEDIAN_MOST, MEDIAN + FOR_SHARE * (1 - self.share))
        return self.share >= LEAST_SHARE and self.median >= needed and self.light >= LIGHT and self.tint >= TINT


def compare(one: Pyramid, other: Pyramid) -> Likeness | None:
    """Lay one picture onto the other; None where no place is found at which they fit at all."""
    tried: list[Likeness] = []
    start = _whole(one, other)
    if start is not None:
        tried += filter(None, [_at(one, other, start)])
    if not any(found.median >= _PROMISING for found in tried):
        tried += filter(None, (_at(one, other, guess) for guess in guesses(one, other)[:3]))
    if not tried:
        return _plain(one, other)
    best = max(tried, key=lambda found: found.median)
    if best.median < _HOPELESS:
        return best
    return _at(one, other, best.matrix, fine=True) or best


def change(matrix: np.ndarray, kept: Sequence[int], other: Sequence[int]) -> str:
    """What was done to one picture to make the other, in a few words; empty for the whole picture upright.

    Args:
        matrix: from places of the picture that is kept to places of the other.
        kept: width and height of the one in pixels.
        other: of the other.
    """
    into, out = (np.diag(np.array(size) / max(size)) for size in (kept, other))
    real = out @ matrix[:, :2] @ np.linalg.inv(into)
    words = []
    if np.linalg.det(real) < 0:
        words.append("mirrored")
        real = real @ np.diag([-1, 1])
    angle = np.degrees(np.arctan2(real[1, 0] - real[0, 1], real[0, 0] + real[1, 1]))
    if abs(angle) > 1:
        words.append(f"turned {abs(angle):.0f}°")
    part = 1 / growth(matrix) ** 2
    if part < 0.96:
        words.append(f"{100 * part:.0f} % of it")
    elif part > 1.04:
        words.append("with more around it")
    return ", ".join(words)


def _whole(one: Pyramid, other: Pyramid) -> np.ndarray | None:
    """The quarter turn or mirroring in which the whole pictures are most alike; None where they are not."""
    likeness = [
        max(
            _correlation(one.even(64), drawn(other.even(64), way, 64)[0]),
            _correlation(one.grey[32], drawn(other.grey[32], way, 32)[0]) - 0.2,
        )
        for way in _WHOLE
    ]
    best = int(np.argmax(likeness))
    return _WHOLE[best] if likeness[best] >= _SIMILAR else None


def _at(one: Pyramid, other: Pyramid, guess: np.ndarray, *, fine: bool = False) -> Likeness | None:
    """Fit from a guess and measure there, in the frame of the picture that shows less of the scene."""
    back = growth(guess) > 1
    inner, outer, start = (other, one, inverse(guess)) if back else (one, other, guess)
    matrix = fitted(inner, outer, start, FINE if fine else COARSE)
    if matrix is None or growth(matrix) < 0.05:
        return None
    measured = _measured(inner, outer, matrix, SIDE if fine else SIDE // 2)
    if measured is None:
        return None
    return Likeness(inverse(matrix) if back else matrix, *measured, _tint(inner, outer, matrix))


def _measured(inner: Pyramid, outer: Pyramid, matrix: np.ndarray, n: int) -> Measured | None:
    """`median`, `share` and `light` of a `Likeness` over 16 x 16 fields; None where there is not enough to see.

    Both are blurred alike first: of the blurs of either the one counts by which they fit best, sought from none on.
    """
    seen, reached = drawn(outer.grey[level(n, matrix)], matrix, n)
    covered = _fields(reached).min(axis=1)
    if covered.mean() < _COVERED:
        return None

    def blurred_by(place: int) -> Measured | None:
        scaled = _BLURS[place] * n / SIDE
        return _agreement(_blurred(inner.grey[n], -scaled), _blurred(seen, scaled), covered)

    best = blurred_by(len(_BLURS) // 2)
    for step in (1, -1):
        place = len(_BLURS) // 2 + step
        before = best
        while best and 0 <= place < len(_BLURS) and (found := blurred_by(place)) and found > best:
            best, place = found, place + step
        if best != before:
            break
    return best


def _agreement(one: np.ndarray, other: np.ndarray, covered: np.ndarray) -> Measured | None:
    a, b = _fields(one)[covered], _fields(other)[covered]
    light_a, light_b = a.mean(axis=1), b.mean(axis=1)
    a, b = a - light_a[:, None], b - light_b[:, None]
    spread_a, spread_b = a.std(axis=1), b.std(axis=1)
    fainter, stronger = np.minimum(spread_a, spread_b), np.maximum(spread_a, spread_b)
    faint, strong = _STRUCTURE
    seen = (fainter > faint) & (stronger > strong)
    correlations = np.zeros(len(a))
    correlations[seen] = (a[seen] * b[seen]).mean(axis=1) / (spread_a[seen] * spread_b[seen])
    looked_at = seen | (stronger > _LOST)
    if looked_at.sum() < _FIELDS:
        return None
    fit = ~looked_at | (correlations >= AGREES)
    light = 0.0
    if fit.sum() > 1:
        # Where all places are equally bright there is nothing to compare.
        plain = max(light_a[fit].std(), light_b[fit].std()) < faint
        light = 1.0 if plain else _correlation(light_a[fit], light_b[fit])
    agreeing = correlations[looked_at]
    return float(np.median(agreeing)), float((agreeing >= AGREES).mean()), light


def _tint(inner: Pyramid, outer: Pyramid, matrix: np.ndarray) -> float:
    """The cosine of the colours of two pictures; 1 where one of them has none."""
    seen = [drawn(axis, matrix, 32) for axis in outer.tint]
    one = np.concatenate([axis[inside] for axis, (_, inside) in zip(inner.tint, seen, strict=True)])
    other = np.concatenate([values[inside] for values, inside in seen])
    lengths = np.linalg.norm(one), np.linalg.norm(other)
    if min(lengths) < _COLOURED * np.sqrt(len(one) / 2):
        return 1.0
    return float(one @ other / (lengths[0] * lengths[1]))


def _plain(one: Pyramid, other: Pyramid) -> Likeness | None:
    """For pictures with next to no structure, such as an empty page: whether their brightness and colours are alike."""
    if max(one.even(64).std(), other.even(64).std()) > 0.5:
        return None
    apart = float(np.abs(one.colours - other.colours).max())
    return Likeness(_WHOLE[0], 1.0, 1.0) if apart <= _PLAIN else None


def _fields(values: np.ndarray) -> np.ndarray:
    """(256, k) the values of 16 x 16 fields of a square."""
    side = len(values) // 16
    return values.reshape(16, side, 16, side).transpose(0, 2, 1, 3).reshape(256, side * side)


def _blurred(values: np.ndarray, sigma: float) -> np.ndarray:
    """By a Gaussian of that deviation in pixels; below 0 not at all."""
    if sigma <= 0:
        return values
    radius = int(np.ceil(3 * sigma))
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2).astype(np.float32)
    weights /= weights.sum()
    for _ in range(2):  # down, and then, turned, across
        padded = np.pad(values, ((radius, radius), (0, 0)), mode="edge")
        values = sum(w * padded[i : i + len(values)] for i, w in enumerate(weights)).T
    return values


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    a, b = one - one.mean(), other - other.mean()
    return float((a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum() + 1e-9))
