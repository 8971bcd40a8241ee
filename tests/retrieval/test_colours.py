"""Shared colours of patch tokens against an independent principal component analysis."""

from __future__ import annotations

import numpy as np

from dinosearch.retrieval import shared_colours


def test_colours_rank_patches_as_the_components_do() -> None:
    rng = np.random.default_rng(0)
    first, second = (
        rng.normal(size=(4, 5, 16)) * np.arange(16, 0, -1),
        rng.normal(size=(3, 6, 16)) * np.arange(16, 0, -1),
    )
    rows = np.concatenate([first.reshape(-1, 16), second.reshape(-1, 16)])
    covariance = np.cov(rows.T)
    values, vectors = np.linalg.eigh(covariance)
    found = np.concatenate([colours.reshape(-1, 3) for colours in shared_colours(first, second)]).astype(float)
    for channel, axis in enumerate(vectors[:, np.argsort(-values)[:3]].T):
        inner = np.abs(found[:, channel] - 127.5) < 120  # beyond the percentiles colours are cut off
        correlation = np.corrcoef(found[inner, channel], (rows @ axis)[inner])[0, 1]
        assert abs(correlation) > 0.999


def test_equal_tokens_have_equal_colours_in_both_images() -> None:
    tokens = np.random.default_rng(1).normal(size=(5, 5, 8))
    first, second = shared_colours(tokens, tokens[::-1])
    assert np.array_equal(first, second[::-1])
    assert first.dtype == np.uint8
    assert first.max() == 255


def test_tokens_without_spread_are_grey() -> None:
    first, second = shared_colours(np.ones((2, 2, 8)), np.ones((1, 3, 8)))
    assert np.unique(np.concatenate([first.ravel(), second.ravel()])).tolist() == [128]


def test_two_patches_are_enough() -> None:
    first, second = shared_colours(np.zeros((1, 1, 4)), np.ones((1, 1, 4)))
    assert first.shape == second.shape == (1, 1, 3)
    assert not np.array_equal(first, second)
