"""Which lists a filtered search visits, against the normal distribution by `math.erfc` and 64-bit sums."""

from __future__ import annotations

import math

import numpy as np
import pytest

from dinosearch.vectors.probes import MISSED, expected_lists, nearest_lists, spread_of

SPREAD, LISTS, K = 0.08, 300, 10


def beyond(z: np.ndarray) -> np.ndarray:
    return np.vectorize(math.erfc)(z / math.sqrt(2)) / 2


def neighbours(nearness: np.ndarray, held: np.ndarray, k: int) -> np.ndarray:
    """How many of the k best each list is expected to hold."""
    low, high = -3.0, 3.0
    for _ in range(60):
        middle = (low + high) / 2
        many = (held * beyond((middle - nearness) / SPREAD)).sum() > k
        low, high = (middle, high) if many else (low, middle)
    return held * beyond((low - nearness) / SPREAD)


def lists(seed: int, queries: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """Products of queries with centres, and the rows of the lists, a third of which are empty."""
    rng = np.random.default_rng(seed)
    nearness = rng.normal(0.1, 0.2, (queries, LISTS)).clip(-0.9, 0.9).astype(np.float32)
    return nearness, np.where(rng.random(LISTS) < 0.3, 0, rng.integers(1, 200, LISTS))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("k", [K, 200])
def test_those_are_visited_that_are_expected_to_hold_the_neighbours(seed: int, k: int) -> None:
    nearness, held = lists(seed)
    visited = expected_lists(nearness, held, np.where(held, 2 * held, 50), k, least=20, spread=SPREAD)
    for near, row in zip(nearness.astype(float), visited, strict=True):
        chosen = row[row >= 0]
        expected = neighbours(near, held, k)
        assert len(set(chosen)) == len(chosen) and (held[chosen] > 0).all()
        assert np.all(row[len(chosen) :] == -1)
        assert expected[chosen].sum() >= (1 - 2 * MISSED) * k
        fewest = int(np.searchsorted(np.cumsum(np.sort(expected)[::-1]), (1 - MISSED) * k)) + 1
        assert len(chosen) <= max(20, 1.1 * fewest + 2)
        assert np.all(np.diff(expected[chosen]) <= 0.01 * k)  # most first


def test_what_the_filter_leaves_out() -> None:
    nearness, held = lists(7)
    assert np.all(expected_lists(nearness, 0 * held, held, K, 4, SPREAD) == -1)
    one = np.where(np.arange(LISTS) == 17, 1, 0)
    assert np.all(np.sort(expected_lists(nearness, one, one, K, 4, SPREAD))[:, -1] == 17)
    least = expected_lists(nearness, held, held, 1, 40, SPREAD)
    assert np.all((least >= 0).sum(axis=1) >= 40)
    far = held.copy()
    far[np.argsort(-nearness[0])[:40]] = 0  # the neighbourhood of the first query
    found = expected_lists(nearness, far, held, K, 20, SPREAD)
    assert np.all(found[0] == -1) and np.all(found[1:, 0] >= 0)


def test_the_nearest_lists() -> None:
    nearness, _ = lists(9)
    for nprobe in (1, 12, LISTS + 5):
        np.testing.assert_array_equal(nearest_lists(nearness, nprobe), np.argsort(-nearness, axis=1)[:, :nprobe])


def test_the_spread_of_the_rests() -> None:
    rng = np.random.default_rng(11)
    centres = rng.normal(size=(5, 8)).astype(np.float32)
    places = rng.integers(-1, 5, 200)
    vectors = (centres[places] + rng.normal(0, 0.3, (200, 8))).astype(np.float32)
    inside = vectors[places >= 0].astype(float)
    products = inside @ (inside - centres[places[places >= 0]]).T
    assert spread_of(places, centres, lambda slots: vectors[slots]) == pytest.approx(products.std(), rel=0.02)
    assert spread_of(places, centres, lambda slots: centres[places[slots]]) == 0.001  # none: no division by nothing
