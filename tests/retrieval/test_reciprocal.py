"""k-reciprocal re-ranking against the dense formulation of the paper in plain Python sets."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dinosearch.retrieval.reciprocal import k_reciprocal
from tests.retrieval.clusters import clustered


def slowly(query: np.ndarray, vectors: np.ndarray, k1: int, k2: int, weight: float) -> list[float]:
    rows = np.concatenate([query[None], vectors]).astype(float)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    n = len(rows)
    squared = [[float(((rows[i] - rows[j]) ** 2).sum()) for j in range(n)] for i in range(n)]
    d = [[value / (max(row) or 1.0) for value in row] for row in squared]
    ranked = [sorted(range(n), key=lambda j, i=i: (j != i, round(d[i][j], 9), j)) for i in range(n)]

    def reciprocal(i: int, k: int) -> set[int]:
        return {j for j in ranked[i][: k + 1] if i in ranked[j][: k + 1]}

    encoded = []
    for i in range(n):
        base = reciprocal(i, k1)
        members = set(base)
        for j in base:
            candidate = reciprocal(j, round(k1 / 2))
            if len(candidate & base) > 2 / 3 * len(candidate):
                members |= candidate
        row = [math.exp(-d[i][j]) if j in members else 0.0 for j in range(n)]
        encoded.append([value / sum(row) for value in row])
    averaged = [[sum(encoded[j][c] for j in ranked[i][:k2]) / len(ranked[i][:k2]) for c in range(n)] for i in range(n)]
    scores = []
    for i in range(1, n):
        smaller = sum(min(a, b) for a, b in zip(averaged[0], averaged[i], strict=True))
        larger = sum(max(a, b) for a, b in zip(averaged[0], averaged[i], strict=True))
        scores.append(1 - ((1 - weight) * (1 - smaller / larger) + weight * d[0][i]))
    return scores


@pytest.mark.parametrize(("k1", "k2", "weight"), [(20, 6, 0.3), (5, 1, 0.0), (7, 3, 0.5), (1, 1, 0.3), (10, 6, 1.0)])
@pytest.mark.parametrize("m", [1, 2, 15, 80])
def test_equals_the_paper(m: int, k1: int, k2: int, weight: float) -> None:
    rows = clustered(m, m + 1)
    scores = k_reciprocal(rows[0], rows[1:], k1, k2, weight)
    assert scores.dtype == np.float32 and scores.shape == (m,)
    np.testing.assert_allclose(scores, slowly(rows[0], rows[1:], k1, k2, weight), atol=1e-6)


def test_default_settings_are_the_published() -> None:
    rows = clustered(11, 60)
    np.testing.assert_array_equal(k_reciprocal(rows[0], rows[1:]), k_reciprocal(rows[0], rows[1:], 20, 6, 0.3))


@pytest.mark.parametrize("copies", [2, 9, 30])
def test_duplicates_equal_the_paper_with_ties_in_order(copies: int) -> None:
    rows = clustered(12, 8)
    vectors = np.repeat(rows[1:], copies, axis=0)
    np.testing.assert_allclose(
        k_reciprocal(rows[0], vectors, 6, 3, 0.3), slowly(rows[0], vectors, 6, 3, 0.3), atol=1e-6
    )


def test_weight_one_is_the_plain_distance() -> None:
    rows = clustered(13, 30)
    squared = ((rows[1:].astype(float) - rows[0]) ** 2).sum(axis=1)
    np.testing.assert_allclose(k_reciprocal(rows[0], rows[1:], weight=1.0), 1 - squared / squared.max(), atol=1e-6)


def test_a_row_of_the_querys_group_overtakes_a_nearer_loner() -> None:
    angles = np.radians([0, 20, 21, 22, 23, -18, 150, 160, 170, 180])
    rows = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    scores = k_reciprocal(rows[0], rows[1:], k1=4, k2=1, weight=0.3)
    assert scores[4] < min(scores[:4]) and rows[5] @ rows[0] > rows[1] @ rows[0]


def test_empty_shortlist() -> None:
    scores = k_reciprocal(np.float32([1, 0]), np.empty((0, 2), np.float32))
    assert scores.shape == (0,) and scores.dtype == np.float32


def test_identical_rows_and_query_are_finite() -> None:
    rows = np.repeat(clustered(14, 1), 50, axis=0)
    scores = k_reciprocal(rows[0], rows[1:])
    assert np.isfinite(scores).all()
    np.testing.assert_allclose(scores[:19], np.ones(19), atol=1e-6)  # the query's own 20 neighbours


@pytest.mark.parametrize("query", [[0, 0, 1], [0, 0, 0]])
def test_query_that_is_near_nothing(query: list[float]) -> None:
    vectors = np.concatenate([clustered(15, 40, dimension=2), np.zeros((40, 1), np.float32)], axis=1)
    assert np.isfinite(k_reciprocal(np.float32(query), vectors)).all()


@settings(max_examples=50)
@given(seed=st.integers(0, 10_000), m=st.integers(1, 60))
def test_order_of_the_shortlist_does_not_matter(seed: int, m: int) -> None:
    rows = clustered(seed, m + 1)
    order = np.random.default_rng(seed).permutation(m)
    scores = k_reciprocal(rows[0], rows[1:])
    np.testing.assert_allclose(k_reciprocal(rows[0], rows[1:][order]), scores[order], atol=1e-6)
    assert (scores > -1e-6).all() and (scores < 1 + 1e-6).all()
