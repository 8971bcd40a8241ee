"""From scores to estimates of "the same instance": learned from right and wrong pairs, corrected by what users said.

The learned curve is beta calibration (Kull, Silva Filho and Flach 2017): log-odds = a log p - b log(1 - p) + c with
p = (1 + score) / 2, a and b not negative, so that it never falls. Both kinds of pairs count as much as each other
however many there are: the prior is as many right as wrong pairs, and the log-odds are the logarithm of the density
ratio. Another prior is a shift (`records.Calibration`). It reads no image and knows no collection.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

EVIDENCE = 4.0
"""How many verdicts at a score the learned curve speaks for: so many that contradict it carry it halfway."""
REACH = 0.04
"""How far a verdict reaches (standard deviation), as a share of the distance between the classes' median scores."""
KNOTS = 64
"""Knots from each kind of pair, at evenly spaced quantiles."""
_EDGE = 1e-4  # scores are kept so far from -1 and 1, where the logarithms end
_RIDGE = 1e-3  # keeps the slopes finite where the classes do not overlap
_UNHEARD = 1e-6  # verdicts at a knot below which its log-odds stay as they are, to the last digit
_FAINT = 0.25  # weight of a knot without verdicts when the curve is made to rise again: verdicts outweigh it


@dataclass(frozen=True)
class Curve:
    """Log-odds over scores, as knots.

    Attributes:
        scores: (n,) float64, ascending.
        log_odds: (n,) float64, never falling, of pairs that are as often right as wrong.
        right: (n,) float64, share of the right pairs at each knot; sums to 1.
        wrong: (n,) float64, share of the wrong pairs at each knot; sums to 1.
    """

    scores: np.ndarray
    log_odds: np.ndarray
    right: np.ndarray
    wrong: np.ndarray


def fit(positives: np.ndarray, negatives: np.ndarray) -> Curve:
    """Learn the curve from scores of pairs.

    Args:
        positives: (p,) scores of right pairs, p >= 1.
        negatives: (n,) scores of wrong pairs, n >= 1; more of them make the upper end better known.

    Returns:
        Knots at quantiles of both and at -1 and 1, where the curve goes on as its formula says.
    """
    positives, negatives = (np.asarray(scores, np.float64) for scores in (positives, negatives))
    scores = np.concatenate([positives, negatives])
    same = np.concatenate([np.ones(len(positives)), np.zeros(len(negatives))])
    weights = np.where(same > 0, 1 / len(positives), 1 / len(negatives)) * len(positives)
    slopes = beta_slopes(scores, same, weights)
    shares = np.linspace(0, 1, KNOTS)
    knots = np.unique(np.concatenate([[-1, 1], *(np.quantile(s, shares) for s in (positives, negatives))]).round(6))
    # Smoothed by the curve: where only one kind was drawn, the other is as rare as the curve says, not absent.
    estimates = 1 / (1 + np.exp(-_features(scores) @ slopes))
    nearest = np.searchsorted((knots[1:] + knots[:-1]) / 2, scores)
    right = np.bincount(nearest, weights * estimates, len(knots))
    wrong = np.bincount(nearest, weights * (1 - estimates), len(knots))
    return Curve(knots, _features(knots) @ slopes, right / right.sum(), wrong / wrong.sum())


def correct(curve: Curve, scores: np.ndarray, same: np.ndarray, rivals: float) -> Curve:
    """Bend the curve where users judged results.

    At every knot the curve's own estimate counts as `EVIDENCE` verdicts and each verdict by its distance (Gaussian);
    the mean of all is the new estimate. Where that falls with rising score, the curve is levelled (`rising`).

    Args:
        curve: as learned.
        scores: (v,) scores that were judged.
        same: (v,) bool verdicts.
        rivals: wrong images for each right one among which the judged results were found: users judge results, and the
            estimate that they contradict or confirm is the one for results.
    """
    if not len(scores):
        return curve
    middle = [_weighted_median(curve.scores, shares) for shares in (curve.right, curve.wrong)]
    reach = REACH * max(middle[0] - middle[1], 0.05)
    near = np.exp(-0.5 * ((curve.scores[:, None] - np.asarray(scores, np.float64)[None]) / reach) ** 2)
    heard = near.sum(axis=1)
    own = 1 / (1 + np.exp(-np.clip(curve.log_odds - np.log(rivals), -500, 500)))
    mean = np.clip((EVIDENCE * own + near @ np.asarray(same, np.float64)) / (EVIDENCE + heard), 1e-9, 1 - 1e-9)
    bent = np.log(mean) - np.log1p(-mean) + np.log(rivals)
    log_odds = rising(np.where(heard > _UNHEARD, bent, curve.log_odds), heard + _FAINT)
    return Curve(curve.scores, log_odds, curve.right, curve.wrong)


