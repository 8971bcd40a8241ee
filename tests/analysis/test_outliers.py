"""Outliers against brute force and scikit-learn's local outlier factor."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.neighbors import LocalOutlierFactor

from dinosearch import Collection
from dinosearch.analysis import outliers
from dinosearch.errors import SettingError
from tests.analysis.vector_home import vector_home

K = 7


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> tuple[Collection, np.ndarray]:
    """Two groups, a dense and a thin one, and three vectors far from both, first, in the middle and last."""
    rng = np.random.default_rng(0)
    rows = np.concatenate([[1] * 24 + [0] * 8 + 0.02 * rng.normal(size=(60, 32)), 0.5 * rng.normal(size=(60, 32)) + 1])
    apart = np.eye(32)[[3, 11, 27]] * (1, -1, 1, *[1] * 29)
    rows = np.concatenate([apart[:1], rows[:60], apart[1:2], rows[60:], apart[2:]])
    vectors = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return vector_home(tmp_path_factory.mktemp("outliers") / "home", vectors), vectors


def test_distance_is_that_of_brute_force(home: tuple[Collection, np.ndarray]) -> None:
    collection, vectors = home
    cosines = vectors.astype(np.float64) @ vectors.T
    np.fill_diagonal(cosines, -2)
    wanted = 1 - np.sort(cosines, axis=1)[:, -K:].mean(axis=1)
    found = outliers(collection, K)
    np.testing.assert_allclose(found.scores, wanted[found.ids - 1], atol=1e-5)
    assert (np.diff(found.scores) <= 0).all() and sorted(found.ids) == list(range(1, len(vectors) + 1))
    assert set(found.ids[:3]) == {1, 62, len(vectors)}
    np.testing.assert_array_equal(found.nearest, cosines.argmax(axis=1)[found.ids - 1] + 1)
    np.testing.assert_allclose(found.cosines, cosines.max(axis=1)[found.ids - 1], atol=1e-5)


def test_factor_is_that_of_the_library(home: tuple[Collection, np.ndarray]) -> None:
    collection, vectors = home
    wanted = -LocalOutlierFactor(n_neighbors=K).fit(vectors.astype(np.float64)).negative_outlier_factor_
    found = outliers(collection, K, method="lof")
    np.testing.assert_allclose(found.scores, wanted[found.ids - 1], rtol=2e-3)
    assert found.ids[:9].tolist() != outliers(collection, K).ids[:9].tolist()


def test_only_what_the_filter_leaves_is_compared(home: tuple[Collection, np.ndarray]) -> None:
    collection, vectors = home
    inside = vectors[9:40].astype(np.float64)
    cosines = inside @ inside.T
    np.fill_diagonal(cosines, -2)
    found = outliers(collection, K, where="id >= 10 and id <= 40")
    wanted = 1 - np.sort(cosines, axis=1)[:, -K:].mean(axis=1)
    np.testing.assert_allclose(found.scores, wanted[found.ids - 10], atol=1e-5)


@pytest.mark.parametrize("method", ["distance", "lof"])
@pytest.mark.parametrize("count", [1, 2, 5])
def test_few_and_equal_images(tmp_path: Path, method: str, count: int) -> None:
    found = outliers(vector_home(tmp_path / "home", np.ones((count, 4))), method=method)
    assert found.ids.tolist() == list(range(1, count + 1)) and np.isfinite(found.scores).all()
    assert (found.nearest[0] == -1) == (count == 1)


def test_what_does_not_exist_is_refused(home: tuple[Collection, np.ndarray]) -> None:
    with pytest.raises(SettingError, match="distance, lof"):
        outliers(home[0], method="forest")
    with pytest.raises(ValueError, match="at least 1"):
        outliers(home[0], 0)
    assert len(outliers(home[0], where="id = 0").ids) == 0
