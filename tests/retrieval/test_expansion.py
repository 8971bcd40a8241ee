"""Query expansion against its formula in plain Python."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dinosearch.retrieval.expansion import affinity, expand
from tests.retrieval.clusters import clustered


def slowly(query: np.ndarray, vectors: np.ndarray, cosines: np.ndarray, alpha: float) -> list[float]:
    total = [float(x) for x in query]
    for vector, cosine in zip(vectors, cosines, strict=True):
        weight = float(cosine) ** alpha if cosine > 0 else 0.0
        total = [a + weight * float(b) for a, b in zip(total, vector, strict=True)]
    mean = [a / (len(vectors) + 1) for a in total]
    length = math.sqrt(sum(a * a for a in mean))
    return [a / length for a in mean]


@pytest.mark.parametrize("alpha", [0.0, 1.0, 2.5, 3.0])
@pytest.mark.parametrize("k", [0, 1, 10])
def test_equals_the_formula(alpha: float, k: int) -> None:
    rows = clustered(1, k + 1)
    query, vectors = rows[0], rows[1:]
    cosines = vectors @ query
    expanded = expand(query, vectors, cosines, alpha)
    assert expanded.dtype == np.float32 and expanded.shape == query.shape
    np.testing.assert_allclose(expanded, slowly(query, vectors, cosines, alpha), atol=1e-6)


def test_by_hand() -> None:
    # cosine 0.6 to the third is 0.216: (1 + 0.216 * 0.6, 0.216 * 0.8) before scaling
    expanded = expand(np.float32([1, 0]), np.float32([[0.6, 0.8]]), np.float32([0.6]))
    np.testing.assert_allclose(expanded, np.array([1.1296, 0.1728]) / math.hypot(1.1296, 0.1728), rtol=1e-6)


@pytest.mark.parametrize("alpha", [0.0, 2.0, 3.0])
@pytest.mark.parametrize("cosine", [-0.9, 0.0, -np.inf, np.nan])
def test_what_is_not_near_changes_nothing(alpha: float, cosine: float) -> None:
    query = np.float32([0.6, 0.8])
    np.testing.assert_array_equal(expand(query, np.float32([[1, 0]]), np.float32([cosine]), alpha), query)


def test_duplicates_of_the_query_keep_it() -> None:
    query = clustered(2, 1)[0]
    np.testing.assert_allclose(expand(query, np.stack([query] * 5), np.ones(5, np.float32)), query, atol=1e-7)


def test_zero_query_without_neighbours_stays_zero() -> None:
    np.testing.assert_array_equal(
        expand(np.zeros(3, np.float32), np.eye(3, dtype=np.float32), np.zeros(3)), np.zeros(3)
    )


def test_affinity_keeps_the_shape() -> None:
    np.testing.assert_allclose(affinity(np.float32([[0.5, -0.5], [1.0, 0.0]]), 3.0), [[0.125, 0.0], [1.0, 0.0]])


@given(seed=st.integers(0, 10_000), k=st.integers(1, 12))
def test_order_of_neighbours_does_not_matter(seed: int, k: int) -> None:
    rows = clustered(seed, k + 1)
    query, vectors = rows[0], rows[1:]
    cosines, order = vectors @ query, np.random.default_rng(seed).permutation(k)
    once, again = expand(query, vectors, cosines), expand(query, vectors[order], cosines[order])
    np.testing.assert_allclose(once, again, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(once), 1.0, atol=1e-6)
