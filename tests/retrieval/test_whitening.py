"""PCA-whitening against a singular value decomposition and the covariance it must leave."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dinosearch.errors import DamagedHomeError, SettingError
from dinosearch.retrieval.whitening import BLOCK_ROWS, FLOOR, PCA
from tests.retrieval.clusters import clustered

VECTORS = clustered(30, 400, dimension=12)


def svd_oracle(vectors: np.ndarray, dimension: int, exponent: float) -> tuple[np.ndarray, np.ndarray]:
    """Mean, and V diag(l^-exponent) with the largest entry of each column of V positive."""
    rows = vectors.astype(np.float64)
    mean = rows.mean(axis=0)
    _, singular, axes = np.linalg.svd(rows - mean, full_matrices=False)
    columns = []
    for value, axis in list(zip(singular, axes, strict=True))[:dimension]:
        positive = axis if max(axis, key=abs) > 0 else -axis
        columns.append(positive * (value**2 / len(rows)) ** -exponent)
    return mean, np.stack(columns, axis=1)


@pytest.mark.parametrize("dimension", [1, 5, 12])
@pytest.mark.parametrize(("power", "shrinkage"), [(0.0, 1.0), (0.25, 1.0), (0.5, 1.0), (0.5, 0.5), (0.5, 0.0)])
def test_equals_the_singular_value_decomposition(dimension: int, power: float, shrinkage: float) -> None:
    pca = PCA.fit(VECTORS, dimension, power, shrinkage)
    mean, matrix = svd_oracle(VECTORS, dimension, power * shrinkage)
    np.testing.assert_allclose(pca.mean, mean, atol=1e-6)
    np.testing.assert_allclose(pca.matrix, matrix, rtol=1e-4, atol=1e-4)
    expected = (VECTORS - mean) @ matrix
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    applied = pca.apply(VECTORS)
    assert applied.dtype == np.float32
    np.testing.assert_allclose(applied, expected, atol=1e-4)


def test_full_power_leaves_the_identity_as_covariance() -> None:
    projected = PCA.fit(VECTORS, 12, power=0.5).project(VECTORS)
    np.testing.assert_allclose(projected.mean(axis=0), np.zeros(12), atol=1e-5)
    np.testing.assert_allclose(projected.T @ projected / len(VECTORS), np.eye(12), atol=1e-5)


def test_power_zero_of_full_dimension_keeps_all_distances() -> None:
    projected = PCA.fit(VECTORS, 12, power=0.0).project(VECTORS)
    for i, j in [(0, 1), (5, 300), (17, 230)]:
        np.testing.assert_allclose(
            np.linalg.norm(projected[i] - projected[j]), np.linalg.norm(VECTORS[i] - VECTORS[j]), rtol=1e-5
        )


def test_lower_power_keeps_more_of_the_spectrum() -> None:
    spread = [np.diff(np.log(PCA.fit(VECTORS, 12, power).project(VECTORS).std(axis=0))).sum() for power in (0, 0.25)]
    np.testing.assert_allclose(spread[1], spread[0] / 2, rtol=1e-4)  # std is l^(1/2 - power)


def test_directions_without_variance_are_not_blown_up() -> None:
    flat = np.concatenate([VECTORS, np.zeros((400, 4), np.float32)], axis=1)
    pca = PCA.fit(flat, 16, power=0.5)
    largest = np.linalg.svd(VECTORS - VECTORS.mean(axis=0), compute_uv=False)[0] ** 2 / 400
    lengths = np.linalg.norm(pca.matrix, axis=0)
    np.testing.assert_allclose(lengths[12:], np.full(4, (FLOOR * largest) ** -0.5), rtol=1e-3)


def test_rows_of_several_blocks_and_a_memory_mapped_file(tmp_path: Path) -> None:
    vectors = clustered(31, BLOCK_ROWS + 100, dimension=4)
    np.save(tmp_path / "vectors.npy", vectors)
    pca = PCA.fit(np.load(tmp_path / "vectors.npy", mmap_mode="r"), 3, power=0.5)
    _, matrix = svd_oracle(vectors, 3, 0.5)
    np.testing.assert_allclose(pca.matrix, matrix, rtol=1e-4, atol=1e-4)
    applied = pca.apply(np.load(tmp_path / "vectors.npy", mmap_mode="r"))
    for i in (0, BLOCK_ROWS - 1, BLOCK_ROWS, len(vectors) - 1):
        np.testing.assert_allclose(applied[i], pca.apply(vectors[i]), atol=1e-6)


@given(st.integers(0, 1000))
def test_order_of_the_vectors_does_not_matter(seed: int) -> None:
    shuffled = VECTORS[np.random.default_rng(seed).permutation(len(VECTORS))]
    np.testing.assert_allclose(PCA.fit(shuffled, 6).matrix, PCA.fit(VECTORS, 6).matrix, rtol=1e-4, atol=1e-4)


def test_saved_and_loaded_without_pickle_it_is_the_same() -> None:
    pca = PCA.fit(VECTORS, 6)
    file = io.BytesIO()
    np.savez(file, **pca.to_arrays())
    file.seek(0)
    with np.load(file, allow_pickle=False) as arrays:
        loaded = PCA.from_arrays(arrays)
    np.testing.assert_array_equal(loaded.apply(VECTORS), pca.apply(VECTORS))


@pytest.mark.parametrize(
    "arrays",
    [
        {"mean": np.zeros(3)},
        {"mean": np.zeros(3), "matrix": np.zeros((4, 2))},
        {"mean": np.zeros(3), "matrix": np.zeros(3)},
        {"mean": np.zeros((3, 1)), "matrix": np.zeros((3, 2))},
    ],
)
def test_damaged_arrays_are_refused(arrays: dict[str, np.ndarray]) -> None:
    with pytest.raises(DamagedHomeError, match="learn it again"):
        PCA.from_arrays(arrays)


def test_too_few_vectors_are_refused() -> None:
    assert PCA.fit(VECTORS[:120], 12).matrix.shape == (12, 12)
    with pytest.raises(SettingError, match="at least 120 vectors and there are 119"):
        PCA.fit(VECTORS[:119], 12)
    with pytest.raises(SettingError, match="there are 0"):
        PCA.fit(VECTORS[:0], 12)


@pytest.mark.parametrize("dimension", [0, 13, -1])
def test_impossible_dimension_is_refused(dimension: int) -> None:
    with pytest.raises(SettingError, match="choose 1 to 12"):
        PCA.fit(VECTORS, dimension)


def test_identical_vectors_are_refused() -> None:
    with pytest.raises(SettingError, match="all vectors are the same"):
        PCA.fit(np.repeat(VECTORS[:1], 100, axis=0), 4)


def test_the_mean_itself_becomes_zero_not_nan() -> None:
    pca = PCA.fit(VECTORS, 4)
    np.testing.assert_array_equal(pca.apply(pca.mean), np.zeros(4, np.float32))
    assert pca.apply(np.empty((0, 12), np.float32)).shape == (0, 4)
