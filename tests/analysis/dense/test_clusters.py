"""k-means against planted clusters and scikit-learn's; the elbow; log-binned descriptors against loops."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

from dinosearch.analysis.dense.binning import log_binned
from dinosearch.analysis.dense.clusters import find_clusters, find_elbow
from tests.analysis.dense.planted import directions


def rows(sizes: list[int], noise: float = 0.1, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Rows around as many directions, shuffled, and which one each belongs to."""
    random = np.random.default_rng(seed)
    labels = random.permutation(np.repeat(np.arange(len(sizes)), sizes))
    look = directions(len(sizes), seed)
    found = look[labels] + random.normal(0, noise, (len(labels), look.shape[1]))
    return found.astype(np.float32), labels


def test_planted_clusters_are_found_the_largest_first() -> None:
    found, labels = rows([30, 90, 10, 60])
    clusters = find_clusters(found, 4)
    mine = clusters.labels(found)
    assert adjusted_rand_score(labels, mine) == 1
    assert np.bincount(mine).tolist() == [90, 60, 30, 10]
    for number in range(4):
        np.testing.assert_allclose(clusters.centres[number], found[mine == number].mean(axis=0), atol=1e-5)
    spread = ((found - clusters.centres[mine]) ** 2).sum(axis=1).mean()
    assert clusters.spread == pytest.approx(spread, rel=1e-4)


@pytest.mark.parametrize("count", [1, 3, 8])
def test_clusters_are_as_good_as_those_of_scikit_learn(count: int) -> None:
    found = np.random.default_rng(5).normal(size=(400, 6)).astype(np.float32)
    theirs = KMeans(count, n_init=10, random_state=0).fit(found)
    assert find_clusters(found, count).spread <= theirs.inertia_ / len(found) * 1.02


def test_the_same_seed_gives_the_same_clusters() -> None:
    found = np.random.default_rng(6).normal(size=(300, 12)).astype(np.float32)
    one, again, other = (find_clusters(found, 9, seed) for seed in (4, 4, 5))
    assert (one.centres == again.centres).all()
    assert one.centres.shape != other.centres.shape or (one.centres != other.centres).any()


def test_there_are_no_more_clusters_than_different_rows() -> None:
    found = np.repeat(directions(3), 5, axis=0)
    clusters = find_clusters(found, 10)
    assert len(clusters.centres) == 3
    assert clusters.spread == pytest.approx(0, abs=1e-6)
    assert len(find_elbow(found[:5]).centres) == 1


@pytest.mark.parametrize("planted", [4, 6, 9])
def test_the_elbow_is_where_one_more_brings_little(planted: int) -> None:
    found, labels = rows([60] * planted, noise=0.02)
    clusters = find_elbow(found)
    # The first one that brings less than it must is taken, as by Amir et al.: one planted cluster is halved.
    assert len(clusters.centres) == planted + 1
    halves = clusters.labels(found)
    assert all(len(np.unique(labels[halves == number])) == 1 for number in range(planted + 1))
    assert len(find_elbow(found, elbow=0.01).centres) <= 3


def binned_by_loops(grid: np.ndarray, levels: int) -> np.ndarray:
    height, width, dimension = grid.shape
    out = np.zeros((height, width, (1 + 8 * levels) * dimension))
    for y in range(height):
        for x in range(width):
            parts = []
            for level in range(levels):
                side = 3**level
                for i in (y - side, y, y + side):
                    for j in (x - side, x, x + side):
                        if level and (i, j) == (y, x):
                            continue
                        top, left = min(max(i, 0), height - 1), min(max(j, 0), width - 1)
                        reach = side // 2
                        window = [
                            grid[a, b]
                            for a in range(top - reach, top + reach + 1)
                            for b in range(left - reach, left + reach + 1)
                            if 0 <= a < height and 0 <= b < width
                        ]
                        parts.append(np.mean(window, axis=0))
            out[y, x] = np.concatenate(parts)
    return out


@pytest.mark.parametrize("shape", [(7, 9, 3), (1, 4, 2), (2, 2, 1), (12, 5, 2)])
@pytest.mark.parametrize("levels", [1, 2, 3])
def test_log_binned_descriptors_are_those_of_loops(shape: tuple[int, int, int], levels: int) -> None:
    grid = np.random.default_rng(2).normal(size=shape).astype(np.float32)
    found = log_binned(grid, levels)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, binned_by_loops(grid, levels), atol=1e-5)
