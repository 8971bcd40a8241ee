"""Means over queries with their uncertainty: bootstrap intervals and paired comparisons; it knows no measures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dinosearch.arguments import checked

RESAMPLES = 10_000
LEVEL = 0.95
_STEP = 1 << 22
"""Draws held in memory at once."""


@dataclass(frozen=True)
class Mean:
    """A mean over queries with its 95 % bootstrap interval (percentile method, Efron 1979).

    Attributes:
        value: NaN where no query counts.
        low: lower end.
        high: upper end.
        queries: how many queries the mean is over.
    """

    value: float
    low: float
    high: float
    queries: int


@dataclass(frozen=True)
class Comparison:
    """A second run against a first one, query by query.

    Attributes:
        difference: mean of second minus first over the queries that count in both, with its interval.
        p: two-sided p-value of the paired randomisation test (signs of the differences flipped at random).
        better: queries on which the second is better.
        worse: queries on which it is worse.
    """

    difference: Mean
    p: float
    better: int
    worse: int


def mean(values: np.ndarray, seed: int = 0) -> Mean:
    """Mean of the values that are not NaN.

    Args:
        values: (n,) one value for each query.
        seed: of the resampling; the same seed gives the same interval.
    """
    known = np.asarray(values, np.float64)
    known = known[~np.isnan(known)]
    if not len(known):
        return Mean(float("nan"), float("nan"), float("nan"), 0)
    rng = np.random.default_rng(seed)
    drawn = [
        known[rng.integers(len(known), size=(rows, len(known)))].mean(axis=1)
        for rows in _portions(RESAMPLES, len(known))
    ]
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(np.concatenate(drawn), (tail, 1 - tail))
    return Mean(float(known.mean()), float(low), float(high), len(known))


@checked
def compare(first: np.ndarray, second: np.ndarray, seed: int = 0) -> Comparison:
    """Compare two runs over the same queries.

    Args:
        first: (n,) values of the first run, NaN where a query does not count.
        second: (n,) values of the second run.
        seed: of the resampling.

    Raises:
        ValueError: another number of queries.
    """
    if np.shape(first) != np.shape(second):
        raise ValueError(f"the runs have {len(first)} and {len(second)} queries and cannot be paired")
    change = np.asarray(second, np.float64) - np.asarray(first, np.float64)
    change = change[~np.isnan(change)]
    observed, extreme = abs(change.sum()), 0
    rng = np.random.default_rng(seed + 1)
    for rows in _portions(RESAMPLES, max(1, len(change))):
        signs = rng.integers(0, 2, size=(rows, len(change)), dtype=np.int8) * 2 - 1
        extreme += int((np.abs(signs @ change) >= observed - 1e-12).sum())
    # the observed signs are one of the draws (Phipson and Smyth 2010), so p is never 0
    p = (extreme + 1) / (RESAMPLES + 1)
    return Comparison(mean(change, seed), p, int((change > 1e-12).sum()), int((change < -1e-12).sum()))


def _portions(total: int, width: int) -> list[int]:
    step = max(1, _STEP // width)
    return [min(step, total - start) for start in range(0, total, step)]
