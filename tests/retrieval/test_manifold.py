"""Ranking on the manifold of a shortlist against its formula in plain Python."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dinosearch.retrieval.manifold import manifold
from tests.retrieval.clusters import clustered


def slowly(query: np.ndarray, vectors: np.ndarray, k: int, alpha: float, beta: float) -> list[float]:
    """The formula; the inverse as its series, sum over t of (alpha W)^t."""
    rows = [query.tolist(), *vectors.tolist()]
    n = len(rows)
    s = [[sum(a * b for a, b in zip(x, y, strict=True)) for y in rows] for x in rows]
    usual = [sum(s[i][j] for j in range(n) if j != i) / (n - 1) for i in range(n)]
    nearest = [set(sorted((j for j in range(n) if j != i), key=lambda j, i=i: -s[i][j])[:k]) for i in range(n)]
    w = [[0.0] * n for _ in range(n)]
    for i in range(n):
        for j in nearest[i]:
            usually = max(usual[i], usual[j])
            if i in nearest[j] and usually < 1 - 1e-9:
                w[i][j] = max(0.0, (s[i][j] - usually) / (1 - usually))
    degrees = [sum(row) for row in w]
    step = [[w[i][j] / math.sqrt(degrees[i] * degrees[j]) if w[i][j] else 0.0 for j in range(n)] for i in range(n)]
    term = [1.0] + [0.0] * (n - 1)
    total = list(term)
    for _ in range(round(40 / (1 - alpha))):
        term = [alpha * sum(a * b for a, b in zip(row, term, strict=True)) for row in step]
        total = [a + b for a, b in zip(total, term, strict=True)]
    most = max(total[1:]) or 1.0
    return [s[0][i] + beta * math.sqrt(total[i] / most) for i in range(1, n)]


@pytest.mark.parametrize(("k", "alpha", "beta"), [(20, 0.9, 1.0), (3, 0.5, 0.5), (1, 0.9, 1.0), (5, 0.0, 1.0)])
@pytest.mark.parametrize("m", [1, 2, 15, 40])
def test_equals_the_formula(m: int, k: int, alpha: float, beta: float) -> None:
    rows = clustered(m + 50, m + 1)
    scores = manifold(rows[0], rows[1:], k, alpha, beta)
    assert scores.dtype == np.float32 and scores.shape == (m,)
    # the square root makes of 1e-12 in f a millionth in the score
    np.testing.assert_allclose(scores, slowly(rows[0], rows[1:], k, alpha, beta), atol=1e-5)


def test_by_hand() -> None:
    # cosines 0.8 (query and first) and 0 (first and second, query and second); backgrounds 0.4, 0.4 and 0: one edge, of
    # weight 2/3, scaled to 1; f of the first is 0.5 / (1 - 0.25), the maximum, and of the second 0
    rows = np.float32([[1, 0, 0], [0.8, 0.6, 0], [0, 0, 1]])
    np.testing.assert_allclose(manifold(rows[0], rows[1:], 2, 0.5, 1.0), [1.8, 0.0], atol=1e-6)


def test_a_chain_of_views_overtakes_a_nearer_loner() -> None:
    angles = np.radians([0, 15, 30, 45, 60])
    chain = np.stack([np.cos(angles), np.sin(angles), np.zeros(5), np.zeros(5)], axis=1)
    loner = np.array([[0.55, 0, math.sqrt(1 - 0.55**2), 0]])
    others = np.concatenate([np.zeros((20, 2)), clustered(60, 20, 2, clusters=1)], axis=1)
    vectors = np.concatenate([chain[1:], loner, others]).astype(np.float32)
    scores = manifold(chain[0].astype(np.float32), vectors, neighbours=3)
    assert vectors[4, 0] > vectors[3, 0] and scores[3] > scores[4]


def test_no_share_is_the_cosine() -> None:
    rows = clustered(61, 40)
    np.testing.assert_allclose(manifold(rows[0], rows[1:], share=0.0), rows[1:] @ rows[0], atol=1e-6)


def test_empty_shortlist() -> None:
    scores = manifold(np.float32([1, 0]), np.empty((0, 2), np.float32))
    assert scores.shape == (0,) and scores.dtype == np.float32


@pytest.mark.parametrize("copies", [1, 2, 50])
def test_identical_rows_score_the_same(copies: int) -> None:
    rows = clustered(62, 2)
    scores = manifold(rows[0], np.repeat(rows[1:], copies, axis=0))
    assert np.isfinite(scores).all()
    np.testing.assert_allclose(scores, np.full(copies, scores[0]), atol=1e-5)


def test_a_query_among_its_copies() -> None:
    rows = np.repeat(clustered(63, 1), 30, axis=0)
    assert np.isfinite(manifold(rows[0], rows[1:])).all()


@pytest.mark.parametrize("query", [[0, 0, 1], [0, 0, 0]])
def test_query_that_is_near_nothing_keeps_the_order_of_its_cosines(query: list[float]) -> None:
    vectors = np.concatenate([clustered(64, 40, dimension=2), np.zeros((40, 1), np.float32)], axis=1)
    np.testing.assert_allclose(manifold(np.float32(query), vectors), np.zeros(40), atol=1e-6)


@settings(max_examples=50)
@given(seed=st.integers(0, 10_000), m=st.integers(1, 40))
def test_order_of_the_shortlist_does_not_matter(seed: int, m: int) -> None:
    rows = clustered(seed, m + 1)
    order = np.random.default_rng(seed).permutation(m)
    scores = manifold(rows[0], rows[1:])
    np.testing.assert_allclose(manifold(rows[0], rows[1:][order]), scores[order], atol=1e-4)
