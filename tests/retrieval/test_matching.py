"""Patch descriptors, their places, and matching against loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
from PIL import Image

from dinosearch.images.resize import MEAN_COLOUR, resize
from dinosearch.records import Preprocessing, ResizeMode
from dinosearch.retrieval.matching import heat, max_sim, mutual_matches
from dinosearch.retrieval.patches import describe


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


def test_corners_of_a_turned_canvas_are_dropped() -> None:
    kept = describe(np.ones((20, 20, 1)), 10, 10, turned=45.0)
    share = len(kept.points) / 400
    assert share == pytest.approx(2 * (math.sqrt(2) - 1), abs=0.03)  # the octagon that a square and itself at 45 share


@pytest.mark.parametrize("tokens", [np.ones((3, 4)), np.ones((0, 4, 2))])
def test_other_shapes_are_refused(tokens: np.ndarray) -> None:
    with pytest.raises(ValueError, match="tokens"):
        describe(tokens, 10, 10)