def rising(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The never falling sequence nearest to `values` in weighted squares: pool adjacent violators (Barlow et al. 1972).

    Args:
        values: (n,) numbers.
        weights: (n,) positive.
    """
    means: list[float] = []
    totals: list[float] = []
    lengths: list[int] = []
    for value, weight in zip(np.asarray(values, float).tolist(), np.asarray(weights, float).tolist(), strict=True):
        length = 1
        while means and means[-1] >= value:
            total = totals.pop()
            value = (means.pop() * total + value * weight) / (total + weight)
            weight += total
            length += lengths.pop()
        means.append(value)
        totals.append(weight)
        lengths.append(length)
    return np.repeat(means, lengths)


@dataclass(frozen=True)
class ReliabilityBin:
    """Pairs whose estimates lie in one bin: their number, the mean estimate, and the share that is right."""

    count: int
    estimate: float
    right: float


def reliability(estimates: np.ndarray, same: np.ndarray, bins: int = 10) -> list[ReliabilityBin]:
    """Compare estimates with what was right, in bins of equal width; empty bins are left out.

    Args:
        estimates: (n,) 0..1.
        same: (n,) bool.
        bins: how many.
    """
    estimates, same = np.asarray(estimates, np.float64), np.asarray(same, np.float64)
    places = np.minimum((estimates * bins).astype(int), bins - 1)
    return [
        ReliabilityBin(int(inside.sum()), float(estimates[inside].mean()), float(same[inside].mean()))
        for inside in (places == place for place in range(bins))
        if inside.any()
    ]


def beta_slopes(scores: np.ndarray, same: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(c, a, b) of the beta calibration with the smallest weighted log loss among those that never fall.

    Args:
        scores: (n,) cosines.
        same: (n,) 1 for right pairs, 0 for wrong ones.
        weights: (n,) how much each pair counts.
    """
    features = _features(scores)
    # A negative slope is left out and the other fitted alone, as the paper does.
    for used in ([0, 1, 2], [0, 2], [0, 1]):
        slopes = np.zeros(3)
        slopes[used] = _logistic(features[:, used], same, weights)
        if (slopes[1:] >= 0).all():
            return slopes
    return np.zeros(3)  # right pairs score no higher than wrong ones: the score says nothing


def _features(scores: np.ndarray) -> np.ndarray:
    p = (1 + np.clip(scores, -1 + _EDGE, 1 - _EDGE)) / 2
    return np.stack([np.ones_like(p), np.log(p), -np.log(1 - p)], axis=1)


def _logistic(features: np.ndarray, same: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted logistic regression by Newton's method; a step that makes it worse is halved."""
    slopes = np.zeros(features.shape[1])

    def loss(trial: np.ndarray) -> float:
        margins = features @ trial
        return float(weights @ (np.logaddexp(0, margins) - same * margins) + _RIDGE / 2 * trial @ trial)

    best = loss(slopes)
    for _ in range(100):
        estimates = 1 / (1 + np.exp(-np.clip(features @ slopes, -500, 500)))
        gradient = features.T @ (weights * (estimates - same)) + _RIDGE * slopes
        curvature = (features * (weights * estimates * (1 - estimates))[:, None]).T @ features
        step = np.linalg.solve(curvature + _RIDGE * np.eye(len(slopes)), gradient)
        while (now := loss(slopes - step)) > best and np.abs(step).max() > 1e-9:
            step = step / 2
        if now >= best:
            break
        slopes, best = slopes - step, now
    return slopes


def _weighted_median(values: np.ndarray, shares: np.ndarray) -> float:
    return float(values[np.searchsorted(np.cumsum(shares), 0.5)])
