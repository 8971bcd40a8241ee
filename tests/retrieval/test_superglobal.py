"""SuperGlobal re-ranking against its formula in plain Python."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dinosearch.retrieval.superglobal import superglobal
from tests.retrieval.clusters import clustered


def dot(a: list[float], b: list[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))


def slowly(query: np.ndarray, vectors: np.ndarray, neighbours: int, beta: float) -> list[float]:
    q, rows = query.tolist(), vectors.tolist()
    refined = []
    for i, row in enumerate(rows):
        others = sorted((j for j in range(len(rows)) if j != i), key=lambda j: -dot(row, rows[j]))[:neighbours]
        weights = [beta * max(dot(row, rows[j]), 0.0) for j in others]
        refined.append(
            [
                (row[c] + sum(w * rows[j][c] for w, j in zip(weights, others, strict=True))) / (1 + sum(weights))
                for c in range(len(row))
            ]
        )
    first = [dot(q, row) for row in refined]
    best = sorted(range(len(rows)), key=lambda i: -first[i])[: neighbours + 1]
    expanded = [max(refined[i][c] for i in best) for c in range(len(q))]
    return [(s + dot(expanded, row)) / 2 for s, row in zip(first, refined, strict=True)]


@pytest.mark.parametrize(("neighbours", "beta"), [(9, 0.15), (3, 0.5), (0, 0.15), (9, 0.0)])
@pytest.mark.parametrize("m", [1, 2, 9, 10, 11, 60])
def test_equals_the_formula(m: int, neighbours: int, beta: float) -> None:
    rows = clustered(m, m + 1)
    scores = superglobal(rows[0], rows[1:], neighbours, beta)
    assert scores.dtype == np.float32 and scores.shape == (m,)
    np.testing.assert_allclose(scores, slowly(rows[0], rows[1:], neighbours, beta), atol=1e-6)


def test_default_settings_are_the_published() -> None:
    rows = clustered(9, 40)
    np.testing.assert_array_equal(superglobal(rows[0], rows[1:]), superglobal(rows[0], rows[1:], 9, 0.15))


def test_by_hand() -> None:
    # One neighbour each: s = 0.6, weight 0.3; refined (1.18, 0.24) / 1.3 and (0.9, 0.8) / 1.3; S1 their first entry.
    # Both are among the best two: q_e = (1.18, 0.8) / 1.3.
    scores = superglobal(np.float32([1, 0]), np.float32([[1, 0], [0.6, 0.8]]), neighbours=1, beta=0.5)
    first, second = [1.18 / 1.3, 0.9 / 1.3], [(1.18**2 + 0.24 * 0.8) / 1.69, (1.18 * 0.9 + 0.8**2) / 1.69]
    np.testing.assert_allclose(scores, np.add(first, second) / 2, rtol=1e-6)


def test_empty_shortlist() -> None:
    scores = superglobal(np.float32([1, 0]), np.empty((0, 2), np.float32))
    assert scores.shape == (0,) and scores.dtype == np.float32


def test_one_row_is_its_own_expansion() -> None:
    np.testing.assert_allclose(superglobal(np.float32([1, 0]), np.float32([[0.6, 0.8]])), [(0.6 + 1.0) / 2])


def test_identical_rows_score_the_same() -> None:
    rows = clustered(10, 2)
    scores = superglobal(rows[0], np.repeat(rows[1:], 30, axis=0))
    np.testing.assert_allclose(scores, np.full(30, (rows[0] @ rows[1] + 1) / 2), atol=1e-6)


def test_opposite_rows_cannot_cancel_the_denominator() -> None:
    # Unclamped, beta = 1/2 and two neighbours of cosine -1 make it 1 - 1 = 0.
    vectors = np.float32([[1, 0], [-1, 0], [-1, 0]])
    np.testing.assert_allclose(superglobal(np.float32([1, 0]), vectors, 2, 0.5), [1.0, -1.0, -1.0])


def test_query_that_is_near_nothing() -> None:
    assert np.isfinite(superglobal(np.float32([0, 0, 1]), np.float32([[1, 0, 0], [0, 1, 0]]))).all()


@given(seed=st.integers(0, 10_000), m=st.integers(1, 40))
def test_order_of_the_shortlist_does_not_matter(seed: int, m: int) -> None:
    rows = clustered(seed, m + 1)
    query, vectors = rows[0], np.concatenate([rows[1:], rows[1:3]])  # with duplicates
    order = np.random.default_rng(seed).permutation(len(vectors))
    np.testing.assert_allclose(superglobal(query, vectors[order]), superglobal(query, vectors)[order], atol=1e-5)
