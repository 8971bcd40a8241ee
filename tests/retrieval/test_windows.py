"""Pooled windows against sums over tiny cells, written from the definition."""

from __future__ import annotations

import numpy as np
import pytest

from dinosearch.retrieval.windows import QUERY_SIDES, WINDOWS, pool_query, pool_windows


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def test_windows_lie_in_the_image_and_cover_it() -> None:
    assert WINDOWS.shape == (84, 4)
    assert (WINDOWS >= 0).all()
    assert (WINDOWS <= 1 + 1e-12).all()
    assert (WINDOWS[:, 2:] > WINDOWS[:, :2]).all()
    assert len(np.unique(WINDOWS.round(6), axis=0)) == 84
    for side in (1 / 2, 1 / 3, 1 / 4):
        mine = WINDOWS[np.isclose(WINDOWS[:, 2] - WINDOWS[:, 0], side)]
        for x, y in np.random.default_rng(0).random((200, 2)):
            assert ((mine[:, :2] <= (x, y)) & (mine[:, 2:] >= (x, y))).all(axis=1).any()


@pytest.mark.parametrize("grid", [(12, 12), (14, 14), (9, 16), (1, 3), (28, 28)])
def test_a_window_is_the_mean_over_its_area(grid: tuple[int, int]) -> None:
    """Oracle: tokens weighted by how many of many evenly spread points of the window lie in their cell."""
    rng = np.random.default_rng(1)
    tokens, centre = rng.normal(size=(*grid, 5)), rng.normal(size=(*grid, 5))
    rows = unit(tokens - centre)
    pooled = pool_windows(tokens.astype(np.float32), centre.astype(np.float32))
    assert pooled.dtype == np.float32
    steps = (np.arange(100_000) + 0.5) / 100_000
    for window, vector in zip(WINDOWS, pooled, strict=True):
        y = ((window[1] + steps * (window[3] - window[1])) * grid[0]).astype(int)
        x = ((window[0] + steps * (window[2] - window[0])) * grid[1]).astype(int)
        down, across = np.bincount(y, minlength=grid[0]), np.bincount(x, minlength=grid[1])
        np.testing.assert_allclose(vector, unit(np.einsum("y,x,yxd->d", down, across, rows)), atol=1e-3)


def test_a_query_is_the_mean_of_its_patches_at_every_size() -> None:
    rng = np.random.default_rng(2)
    maps = [rng.normal(size=(side // 16, side // 16, 5)) for side in QUERY_SIDES[0]]
    centre = rng.normal(size=(28, 28, 5))
    expected = sum(unit(unit((m - centre.mean(axis=(0, 1))).reshape(-1, 5)).mean(axis=0)) for m in maps)
    np.testing.assert_allclose(pool_query(maps, centre)[0], unit(expected), atol=1e-6)
    assert pool_query(maps, None).shape == (1, 5)


def test_the_window_that_shows_the_query_is_nearest() -> None:
    rng = np.random.default_rng(3)
    tokens = rng.normal(size=(12, 12, 16))
    tokens[3:6, 6:9] = query = rng.normal(size=(3, 3, 16))
    scores = pool_windows(tokens, None) @ pool_query([query], None)[0]
    np.testing.assert_allclose(WINDOWS[scores.argmax()], [1 / 2, 1 / 4, 3 / 4, 1 / 2])
    assert scores.max() == pytest.approx(1, abs=1e-6)


def test_tokens_of_zeros_give_zeros_and_no_nan() -> None:
    assert not pool_windows(np.zeros((4, 4, 3)), None).any()
    assert not pool_query([np.zeros((4, 4, 3))], None).any()
