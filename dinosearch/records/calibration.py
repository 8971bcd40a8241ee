"""What a score means: the mapping from scores to estimates of "the same instance", and what users said of results.

It holds the mapping and reads it off; `retrieval.calibration` learns it.
"""

from __future__ import annotations

import dataclasses
import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class Verdict:
    """What a user said of one query and one image of the collection.

    Attributes:
        query_sha256: hex digest of the query image's encoded bytes; of its pixels where it was given as pixels.
        image_id: the image that was answered.
        same: whether it shows the same instance.
        score: their cosine when the verdict was given.
        generation: number of the generation of vectors that the score is of.
        made: when, UTC with zone.
        query_id: the query where it is an image of the collection, as known when the verdict is read; it is not kept.
    """

    query_sha256: str
    image_id: int
    same: bool
    score: float
    generation: int
    made: datetime
    query_id: int | None = None


@dataclass(frozen=True)
class Calibration:
    """An estimate of "the same instance" for every score, as data: log-odds at knots, straight lines between them.

    The knots hold pairs of which as many are right as wrong. A result is one of many images that the query was compared
    with, all wrong but one or so: that many `rivals` for each right image make it as much less likely.

    Attributes:
        scores: cosines of the knots, ascending from -1 to 1.
        log_odds: at each knot, natural logarithm, never falling; verdicts included.
        right: share of the right pairs at each knot.
        wrong: share of the wrong pairs at each knot.
        rivals: images in the collection when it was learned, less one: what its results are to be read with.
        positives: right pairs it was learned from, not counting verdicts.
        negatives: wrong pairs it was learned from, not counting verdicts.
        unreadable: sampled images whose file could not be read.
        confirmed: verdicts "the same" that were used.
        rejected: verdicts "not the same" that were used.
        generation: number of the generation of vectors it was learned on.
        made: when, UTC with zone.
    """

    scores: tuple[float, ...]
    log_odds: tuple[float, ...]
    right: tuple[float, ...]
    wrong: tuple[float, ...]
    rivals: float
    positives: int
    negatives: int
    unreadable: int
    confirmed: int
    rejected: int
    generation: int
    made: datetime

    def confidence(self, score: float, rivals: float | None = None) -> float:
        """Estimated probability, 0..1, that a pair of this score shows the same instance.

        Args:
            score: cosine.
            rivals: wrong pairs there are for each right one; 1 for a pair picked from as many right as wrong ones. None
                is for results: a query that has one right image in the collection as it was when this was learned.
        """
        return _share(_read_off(score, self.scores, self.log_odds), self.rivals if rivals is None else rivals)

    def threshold(self, precision: float, rivals: float | None = None) -> float | None:
        """The smallest score with at least this share of right pairs among all at or above it; None if none has it.

        Args:
            precision: 0 < precision <= 1.
            rivals: as in `confidence`.
        """
        if not 0 < precision <= 1:
            raise ValueError(f"precision is a share between 0 and 1, not {precision}")
        rivals = self.rivals if rivals is None else rivals
        shares: list[float] = []
        pairs = right = 0.0
        for log_odds, r, w in zip(self.log_odds[::-1], self.right[::-1], self.wrong[::-1], strict=True):
            share = _share(log_odds, rivals)
            pairs += r + rivals * w
            right += (r + rivals * w) * share
            shares.append(right / pairs if pairs else share)
        shares.reverse()
        if precision > shares[-1]:
            return None
        return _read_off(precision, shares, self.scores)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form; `made` becomes ISO 8601 text."""
        return {**dataclasses.asdict(self), "made": self.made.isoformat()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Calibration:
        """Read `to_dict()` back, also after a trip through JSON."""
        values = {f.name: data[f.name] for f in dataclasses.fields(cls)}
        for name in ("scores", "log_odds", "right", "wrong"):
            values[name] = tuple(float(number) for number in values[name])
        return cls(**{**values, "made": datetime.fromisoformat(values["made"])})


def _share(log_odds: float, rivals: float) -> float:
    """The probability of these log-odds when there are so many wrong pairs for each right one."""
    return 1 / (1 + rivals * math.exp(min(-log_odds, 500.0)))


def _read_off(x: float, xs: Sequence[float], ys: Sequence[float]) -> float:
    """The line through the knots at x, flat beyond them; among equal xs the first counts."""
    right = bisect_left(xs, x)
    if right == 0 or right == len(xs):
        return ys[min(right, len(ys) - 1)]
    share = (x - xs[right - 1]) / (xs[right] - xs[right - 1])
    return ys[right - 1] + share * (ys[right] - ys[right - 1])
