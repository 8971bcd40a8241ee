"""Curves from scores to estimates, against distributions whose true answer is known and against slow oracles."""

from __future__ import annotations

import itertools
import json
import math
from datetime import datetime, timezone

import numpy as np
import pytest

from dinosearch.records import Calibration
from dinosearch.retrieval.calibration import Curve, correct, fit, reliability, rising

RIGHT, WRONG = (12.0, 3.0), (4.0, 6.0)  # beta distributions of p = (1 + score) / 2


def drawn(shape: tuple[float, float], count: int, seed: int) -> np.ndarray:
    return 2 * np.random.default_rng(seed).beta(*shape, size=count) - 1


def density(shape: tuple[float, float], score: np.ndarray) -> np.ndarray:
    a, b = shape
    p = (1 + score) / 2
    norm = math.gamma(a + b) / math.gamma(a) / math.gamma(b)
    return norm * p ** (a - 1) * (1 - p) ** (b - 1)


def record(curve: Curve, rivals: float = 1.0) -> Calibration:
    parts = (curve.scores, curve.log_odds, curve.right, curve.wrong)
    return Calibration(
        *(tuple(part.tolist()) for part in parts), rivals, 0, 0, 0, 0, 0, 1, datetime(2024, 5, 6, tzinfo=timezone.utc)
    )


@pytest.mark.parametrize("rivals", [1.0, 20.0])
def test_a_few_hundred_pairs_tell_the_true_share(rivals: float) -> None:
    calibration = record(fit(drawn(RIGHT, 400, 0), drawn(WRONG, 20_000, 1)))
    scores = np.linspace(-0.6, 0.95, 60)
    right, wrong = density(RIGHT, scores), density(WRONG, scores)
    truth = right / (right + rivals * wrong)
    found = np.array([calibration.confidence(score, rivals) for score in scores])
    assert np.abs(found - truth).max() < 0.08


def test_the_estimate_is_reliable_on_pairs_it_has_not_seen() -> None:
    calibration = record(fit(drawn(RIGHT, 400, 2), drawn(WRONG, 400, 3)))
    scores = np.concatenate([drawn(RIGHT, 20_000, 4), drawn(WRONG, 20_000, 5)])
    same = np.arange(40_000) < 20_000
    bins = reliability(np.array([calibration.confidence(score, 1) for score in scores]), same)
    assert len(bins) == 10
    assert sum(one.count for one in bins) == 40_000
    assert max(abs(one.estimate - one.right) for one in bins if one.count >= 50) < 0.1


@pytest.mark.parametrize("rivals", [1.0, 30.0])
@pytest.mark.parametrize("precision", [0.7, 0.95])
def test_the_threshold_has_the_precision(rivals: float, precision: float) -> None:
    calibration = record(fit(drawn(RIGHT, 2000, 6), drawn(WRONG, 50_000, 7)))
    threshold = calibration.threshold(precision, rivals)
    assert threshold is not None
    right, wrong = drawn(RIGHT, 400_000, 8), drawn(WRONG, 400_000, 9)
    above = [float((scores >= threshold).mean()) for scores in (right, wrong)]
    assert above[0] / (above[0] + rivals * above[1]) == pytest.approx(precision, abs=0.03)


def test_classes_without_overlap_give_a_finite_curve_that_separates_them() -> None:
    curve = fit(np.linspace(0.8, 0.95, 40), np.linspace(-0.2, 0.3, 40))
    assert np.isfinite(curve.log_odds).all()
    calibration = record(curve)
    assert calibration.confidence(0.85) > 0.95
    assert calibration.confidence(0.25) < 0.05


@pytest.mark.parametrize("shapes", [(RIGHT, WRONG), (WRONG, RIGHT), ((2.0, 2.0), (8.0, 8.0)), ((3.0, 3.0), (3.0, 3.0))])
def test_the_curve_never_falls(shapes: tuple[tuple[float, float], tuple[float, float]]) -> None:
    curve = fit(drawn(shapes[0], 300, 10), drawn(shapes[1], 3000, 11))
    assert (np.diff(curve.scores) > 0).all()
    assert (np.diff(curve.log_odds) >= -1e-12).all()
    assert (curve.scores[0], curve.scores[-1]) == (-1, 1)
    assert curve.right.sum() == pytest.approx(1)
    assert curve.wrong.sum() == pytest.approx(1)


def test_a_score_that_tells_nothing_gets_even_odds() -> None:
    calibration = record(fit(drawn(WRONG, 4000, 12), drawn(RIGHT, 4000, 13)))  # right pairs score lower
    assert calibration.confidence(-0.5) == pytest.approx(calibration.confidence(0.9)) == pytest.approx(0.5)


