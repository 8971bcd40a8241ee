"""How figures are written: units of the measures, digits, signs and intervals. It computes no measure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dinosearch.evaluation.result import Run, Scores
from dinosearch.evaluation.statistics import Mean


@dataclass(frozen=True)
class Unit:
    """In what a measure is written.

    Attributes:
        factor: from the stored value to the written one.
        name: for axes and headings.
        top: the best possible value as written.
    """

    factor: float
    name: str
    top: float


PERCENT = Unit(100.0, "%", 100.0)
_UNITS = {"N-S": Unit(1.0, "of 4", 4.0)}
"""Measures that are no shares, by their name before the @."""


def unit(measure: str) -> Unit:
    """In what the measure is written: percent, but for N-S, which counts 0 to 4 images."""
    return _UNITS.get(measure.partition("@")[0], PERCENT)


def units(runs: Sequence[Run]) -> str:
    """A sentence that says in what the measures of these runs are written."""
    measures = {measure for run in runs for scores in run.scores for measure in scores.measures}
    other = sorted({f"{name} {unit(name).name}" for name in measures if unit(name) is not PERCENT})
    return f"In percent; {', '.join(other)}." if other else "In percent."


def number(value: float | None, digits: int = 2) -> str | None:
    """The value with that many digits; None where there is none (None or NaN)."""
    return None if value is None or math.isnan(value) else f"{_rounded(value, digits):,.{digits}f}"


def signed(value: float | None, digits: int = 2) -> str | None:
    """As `number`, with the sign always written."""
    return None if value is None or math.isnan(value) else f"{_rounded(value, digits):+,.{digits}f}"


def interval(found: Mean, factor: float, with_sign: bool = False) -> str | None:
    """Both ends of a mean's interval; None where it has none."""
    write = signed if with_sign else number
    low, high = write(found.low * factor), write(found.high * factor)
    return None if low is None or high is None else f"{low} to {high}"


def is_mean(scores: Scores) -> bool:
    """Whether the figure is a mean over queries; a single row, as of GAP, has no interval."""
    return len(scores.values) != 1


def column(scores: Scores, measure: str) -> np.ndarray:
    """(n,) the values of one measure."""
    return scores.values[:, scores.measures.index(measure)]


def average(scores: Scores, measure: str) -> float:
    """The mean alone, without the resampling that an interval takes; NaN where no query counts."""
    values = column(scores, measure)
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


def scores_of(run: Run, setup: str) -> Scores | None:
    """The run's scores of that setup, where it has them."""
    return next((scores for scores in run.scores if scores.setup == setup), None)


def _rounded(value: float, digits: int) -> float:
    return round(value, digits) + 0.0  # turns -0.0 into 0.0
