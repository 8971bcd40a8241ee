"""Bootstrap intervals and the randomisation test against full enumeration, a slow loop and the normal distribution."""

from __future__ import annotations

import itertools
import math
import random

import numpy as np
import pytest

from dinosearch.evaluation.statistics import RESAMPLES, Mean, compare, mean

NAN = float("nan")


def quantile(values: list[float], share: float) -> float:
    """The smallest value that at least this share of the values does not exceed."""
    return sorted(values)[math.ceil(share * len(values)) - 1]


def ends(found: Mean) -> tuple[float, float]:
    return found.low, found.high


def enumerated_p(change: list[float]) -> float:
    """Share of all 2^n sign flips whose sum is at least as far from 0 as the observed one."""
    observed = abs(math.fsum(change))
    sums = [
        abs(math.fsum(sign * value for sign, value in zip(signs, change, strict=True)))
        for signs in itertools.product((-1, 1), repeat=len(change))
    ]
    return sum(value >= observed - 1e-9 for value in sums) / len(sums)


@pytest.mark.parametrize("values", [[0.0, 1.0], [0.0, 0.0, 1.0], [0.1, 0.4, 0.45, 0.7, 0.95]])
def test_interval_of_few_values_is_that_of_all_resamples(values: list[float]) -> None:
    every = [math.fsum(drawn) / len(values) for drawn in itertools.product(values, repeat=len(values))]
    found = mean(np.array(values))
    assert found.value == pytest.approx(math.fsum(values) / len(values), abs=1e-15)
    assert ends(found) == pytest.approx((quantile(every, 0.025), quantile(every, 0.975)), abs=0.015)


def test_interval_agrees_with_a_slow_loop_of_another_generator() -> None:
    values = np.random.default_rng(1).beta(0.4, 0.6, size=60).tolist()
    dice = random.Random(5)
    drawn = [math.fsum(dice.choices(values, k=len(values))) / len(values) for _ in range(4000)]
    found = mean(np.array(values))
    # the standard error of such a quantile from 4,000 draws is 0.04 of the standard error of the mean, here 0.05
    assert ends(found) == pytest.approx((quantile(drawn, 0.025), quantile(drawn, 0.975)), abs=0.01)
    assert found.queries == 60


def test_interval_of_many_values_is_the_normal_one() -> None:
    values = np.random.default_rng(2).random(2000)
    found = mean(values)
    half = 1.959964 * values.std() / math.sqrt(len(values))
    assert (found.value - found.low, found.high - found.value) == pytest.approx((half, half), rel=0.05)


def test_interval_covers_the_true_mean_as_often_as_it_says() -> None:
    rng = np.random.default_rng(3)
    covered = 0
    for seed in range(300):
        found = mean(rng.random(30) < 0.5, seed) if seed % 2 else mean(rng.random(30), seed)
        covered += found.low <= 0.5 <= found.high
    assert 0.90 <= covered / 300 <= 0.98


def test_seed_decides_the_interval_and_only_that() -> None:
    values = np.random.default_rng(4).random(25)
    assert mean(values, seed=7) == mean(values, seed=7)
    other = mean(values, seed=8)
    assert ends(other) != ends(mean(values, seed=7))
    assert other.value == mean(values, seed=7).value


def test_queries_that_do_not_count_are_as_if_absent() -> None:
    assert mean(np.array([NAN, 0.25, NAN, 0.5, 1.0])) == mean(np.array([0.25, 0.5, 1.0]))
    assert mean(np.array([NAN, 0.25])).queries == 1


@pytest.mark.parametrize("values", [[], [NAN, NAN]])
def test_no_values_have_no_mean(values: list[float]) -> None:
    found = mean(np.array(values))
    assert found.queries == 0
    assert all(math.isnan(number) for number in (found.value, found.low, found.high))


@pytest.mark.parametrize("values", [[0.3], [0.3] * 9])
def test_values_without_spread_are_their_own_interval(values: list[float]) -> None:
    found = mean(np.array(values))
    assert (found.value, *ends(found)) == pytest.approx((0.3, 0.3, 0.3), abs=1e-15)
    assert found.queries == len(values)


@pytest.mark.parametrize("seed", range(8))
def test_p_agrees_with_all_sign_flips(seed: int) -> None:
    rng = np.random.default_rng(seed)
    count = int(rng.integers(3, 13))
    first = rng.random(count)
    second = np.clip(first + rng.normal(0.04 * seed, 0.2, count), 0, 1)
    expected = enumerated_p((second - first).tolist())
    # 10,000 draws have a standard error of at most 0.005
    assert compare(first, second, seed).p == pytest.approx(expected, abs=0.02)


def test_p_of_steps_that_tie_counts_the_ties() -> None:
    # all five changes alike: only the two outermost of 32 flips are as extreme, and those exactly as extreme
    found = compare(np.zeros(5), np.full(5, 0.1))
    assert found.p == pytest.approx(2 / 32, abs=0.01)
    assert (found.better, found.worse) == (5, 0)


def test_p_is_never_zero() -> None:
    assert compare(np.zeros(60), np.ones(60)).p == pytest.approx(1 / (RESAMPLES + 1), rel=1e-12)


def test_swapped_runs_have_the_opposite_difference_and_the_same_p() -> None:
    rng = np.random.default_rng(5)
    first, second = rng.random(40), rng.random(40)
    there, back = compare(first, second), compare(second, first)
    assert there.p == back.p
    assert (there.better, there.worse) == (back.worse, back.better)
    assert there.better + there.worse == 40
    assert there.difference.value == -back.difference.value == pytest.approx((second - first).mean(), abs=1e-15)
    assert ends(there.difference) == pytest.approx((-back.difference.high, -back.difference.low), abs=1e-12)


def test_identical_runs_do_not_differ() -> None:
    values = np.random.default_rng(6).random(30)
    found = compare(values, values.copy())
    assert (found.p, found.better, found.worse) == (1, 0, 0)
    assert found.difference == Mean(0.0, 0.0, 0.0, 30)


def test_a_pair_counts_only_when_both_do() -> None:
    first, second = np.array([0.1, NAN, 0.5, 0.2, 0.9]), np.array([0.4, 0.3, NAN, 0.2, 0.1])
    found = compare(first, second)
    assert found == compare(first[[0, 3, 4]], second[[0, 3, 4]])
    assert (found.difference.queries, found.better, found.worse) == (3, 1, 1)
    assert found.difference.value == pytest.approx((0.3 + 0.0 - 0.8) / 3, abs=1e-15)


def test_no_common_queries_show_no_difference() -> None:
    found = compare(np.array([NAN, 0.5]), np.array([0.5, NAN]))
    assert (found.p, found.difference.queries) == (1, 0)


def test_runs_of_other_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="4 and 5 queries"):
        compare(np.zeros(4), np.zeros(5))
