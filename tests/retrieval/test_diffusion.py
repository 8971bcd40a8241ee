"""Offline diffusion against dense linear algebra over the same graph."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dinosearch.retrieval.diffusion import SparseRows, diffuse, mutual_graph, prepare
from tests.retrieval.clusters import clustered, neighbours_of


def dense_graph(vectors: np.ndarray, edges: int) -> np.ndarray:
    """S from all pairs of cosines; `edges` counts the row itself."""
    cosines = vectors.astype(np.float64) @ vectors.T.astype(np.float64)
    n = len(vectors)
    lists = [sorted((j for j in range(n) if j != i), key=lambda j, i=i: -cosines[i, j])[: edges - 1] for i in range(n)]
    affinity = np.zeros((n, n))
    for i in range(n):
        for j in lists[i]:
            if i in lists[j] and cosines[i, j] > 0:
                affinity[i, j] = cosines[i, j] ** 3
    degrees = affinity.sum(axis=1)
    scale = np.array([d**-0.5 if d > 0 else 0.0 for d in degrees])
    return affinity * scale[:, None] * scale[None, :]


def dense_solution(vectors: np.ndarray, truncation: int, edges: int) -> np.ndarray:
    """Row i: the direct solution on the subgraph of the rows nearest to i."""
    graph = dense_graph(vectors, edges)
    cosines = vectors.astype(np.float64) @ vectors.T.astype(np.float64)
    np.fill_diagonal(cosines, 2.0)
    solved = np.zeros_like(graph)
    for i in range(len(vectors)):
        members = np.argsort(-cosines[i], kind="stable")[:truncation]
        system = np.eye(len(members)) - 0.99 * graph[np.ix_(members, members)]
        solved[i, members] = np.linalg.solve(system, (members == i).astype(float))
    return solved


def dense(rows: SparseRows) -> np.ndarray:
    matrix = np.zeros((len(rows), len(rows)))
    for i in range(len(rows)):
        columns, values = rows.row(i)
        matrix[i, columns] = values
    return matrix


@pytest.mark.parametrize("own", [True, False])
def test_graph_is_the_dense_one(own: bool) -> None:
    vectors = clustered(20, 50)
    columns, weights = mutual_graph(*neighbours_of(vectors, 20, own), edges=8)
    matrix = np.zeros((50, 50))
    for i, j in zip(*np.nonzero(weights), strict=True):
        matrix[i, columns[i, j]] += weights[i, j]
    np.testing.assert_allclose(matrix, dense_graph(vectors, 8), atol=1e-6)
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-12)


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize(("truncation", "edges"), [(40, 6), (12, 6), (1, 6), (40, 1)])
def test_rows_solve_the_linear_system(truncation: int, edges: int, own: bool) -> None:
    vectors = clustered(21, 40, clusters=8)
    rows = prepare(*neighbours_of(vectors, 40 if own else 39, own), truncation=truncation, edges=edges)
    # Conjugate gradients stop after 20 steps, with what is left of the residual divided by 1 - 0.99 at worst.
    np.testing.assert_allclose(dense(rows), dense_solution(vectors, truncation, edges), atol=2e-3)


def test_small_subgraphs_are_solved_to_the_last_digit() -> None:
    vectors = clustered(22, 60, clusters=6)
    rows = prepare(*neighbours_of(vectors, 15), truncation=15, edges=10)
    np.testing.assert_allclose(dense(rows), dense_solution(vectors, 15, 10), atol=1e-5)


def test_sparse_rows_are_sorted_float32_and_not_zero() -> None:
    vectors = clustered(23, 50)
    rows = prepare(*neighbours_of(vectors, 30), truncation=20, edges=5)
    assert rows.indptr.dtype == np.int64 and rows.columns.dtype == np.int64 and rows.values.dtype == np.float32
    assert rows.indptr[0] == 0 and rows.indptr[-1] == len(rows.columns) == len(rows.values)
    for i in range(len(rows)):
        columns, values = rows.row(i)
        assert i in columns and len(columns) <= 20 and (np.diff(columns) > 0).all() and (values != 0).all()


def test_missing_neighbours_change_nothing() -> None:
    neighbours, cosines = neighbours_of(clustered(24, 30), 12)
    wider = np.pad(neighbours, ((0, 0), (0, 3)), constant_values=-1)
    once, again = prepare(neighbours, cosines, 10, 5), prepare(wider, np.pad(cosines, ((0, 0), (0, 3))), 10, 5)
    np.testing.assert_array_equal(dense(once), dense(again))


def test_two_groups_do_not_meet() -> None:
    vectors = np.float32([[1, 0], [0.8, 0.6], [0, -1], [-0.6, -0.8]])
    matrix = dense(prepare(*neighbours_of(vectors, 4)))
    # One edge: S is 1, and (1 - 0.99^2)^-1 times (1, 0.99) solves the pair.
    pair = np.array([[1, 0.99], [0.99, 1]]) / (1 - 0.99**2)
    np.testing.assert_allclose(matrix, np.block([[pair, np.zeros((2, 2))], [np.zeros((2, 2)), pair]]), rtol=1e-5)


@pytest.mark.parametrize("n", [0, 1])
def test_hardly_any_rows(n: int) -> None:
    rows = prepare(np.zeros((n, n), np.int64), np.ones((n, n), np.float32))
    np.testing.assert_array_equal(dense(rows), np.eye(n))
    assert diffuse(np.ones(n, np.float32), np.zeros(n, np.int64), rows).shape == (n,)


def test_rows_without_neighbours_keep_themselves() -> None:
    np.testing.assert_array_equal(dense(prepare(np.empty((3, 0), np.int64), np.empty((3, 0)))), np.eye(3))
    np.testing.assert_array_equal(dense(prepare(np.full((3, 2), -1), np.full((3, 2), -np.inf))), np.eye(3))


def test_opposite_neighbours_are_no_edge() -> None:
    vectors = np.float32([[1, 0], [-1, 0]])
    np.testing.assert_array_equal(dense(prepare(*neighbours_of(vectors, 2))), np.eye(2))


def test_identical_rows_are_finite_and_alike() -> None:
    vectors = np.repeat(clustered(25, 1), 12, axis=0)
    matrix = dense(prepare(*neighbours_of(vectors, 12)))
    np.testing.assert_allclose(matrix, dense_solution(vectors, 12, 50), rtol=1e-4)


def test_online_sum_equals_plain_loops() -> None:
    vectors = clustered(26, 40)
    rows = prepare(*neighbours_of(vectors, 20), truncation=15, edges=6)
    nearest, cosines = np.array([3, 17, -1, 8]), np.float32([0.9, 0.5, 0.7, -0.2])
    matrix = dense(rows)
    expected = [0.9**3 * matrix[3, c] + 0.5**3 * matrix[17, c] for c in range(40)]
    scores = diffuse(cosines, nearest, rows)
    assert scores.dtype == np.float32 and scores.shape == (40,)
    np.testing.assert_allclose(scores, expected, rtol=1e-5)


def test_query_that_is_near_nothing_scores_zero() -> None:
    rows = prepare(*neighbours_of(clustered(27, 10), 5))
    np.testing.assert_array_equal(diffuse(np.zeros(3, np.float32), np.array([0, 1, 2]), rows), np.zeros(10))


@settings(max_examples=30)
@given(seed=st.integers(0, 10_000), n=st.integers(2, 30))
def test_renumbering_the_rows_renumbers_the_result(seed: int, n: int) -> None:
    vectors = clustered(seed, n)
    neighbours, cosines = neighbours_of(vectors, min(n, 12))
    order = np.random.default_rng(seed).permutation(n)
    renumbered = np.argsort(order)[neighbours[order]]
    once, again = prepare(neighbours, cosines, 8, 5), prepare(renumbered, cosines[order], 8, 5)
    np.testing.assert_allclose(dense(again), dense(once)[np.ix_(order, order)], rtol=1e-4, atol=1e-5)
