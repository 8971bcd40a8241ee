"""Combining query vectors against hand-computed values."""

from __future__ import annotations

import numpy as np
import pytest

from dinosearch.errors import SettingError
from dinosearch.retrieval import combine

X, Y = np.float32([1, 0]), np.float32([0, 1])


def test_one_positive_is_returned_unchanged() -> None:
    np.testing.assert_array_equal(combine(X[None]), X)


def test_mean_of_positives_has_unit_length() -> None:
    np.testing.assert_allclose(combine(np.stack([X, Y])), [0.5**0.5, 0.5**0.5], rtol=1e-6)


def test_negative_counts_half() -> None:
    np.testing.assert_allclose(combine(X[None], Y[None]), np.array([1.0, -0.5]) / 1.25**0.5, rtol=1e-6)


def test_cancelling_images_are_refused() -> None:
    with pytest.raises(ValueError, match="cancel"):
        combine(np.stack([X, -X]))


def test_only_the_ratios_of_weights_count() -> None:
    rows = np.stack([X, Y])
    wanted = np.array([3.0, 1.0]) / 10**0.5
    for weights in ([3, 1], [0.75, 0.25], [3e300, 1e300]):
        np.testing.assert_allclose(combine(rows, weights=weights), wanted, rtol=1e-6)
    # (0.5 X + 0.5 Y) - 0.5 (0.25 X - 0.75 Y)
    found = combine(rows, np.stack([X, -Y]), [1, 1], [1, 3])
    np.testing.assert_allclose(found, np.array([0.375, 0.875]) / np.hypot(0.375, 0.875), rtol=1e-6)
    np.testing.assert_array_equal(combine(X[None], weights=[7]), X)


@pytest.mark.parametrize("weights", [[1], [1, 2, 3], [1, 0], [1, -1], [1, np.inf], [1, np.nan], [[1, 2]]])
def test_other_weights_are_refused(weights: list[float]) -> None:
    rows = np.stack([X, Y])
    with pytest.raises(SettingError, match="one for each of the 2 images"):
        combine(rows, weights=weights)
    with pytest.raises(SettingError, match="one for each of the 2 images"):
        combine(X[None], rows, negative_weights=weights)


def test_weights_of_no_negatives_are_refused() -> None:
    with pytest.raises(SettingError, match="without negatives"):
        combine(X[None], negative_weights=[1])
