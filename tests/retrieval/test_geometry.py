"""Robust estimation against known transforms among wrong pairs, and degenerate inputs."""

from __future__ import annotations

import numpy as np
import pytest

from dinosearch.retrieval.geometry import crowding, distinct_cells, estimate, on_a_line
from dinosearch.retrieval.transform import Transform, fit_affine, fit_similarity
from tests.retrieval.token_fields import similarity_matrix

PATCH = 1 / 16
EXTENTS = (PATCH, PATCH)
CORNERS = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
NONE = np.zeros(0, dtype=bool)


def apply(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    return points @ matrix[:, :2].T + matrix[:, 2]


def pairs_of(
    matrix: np.ndarray, wrong: float, seed: int, count: int = 200, noise: float = 0.25 * PATCH
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points of both images and which pairs are right; the wrong ones lie anywhere."""
    rng = np.random.default_rng(seed)
    a = rng.random((count, 2))
    b = apply(matrix, a) + noise * rng.normal(size=(count, 2))
    right = rng.permutation(count) >= round(wrong * count)
    b[~right] = rng.random(((~right).sum(), 2)) * 1.5 - 0.25
    return a, b, right


def worst_corner(transform: Transform | None, matrix: np.ndarray) -> float:
    """Distance in patches."""
    assert transform is not None
    return float(np.linalg.norm(transform.apply(CORNERS) - apply(matrix, CORNERS), axis=1).max() / PATCH)


@pytest.mark.parametrize("wrong", [0.0, 0.3, 0.6, 0.8])
@pytest.mark.parametrize(("degrees", "scale"), [(0, 1.0), (30, 1.6), (-30, 0.6), (120, 1.1), (5, 3.0), (-70, 0.4)])
def test_known_similarity_is_found_among_wrong_pairs(degrees: float, scale: float, wrong: float) -> None:
    matrix = similarity_matrix(degrees, scale, (0.1, -0.05))
    a, b, right = pairs_of(matrix, wrong, seed=int(10 * scale + 100 * wrong))
    transform = estimate(a, b, EXTENTS)
    assert worst_corner(transform, matrix) < 0.5 * max(1, scale)
    assert transform is not None
    assert transform.scale == pytest.approx(scale, rel=0.05)
    assert (transform.angle - degrees + 180) % 360 - 180 == pytest.approx(0, abs=3)
    assert transform.inliers[right].mean() > 0.95
    assert transform.inliers[~right].sum() <= 0.1 * max(1, scale) ** 2 * (~right).sum()


def test_inliers_are_the_pairs_within_the_tolerance_of_the_larger_patch() -> None:
    matrix = similarity_matrix(10, 2.0)
    a, b, _ = pairs_of(matrix, 0.4, seed=7)
    transform = estimate(a, b, EXTENTS, tolerance=0.7)
    assert transform is not None
    gaps = [float(np.hypot(*(transform.apply(a[[i]])[0] - b[i]))) for i in range(len(a))]
    assert transform.inliers.tolist() == [gap < 0.7 * PATCH * max(1.0, transform.scale) for gap in gaps]


def test_refinement_beats_the_best_pair_of_pairs() -> None:
    matrix = similarity_matrix(15, 1.2)
    a, b, _ = pairs_of(matrix, 0.0, seed=1)
    assert worst_corner(estimate(a, b, EXTENTS), matrix) < 0.12  # noise of a quarter patch, averaged over 200 pairs


def test_same_answer_every_time_and_in_other_units() -> None:
    a, b, _ = pairs_of(similarity_matrix(20, 0.8), 0.7, seed=3)
    first, again = estimate(a, b, EXTENTS), estimate(a.copy(), b.copy(), EXTENTS)
    large = estimate(a * 100, b * 100, (100 * PATCH, 100 * PATCH))
    assert first is not None and again is not None and large is not None
    assert first.matrix.tobytes() == again.matrix.tobytes()
    np.testing.assert_allclose(large.matrix[:, :2], first.matrix[:, :2], atol=1e-5)
    np.testing.assert_allclose(large.matrix[:, 2], first.matrix[:, 2] * 100, atol=1e-3)


def test_weights_decide_between_two_motions() -> None:
    one, two = similarity_matrix(0, 1.0, (0.3, 0.0)), similarity_matrix(0, 1.0, (-0.3, 0.0))
    a = np.random.default_rng(0).random((100, 2))
    b = np.concatenate([apply(one, a[:50]), apply(two, a[50:])])
    for stronger, matrix in ((slice(0, 50), one), (slice(50, 100), two)):
        weights = np.full(100, 0.2)
        weights[stronger] = 1.0
        assert worst_corner(estimate(a, b, EXTENTS, weights=weights), matrix) < 0.1


def test_a_clump_does_not_outvote_a_spread_motion() -> None:
    rng = np.random.default_rng(2)
    spread = rng.random((40, 2))
    clump = 0.5 + 3.9 * PATCH * rng.random((120, 2))  # two by two cells
    one, two = similarity_matrix(0, 1.0, (0.25, 0.0)), similarity_matrix(0, 1.0, (-0.25, 0.0))
    a, b = np.concatenate([spread, clump]), np.concatenate([apply(one, spread), apply(two, clump)])
    assert worst_corner(estimate(a, b, EXTENTS), one) < 0.1


def test_reflections_and_forbidden_scales_are_not_found() -> None:
    a = np.random.default_rng(0).random((100, 2))
    mirrored = estimate(a, a * [-1, 1] + [1, 0], EXTENTS)
    assert mirrored is None or mirrored.inliers.mean() < 0.4
    shrunk = estimate(a, a * 0.05, EXTENTS)
    assert shrunk is None or shrunk.scale >= 0.25


def test_affine_follows_a_shear_that_a_similarity_cannot() -> None:
    matrix = np.array([[1.3, 0.3, 0.0], [0.0, 0.8, 0.1]])
    a, b, _ = pairs_of(matrix, 0.3, seed=4, count=300)
    assert worst_corner(estimate(a, b, EXTENTS), matrix) > 1
    assert worst_corner(estimate(a, b, EXTENTS, affine=True), matrix) < 0.5


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_pairs_give_nothing(count: int) -> None:
    points = np.full((count, 2), 0.5)
    assert estimate(points, points, EXTENTS) is None


def test_repeated_and_near_points_give_nothing() -> None:
    same = np.full((50, 2), 0.5)
    assert estimate(same, same, EXTENTS) is None
    near = 0.5 + 0.5 * PATCH * np.random.default_rng(0).random((50, 2))
    assert estimate(near, near, EXTENTS) is None


def test_two_pairs_are_met_exactly() -> None:
    a, b = np.array([[0.0, 0.0], [1.0, 0.0]]), np.array([[1.0, 1.0], [1.0, 3.0]])
    transform = estimate(a, b, EXTENTS)
    assert transform is not None
    np.testing.assert_allclose(transform.apply(a), b, atol=1e-6)
    assert transform.scale == pytest.approx(2) and transform.angle == pytest.approx(90)


def test_inverse_maps_back() -> None:
    transform = Transform(similarity_matrix(33, 1.7, (0.2, 0.4)), NONE)
    points = np.random.default_rng(0).random((5, 2))
    np.testing.assert_allclose(transform.inverse().apply(transform.apply(points)), points, atol=1e-12)
    assert transform.inverse().angle == pytest.approx(-33)


def test_cells_are_counted_in_the_poorer_image() -> None:
    a = np.array([[0.5, 0.5], [1.5, 1.5], [2.5, 0.5], [9.0, 9.0]])  # cells of 2: (0,0), (0,0), (1,0), (4,4)
    b = np.array([[0.5, 0.5], [0.5, 0.5], [0.5, 0.5], [9.0, 9.0]])  # (0,0) thrice, (4,4)
    assert distinct_cells(a, a, (1.0, 1.0)) == 3
    assert distinct_cells(a, b, (1.0, 1.0)) == distinct_cells(b, a, (1.0, 1.0)) == 2
    assert distinct_cells(a[:0], b[:0], (1.0, 1.0)) == 0
    assert crowding(a, a, (1.0, 1.0)).tolist() == [2, 2, 1, 1]
    assert crowding(a, b, (1.0, 1.0)).tolist() == [3, 3, 3, 1]


def test_points_on_a_line() -> None:
    row = np.column_stack([np.arange(10.0), np.zeros(10)])
    assert on_a_line(row, 1.0) and on_a_line(row @ similarity_matrix(30, 1)[:, :2], 1.0) and on_a_line(row[:2], 1.0)
    assert not on_a_line(np.concatenate([row, row + [0, 3]]), 1.0)


def test_least_squares_against_numpys() -> None:
    rng = np.random.default_rng(6)
    a, b, weights = rng.random((20, 2)), rng.random((20, 2)), rng.random(20)
    root = np.sqrt(weights)
    # u = c x - s y + p, v = s x + c y + q as one linear system in (c, s, p, q).
    ones, zeros = np.ones(20), np.zeros(20)
    rows = np.concatenate(
        [np.column_stack([a[:, 0], -a[:, 1], ones, zeros]), np.column_stack([a[:, 1], a[:, 0], zeros, ones])]
    )
    c, s, p, q = np.linalg.lstsq(rows * np.tile(root, 2)[:, None], b.T.reshape(-1) * np.tile(root, 2), rcond=None)[0]
    np.testing.assert_allclose(fit_similarity(a, b, weights), [[c, -s, p], [s, c, q]], atol=1e-10)
    general = np.linalg.lstsq(np.column_stack([a, ones]) * root[:, None], b * root[:, None], rcond=None)[0].T
    np.testing.assert_allclose(fit_affine(a, b, weights), general, atol=1e-10)


def test_least_squares_of_degenerate_points_is_undefined() -> None:
    line = np.column_stack([np.arange(5.0), np.arange(5.0)])
    assert np.isnan(fit_affine(line, line, np.ones(5))).all()
    assert np.isfinite(fit_similarity(line, line, np.ones(5))).all()
    assert np.isnan(fit_similarity(line, line, np.zeros(5))).any()
