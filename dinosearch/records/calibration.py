"""What a score means: the mapping from scores to estimates of "the same instance", and what users said of results.

It holds the mapping and reads it off; `retrieval.calibration` learns it.
"""

from __future__ import annotations

import dataclasses
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
    """

    query_sha256: str
    image_id: int
    same: bool
    score: float
    generation: int
    made: datetime


@dataclass(frozen=True)
class Calibration:
    """An estimate of "the same instance" for every score, as data: straight lines between knots, flat outside.

    Attributes:
        scores: cosines of the knots, ascending.
        estimates: share of right pairs at each knot, 0..1, never falling.
        precisions: share of right pairs among all pairs at or above each knot, 0..1, never falling.
        positives: right pairs it was learned from, not counting verdicts.
        negatives: wrong pairs it was learned from, not counting verdicts.
        confirmed: verdicts "the same" that were used.
        rejected: verdicts "not the same" that were used.
        generation: number of the generation of vectors it was learned on.
        made: when, UTC with zone.
    """

    scores: tuple[float, ...]
    estimates: tuple[float, ...]
    precisions: tuple[float, ...]
    positives: int
    negatives: int
    confirmed: int
    rejected: int
    generation: int
    made: datetime

    def confidence(self, score: float) -> float:
        """Estimated probability, 0..1, that a pair of this score shows the same instance."""
        return _read_off(score, self.scores, self.estimates)

    def threshold(self, precision: float) -> float | None:
        """The smallest score with at least this share of right pairs among all at or above it; None if none has it."""
        if not 0 < precision <= 1:
            raise ValueError(f"precision is a share between 0 and 1, not {precision}")
        if precision > self.precisions[-1]:
            return None
        return _read_off(precision, self.precisions, self.scores)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form; `made` becomes ISO 8601 text."""
        return {**dataclasses.asdict(self), "made": self.made.isoformat()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Calibration:
        """Read `to_dict()` back, also after a trip through JSON."""
        values = {f.name: data[f.name] for f in dataclasses.fields(cls)}
        for name in ("scores", "estimates", "precisions"):
            values[name] = tuple(float(number) for number in values[name])
        return cls(**{**values, "made": datetime.fromisoformat(values["made"])})


def _read_off(x: float, xs: Sequence[float], ys: Sequence[float]) -> float:
    """The line through the knots at x, flat beyond them; among equal xs the first counts."""
    right = bisect_left(xs, x)
    if right == 0 or right == len(xs):
        return ys[min(right, len(ys) - 1)]
    share = (x - xs[right - 1]) / (xs[right] - xs[right - 1])
    return ys[right - 1] + share * (ys[right] - ys[right - 1])
