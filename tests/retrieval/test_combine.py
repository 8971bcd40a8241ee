"""Combining query vectors against hand-computed values."""

from __future__ import annotations

import numpy as np
import pytest

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
