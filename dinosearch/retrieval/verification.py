"""Whether an answer shows the same thing as the query: do their patches match in one geometry, and where.

Other views of the query may be given beside it, as tokens bear neither turns nor resizing well; a view that was drawn
by the transform found with them (`Patches.on`) gives a better one: see `dinosearch.collection.asking.comparing`, and
docs/benchmarks.md for what that is worth.
It reads no image and embeds nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import lgamma, log, pi

import numpy as np

from dinosearch.retrieval.geometry import TOLERANCE, distinct_cells, estimate, on_a_line
from dinosearch.retrieval.matching import mutual_pairs, peaks
from dinosearch.retrieval.patches import Patches
from dinosearch.retrieval.transform import Transform

# Share of unrelated pairs that chance alone may bring to its level.
CHANCE = 0.01
# Unrelated pictures of one layout (sky above ground) agree in more cells than chance explains, and in the more the
# finer the grid and the more views are tried. So this share of the cells where they overlap is added, and more with
# each e-fold of views. `mini`, 500 unrelated pairs a source, one view: of rendered scenes, all under one sky, 1, 6 and
# 3 are accepted at 224, 336 and 448 pixels; of Kodak's and of CID22's photos none.
LAYOUT, PER_VIEW = 0.1, 0.01
# Cosine that an accepted answer gains with each e-fold of cells beyond the bound. Rendered landmarks, 90 queries, the
# first 20 answers of `mini` verified at 224 pixels by 64 components: mAP .9585 without, .9593 with 0.02 to 0.2.
WEIGHT = 0.05


@dataclass(frozen=True)
class Match:
    """How a query and an answer fit together.

    Attributes:
        transform: from points of the query to points of the answer, None where there is none.
        view: which of the query's views the pairs are of.
        pairs: (p, 2) int64, mutual matches: rows of that view's and of the answer's patches.
        inliers: (p,) bool, the pairs that agree with the transform.
        count: inliers by distinct cells, 0 where they lie on one line.
        bound: count from which on the match is accepted.
        box: the query's outline on the answer as fractions of it, x0, y0, x1, y1, clipped; None where not accepted.
    """

    transform: Transform | None
    view: int
    pairs: np.ndarray
    inliers: np.ndarray
    count: int
    bound: float
    box: tuple[float, float, float, float] | None

    @property
    def accepted(self) -> bool:
        """Whether more cells agree than in 99 of 100 unrelated pairs."""
        return self.transform is not None and self.count >= self.bound


def verify(query: Sequence[Patches], answer: Patches, *, least: float = -1.0, affine: bool = False) -> Match:
    """Match a query with one answer; arguments and result: `verify_all`."""
    return verify_all(query, [answer], least=least, affine=affine)[0]


def verify_all(
    query: Sequence[Patches], answers: Sequence[Patches], *, least: float = -1.0, affine: bool = False
) -> list[Match]:
    """Match a query with each answer of a shortlist.

    Args:
        query: patches of the query and of other views of it, one at least; the one most beyond its bound counts.
        answers: patches of each answer.
        least: cosine that a pair of patches must reach.
        affine: allow affine transforms.

    Returns:
        A match for each answer, in their order.
    """
    stacked = np.concatenate([view.descriptors for view in query])
    ends = np.cumsum([len(view.descriptors) for view in query])[:-1]
    matches = []
    for answer in answers:
        parts = np.split(stacked @ answer.descriptors.T, ends)
        tried = [
            _match(number, len(query), view, answer, cosines, least, affine)
            for number, (view, cosines) in enumerate(zip(query, parts, strict=True))
        ]
        matches.append(max(tried, key=lambda match: match.count - match.bound))
    return matches


def fuse(cosine: float, match: Match | None) -> float:
    """The score of an answer: its cosine, and above it WEIGHT * log(1 + cells from the bound on) where accepted.

    Answers that are not accepted keep their cosine, and so the order among them.
    """
    if match is None or not match.accepted:
        return cosine
    return cosine + WEIGHT * log(2 + match.count - match.bound)


@lru_cache(maxsize=4096)
def chance_level(pairs: int, cells: int, patches: int, views: int = 1) -> int:
    """Cells that chance lets agree in one of a hundred unrelated pairs, "a contrario" (Moisan and Stival 2004).

    A pair out of place falls into the tolerance around where a transform wants it with the probability pi *
    tolerance^2 / patches; one of the pairs of a cell does with p = 1 - (1 - that)^(pairs / cells). A transform through
    two of N cells has k - 2 of the others with it with a binomial tail of p; times the N (N - 1) / 2 transforms this is
    how often k is to be expected. The level is the least k for which that is at most CHANCE.

    Args:
        pairs: mutual matches.
        cells: N, distinct cells among them.
        patches: of the image with fewer.
        views: of the query, as each of them is a trial.
    """
    if cells < 3:
        return 3
    p = min(0.5, 1 - (1 - min(0.5, pi * TOLERANCE**2 / patches)) ** (pairs / cells))
    others = cells - 2
    logarithms = [
        lgamma(others + 1) - lgamma(k + 1) - lgamma(others - k + 1) + k * log(p) + (others - k) * log(1 - p)
        for k in range(others + 1)
    ]
    expected = views * cells * (cells - 1) / 2 * np.cumsum(np.exp(logarithms)[::-1])[::-1]
    rare = np.flatnonzero(expected <= CHANCE)
    return 2 + int(rare[0] if len(rare) else others + 1)


def _match(
    number: int, views: int, query: Patches, answer: Patches, cosines: np.ndarray, least: float, affine: bool
) -> Match:
    pairs, near = mutual_pairs(cosines, least)
    extents = (query.extent, answer.extent)
    a, b = query.points[pairs[:, 0]], answer.points[pairs[:, 1]]
    patches = min(len(query.points), len(answer.points))
    cells = distinct_cells(a, b, extents)
    bound: float = chance_level(len(pairs), cells, patches, views)
    layout = LAYOUT + PER_VIEW * log(views)
    transform = None
    if cells >= bound + layout * cells:  # else not even all of them would do, as they lie where the images overlap
        fine = _between(query, answer, pairs, cosines)
        transform = estimate(*fine, extents, weights=np.maximum(near, 0.01), affine=affine)
    if transform is None:
        return Match(None, number, pairs, np.zeros(len(pairs), dtype=bool), 0, bound, None)
    a, b = a[transform.inliers], b[transform.inliers]
    flat = on_a_line(a, query.extent) or on_a_line(b, answer.extent)
    count = 0 if flat else distinct_cells(a, b, extents)
    bound += layout * _overlap(transform, query, answer)
    box = _box(transform, query, answer) if count >= bound else None
    return Match(transform, number, pairs, transform.inliers, count, bound, box)


def _between(query: Patches, answer: Patches, pairs: np.ndarray, cosines: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points of the pairs, as fine as neighbouring patches tell."""
    sides, backwards = (query, answer), pairs[:, ::-1]
    offsets = (peaks(cosines.T, backwards, query.neighbours), peaks(cosines, pairs, answer.neighbours))
    # Each of the two images tells the whole of what lies between the centres, so that half is moved in each.
    a, b = (image.between(rows, by / 2) for image, rows, by in zip(sides, pairs.T, offsets, strict=True))
    return a, b


def _overlap(transform: Transform, query: Patches, answer: Patches) -> int:
    """Cells of what both images show, in the image where they are fewer."""
    a = query.points[answer.contains(transform.apply(query.points))]
    b = answer.points[query.contains(transform.inverse().apply(answer.points))]
    return distinct_cells(a, b, (query.extent, answer.extent))


def _box(transform: Transform, query: Patches, answer: Patches) -> tuple[float, float, float, float] | None:
    corners = transform.apply(query.outline) / np.asarray(answer.sides)
    x0, y0 = np.clip(corners.min(axis=0), 0, 1)
    x1, y1 = np.clip(corners.max(axis=0), 0, 1)
    return float(x0), float(y0), float(x1), float(y1)