def test_ten_rejects_lower_the_estimate_there_and_leave_the_rest() -> None:
    curve = fit(drawn(RIGHT, 400, 14), drawn(WRONG, 4000, 15))
    before, after = record(curve), record(correct(curve, np.full(10, 0.7), np.zeros(10, bool), 1.0))
    assert before.confidence(0.7) > 0.9
    assert after.confidence(0.7) < 0.5
    assert after.confidence(0.98) > 0.9
    for far in (-0.5, 0.0):
        assert after.confidence(far) == pytest.approx(before.confidence(far), abs=0.02)
    assert (np.diff(after.log_odds) >= -1e-12).all()


def test_ten_confirmations_raise_the_estimate_of_results() -> None:
    curve, rivals = fit(drawn(RIGHT, 400, 16), drawn(WRONG, 4000, 17)), 200.0
    before, after = record(curve), record(correct(curve, np.full(10, 0.4), np.ones(10, bool), rivals))
    assert before.confidence(0.4, rivals) < 0.1
    assert after.confidence(0.4, rivals) > 0.5
    assert after.confidence(-0.5, rivals) == pytest.approx(before.confidence(-0.5, rivals), abs=0.01)


def test_four_verdicts_against_it_carry_an_estimate_halfway() -> None:
    """By hand, where no knot is near enough to the verdicts to be levelled with theirs."""
    share = np.array([0.0, 0.5, 0.5])
    curve = Curve(np.array([-1.0, 0.0, 1.0]), np.array([-3.0, -2.0, 4.0]), share, share[::-1])
    after = record(correct(curve, np.full(4, 1.0), np.zeros(4, bool), 1.0))
    assert after.confidence(1.0) == pytest.approx(0.5 / (1 + math.exp(-4)), abs=1e-9)
    assert after.log_odds[:2] == (-3.0, -2.0)


def test_no_verdict_changes_nothing() -> None:
    curve = fit(drawn(RIGHT, 100, 20), drawn(WRONG, 100, 21))
    assert correct(curve, np.empty(0), np.empty(0, bool), 5.0) is curve


def test_rising_agrees_with_all_ways_to_pool() -> None:
    """Isotonic regression is the best non-falling sequence among all that are constant on blocks."""
    rng = np.random.default_rng(22)
    for _ in range(60):
        n = int(rng.integers(1, 8))
        values, weights = rng.normal(size=n), rng.uniform(0.1, 3, n)
        best, chosen = np.inf, np.empty(0)
        for cuts in itertools.product([False, True], repeat=n - 1):
            blocks = np.cumsum([0, *cuts])
            means = np.array(
                [np.average(values[blocks == b], weights=weights[blocks == b]) for b in range(blocks[-1] + 1)]
            )
            cost = float(weights @ (values - means[blocks]) ** 2)
            if (np.diff(means) >= 0).all() and cost < best:
                best, chosen = cost, means[blocks]
        assert rising(values, weights) == pytest.approx(chosen)


def test_reliability_by_hand() -> None:
    bins = reliability(np.array([0.05, 0.07, 0.55, 1.0]), np.array([False, True, True, True]))
    assert [(one.count, one.estimate, one.right) for one in bins] == [
        (2, pytest.approx(0.06), 0.5),
        (1, 0.55, 1.0),
        (1, 1.0, 1.0),
    ]


def test_a_calibration_is_read_off_by_hand() -> None:
    made = datetime(2024, 5, 6, 7, 8, tzinfo=timezone.utc)
    half = Calibration(
        (-1.0, 0.0, 1.0), (-2.0, 0.0, 2.0), (0.0, 0.0, 1.0), (0.5, 0.5, 0.0), 3.0, 1, 2, 0, 0, 0, 7, made
    )
    assert half.confidence(0.5, 1) == pytest.approx(1 / (1 + math.exp(-1)))
    assert half.confidence(0.0, 9) == pytest.approx(0.1)
    assert half.confidence(0.0) == pytest.approx(0.25)  # with its own rivals
    assert half.confidence(5.0, 1) == pytest.approx(1 / (1 + math.exp(-2)))
    top = 1 / (1 + math.exp(-2))
    assert half.threshold(top, 1) == pytest.approx(1.0)
    assert half.threshold((top + 0.5 * 0.5) / 1.5, 1) == pytest.approx(0.0)
    assert half.threshold(0.99, 1) is None
    assert half.threshold(0.01, 1) == -1.0
    for precision in (0.0, 1.1):
        with pytest.raises(ValueError, match="between 0 and 1"):
            half.threshold(precision)
    assert Calibration.from_dict(json.loads(json.dumps(half.to_dict()))) == half
