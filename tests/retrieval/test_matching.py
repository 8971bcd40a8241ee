"""Patch descriptors, their places, and matching against loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
from PIL import Image

from dinosearch.images.resizing import MEAN_COLOUR, resize
from dinosearch.records import Preprocessing, ResizeMode
from dinosearch.retrieval.matching import heat, max_sim, mutual_matches, peaks
from dinosearch.retrieval.patches import Patches, describe
from dinosearch.retrieval.transform import Transform
from tests.retrieval.token_fields import similarity_matrix


def unit(rng: np.random.Generator, n: int, d: int = 8) -> np.ndarray:
    rows = rng.normal(size=(n, d)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def nearest(row: np.ndarray, rows: np.ndarray) -> int:
    best = 0
    for i in range(len(rows)):
        if float(row @ rows[i]) > float(row @ rows[best]):
            best = i
    return best


@pytest.mark.parametrize(("m", "n"), [(1, 1), (1, 7), (12, 5), (30, 41)])
def test_mutual_matches_against_loops(m: int, n: int) -> None:
    rng = np.random.default_rng(m * 100 + n)
    a, b = unit(rng, m), unit(rng, n)
    expected = [(i, j) for i in range(m) for j in [nearest(a[i], b)] if nearest(b[j], a) == i]
    pairs, cosines = mutual_matches(a, b)
    assert pairs.tolist() == [list(pair) for pair in expected]
    assert pairs.dtype == np.int64 and cosines.dtype == np.float32
    np.testing.assert_allclose(cosines, [a[i] @ b[j] for i, j in expected], atol=1e-6)


def test_least_drops_weaker_pairs() -> None:
    rng = np.random.default_rng(5)
    a, b = unit(rng, 30), unit(rng, 30)
    pairs, cosines = mutual_matches(a, b)
    least = float(np.median(cosines))
    kept, strong = mutual_matches(a, b, least)
    assert kept.tolist() == pairs[cosines >= least].tolist()
    assert 0 < len(kept) < len(pairs) and strong.min() >= least


def test_rows_are_matched_at_most_once_though_all_are_equal() -> None:
    same = np.tile(unit(np.random.default_rng(0), 1), (9, 1))
    assert mutual_matches(same, same)[0].tolist() == [[0, 0]]


def test_identical_sets_match_row_by_row() -> None:
    rows = unit(np.random.default_rng(0), 20)
    pairs, cosines = mutual_matches(rows, rows)
    assert pairs.tolist() == [[i, i] for i in range(20)]
    np.testing.assert_allclose(cosines, 1, atol=1e-6)


def test_max_sim_and_heat_against_loops() -> None:
    rng = np.random.default_rng(3)
    a, b = unit(rng, 9), unit(rng, 14)
    forth = [max(float(x @ y) for y in b) for x in a]
    back = [max(float(x @ y) for x in a) for y in b]
    assert max_sim(a, b) == pytest.approx(sum(forth) / 9, abs=1e-6)
    assert max_sim(b, a) == pytest.approx(sum(back) / 14, abs=1e-6)
    assert max_sim(a, b, symmetric=True) == pytest.approx((sum(forth) / 9 + sum(back) / 14) / 2, abs=1e-6)
    assert max_sim(a, b, symmetric=True) == pytest.approx(max_sim(b, a, symmetric=True), abs=1e-6)
    np.testing.assert_allclose(heat(a, b), back, atol=1e-6)


def test_peaks_are_those_of_the_parabola() -> None:
    """One query patch over a 3 x 4 grid whose cosines are a paraboloid with its top at column 1.3, row 0.8."""
    columns, rows = np.meshgrid(np.arange(4), np.arange(3))
    cosines = (0.9 - 0.1 * (columns - 1.3) ** 2 - 0.2 * (rows - 0.8) ** 2).reshape(1, 12)
    grid = describe(np.ones((3, 4, 1)), 40, 30)
    best = int(cosines.argmax())
    assert best == 1 * 4 + 1
    found = peaks(cosines, np.array([[0, best]]), grid.neighbours)
    np.testing.assert_allclose(found, [[0.3, -0.2]], atol=1e-12)
    np.testing.assert_allclose(grid.between(np.array([best]), found), [[1.8 / 4, 1.3 / 4]], atol=1e-12)


def test_peaks_are_at_the_centre_where_a_neighbour_is_missing_or_all_are_alike() -> None:
    grid = describe(np.ones((3, 4, 1)), 40, 30)
    for cosines in (np.ones((1, 12)), np.arange(12.0)[None]):
        assert peaks(cosines, np.array([[0, 11]]), grid.neighbours).tolist() == [[0.0, 0.0]]
    assert peaks(np.empty((0, 12)), np.empty((0, 2), np.int64), grid.neighbours).shape == (0, 2)


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
def test_tokens_that_are_no_numbers_match_nothing_and_leave_the_others_alone(broken: float) -> None:
    rng = np.random.default_rng(2)
    a, b = unit(rng, 9), unit(rng, 14)
    clean = mutual_matches(a, np.delete(b, 4, axis=0))[0]
    b[4] = broken
    pairs, cosines = mutual_matches(a, b)
    assert pairs.tolist() == [[i, j + (j >= 4)] for i, j in clean.tolist()]
    assert heat(a, b)[4] == 0
    assert max_sim(b, a) == pytest.approx(max_sim(np.delete(b, 4, axis=0), a) * 13 / 14, abs=1e-6)
    np.testing.assert_allclose(heat(b, a), heat(np.delete(b, 4, axis=0), a), atol=1e-6)


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf, 3e38])
def test_descriptors_of_tokens_that_are_no_numbers_are_finite(broken: float) -> None:
    tokens = np.random.default_rng(1).normal(size=(3, 4, 5)).astype(np.float32)
    tokens[1, 2, 3] = broken
    described = describe(tokens, 40, 30).descriptors
    assert np.isfinite(described).all()
    np.testing.assert_allclose(np.linalg.norm(np.delete(described, 6, axis=0), axis=1), 1, atol=1e-6)


def test_empty_sets() -> None:
    none, some = np.empty((0, 8), np.float32), unit(np.random.default_rng(0), 4)
    for a, b in ((none, some), (some, none), (none, none)):
        pairs, cosines = mutual_matches(a, b)
        assert pairs.shape == (0, 2) and cosines.shape == (0,)
        assert max_sim(a, b, symmetric=True) == 0
        assert heat(a, b).tolist() == [0.0] * len(b)


def test_descriptors_are_unit_and_centred() -> None:
    tokens = np.random.default_rng(1).normal(size=(3, 4, 5)) + 7
    mean = tokens.mean(axis=(0, 1))
    described = describe(tokens, 40, 30, mean=mean).descriptors
    by_hand = (tokens[1, 2] - mean) / np.linalg.norm(tokens[1, 2] - mean)
    assert described.dtype == np.float32 and described.shape == (12, 5)
    np.testing.assert_allclose(described[1 * 4 + 2], by_hand, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(described, axis=1), 1, atol=1e-6)


def test_mean_of_each_place_leaves_nothing_of_a_constant_map() -> None:
    tokens = np.random.default_rng(1).normal(size=(3, 4, 5))
    assert not describe(tokens, 40, 30, mean=tokens).descriptors.any()


def test_squashed_places_are_those_of_the_undistorted_image() -> None:
    patches = describe(np.ones((2, 4, 1)), 200, 100)
    assert patches.sides == (1.0, 0.5)
    np.testing.assert_allclose(
        patches.points[:5], [[0.125, 0.125], [0.375, 0.125], [0.625, 0.125], [0.875, 0.125], [0.125, 0.375]]
    )
    np.testing.assert_allclose(patches.fractions[4], [0.125, 0.75])
    assert patches.extent == 0.25
    np.testing.assert_allclose(patches.outline, [[0, 0], [1, 0], [1, 0.5], [0, 0.5]])


def coloured_by_place(width: int, height: int) -> Image.Image:
    """Red over blue says x, green over blue says y."""
    x, y = np.meshgrid((np.arange(width) + 0.5) / width, (np.arange(height) + 0.5) / height)
    return Image.fromarray((np.stack([x, y, np.ones_like(x)], axis=-1) * 255).round().astype(np.uint8))


def assert_places_match_colours(picture: Image.Image, preprocessing: Preprocessing, turned: float = 0.0) -> None:
    width, height = picture.size
    shown = picture.rotate(-turned, Image.Resampling.BICUBIC, fillcolor=MEAN_COLOUR)  # Pillow turns counter-clockwise
    pixels = resize(shown, preprocessing, 16).astype(float)
    rows, columns = pixels.shape[0] // 16, pixels.shape[1] // 16
    cells = pixels.reshape(rows, 16, columns, 16, 3).mean(axis=(1, 3))
    patches = describe(cells, width, height, preprocessing, turned=turned)
    told = patches.descriptors[:, :2] / patches.descriptors[:, 2:]
    # Patches at the border mix with padding.
    pure = ((patches.points > patches.extent) & (patches.points < patches.sides - np.array(patches.extent))).all(axis=1)
    assert pure.sum() > len(pure) / 4
    np.testing.assert_allclose(patches.fractions[pure], told[pure], atol=0.015)
    assert (patches.fractions >= 0).all() and (patches.fractions <= 1).all()


@pytest.mark.parametrize("mode", ["squash", "fit", "crop"])
@pytest.mark.parametrize("size", [(300, 200), (160, 480), (250, 250)])
def test_places_are_where_the_resized_pixels_come_from(mode: ResizeMode, size: tuple[int, int]) -> None:
    assert_places_match_colours(coloured_by_place(*size), Preprocessing(mode, 240))


@pytest.mark.parametrize("turned", [-20.0, 30.0, 90.0])
def test_places_of_a_turned_view_are_those_on_the_picture_as_it_was(turned: float) -> None:
    assert_places_match_colours(coloured_by_place(300, 240), Preprocessing("squash", 240), turned)


def test_neighbours_are_those_of_the_grid() -> None:
    neighbours = describe(np.ones((3, 4, 1)), 40, 30).neighbours
    assert neighbours.dtype == np.int64 and neighbours.shape == (12, 4)
    for number, around in enumerate(neighbours.tolist()):
        row, column = divmod(number, 4)
        steps = ((0, -1), (0, 1), (-1, 0), (1, 0))
        places = [(row + down, column + right) for down, right in steps]
        assert around == [y * 4 + x if 0 <= y < 3 and 0 <= x < 4 else -1 for y, x in places]


def test_neighbours_lie_one_step_apart_where_patches_were_dropped() -> None:
    kept = describe(np.ones((20, 20, 1)), 10, 10, turned=30.0)
    assert len(kept.points) < 400
    for axis, (before, after) in enumerate(((0, 1), (2, 3))):
        inner = (kept.neighbours[:, [before, after]] >= 0).all(axis=1)
        step = kept.points[kept.neighbours[inner, after]] - kept.points[inner]
        angle = math.radians(-30 + 90 * axis)
        np.testing.assert_allclose(step, np.tile([math.cos(angle) / 20, math.sin(angle) / 20], (inner.sum(), 1)))


def drawn(image: np.ndarray, matrix: np.ndarray) -> tuple[Patches, Patches]:
    """A canvas of 200 x 100, and the image of 100 x 100 that a transform puts onto it."""
    canvas = describe(image, 200, 100)
    return canvas, canvas.on((1.0, 1.0), Transform(matrix, np.zeros(0, dtype=bool)))


def test_a_drawn_view_has_the_points_of_the_image_that_was_drawn() -> None:
    matrix = similarity_matrix(25, 0.4, (0.1, -0.3))
    tokens = np.random.default_rng(0).normal(size=(16, 16, 3))
    canvas, seen = drawn(tokens, matrix)
    on_canvas = seen.points @ matrix[:, :2].T + matrix[:, 2]
    rows = [int(np.linalg.norm(canvas.points - point, axis=1).argmin()) for point in on_canvas]
    np.testing.assert_allclose(canvas.points[rows], on_canvas, atol=1e-12)
    assert seen.descriptors.tolist() == canvas.descriptors[rows].tolist()
    inside = [
        bool((point >= 0).all() and (point <= 1).all())
        for point in (canvas.points - matrix[:, 2]) @ np.linalg.inv(matrix[:, :2]).T
    ]
    assert len(rows) == sum(inside) and 0 < len(rows) < 256
    assert seen.extent == pytest.approx(canvas.extent / 0.4)
    assert seen.sides == (1.0, 1.0)


def test_corners_of_a_turned_canvas_are_dropped() -> None:
    kept = describe(np.ones((20, 20, 1)), 10, 10, turned=45.0)
    share = len(kept.points) / 400
    assert share == pytest.approx(2 * (math.sqrt(2) - 1), abs=0.03)  # the octagon that a square and itself at 45 share


@pytest.mark.parametrize("tokens", [np.ones((3, 4)), np.ones((0, 4, 2))])
def test_other_shapes_are_refused(tokens: np.ndarray) -> None:
    with pytest.raises(ValueError, match="tokens"):
        describe(tokens, 10, 10)
