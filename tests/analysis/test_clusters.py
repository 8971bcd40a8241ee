"""Clusters: constructed groups are recovered, k-means is as good as the library's own, HDBSCAN tells noise apart."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score, silhouette_score

from dinosearch import Collection
from dinosearch.analysis import cluster
from dinosearch.analysis.layout import clusters, density, kmeans
from dinosearch.errors import SettingError
from tests.analysis.vector_home import vector_home

DIMENSION, EACH = 32, (40, 30, 20, 10)


def blobs(seed: int = 0, noise: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors of groups with a spread that leaves them apart, their groups by size, and -1 for noise, shuffled."""
    rng = np.random.default_rng(seed)
    directions = np.linalg.qr(rng.normal(size=(DIMENSION, DIMENSION)))[0]
    # Groups are nearer to each other than noise is to any: HDBSCAN takes what lies between two groups for theirs.
    centres = (directions[: len(EACH)] + directions[4]) / 2**0.5
    rows = [centres[i] + rng.normal(0, 0.03, (count, DIMENSION)) for i, count in enumerate(EACH)]
    labels = np.repeat(np.arange(len(EACH)), EACH)
    if noise:
        rows.append(directions[5 : 5 + noise])
        labels = np.concatenate([labels, np.full(noise, -1)])
    order = rng.permutation(len(labels))
    vectors = np.concatenate(rows)[order]
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), labels[order]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> tuple[Collection, np.ndarray, np.ndarray]:
    vectors, labels = blobs(noise=8)
    return vector_home(tmp_path_factory.mktemp("clusters") / "home", vectors), vectors, labels


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> tuple[Collection, np.ndarray, np.ndarray]:
    vectors, labels = blobs()
    return vector_home(tmp_path_factory.mktemp("clusters") / "home", vectors), vectors, labels


@pytest.mark.parametrize("count", [None, len(EACH)])
@pytest.mark.parametrize("sampled", [False, True])
def test_groups_are_recovered(
    sound: tuple[Collection, np.ndarray, np.ndarray], count: int | None, sampled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    collection, vectors, labels = sound
    if sampled:
        monkeypatch.setattr(clusters, "SAMPLE", 60)
        monkeypatch.setattr(clusters, "POINTS", 15)
    found = cluster(collection, count)
    assert found.learned_from == (60 if sampled else 100)
    assert [group.size for group in found.clusters] == list(EACH)
    np.testing.assert_array_equal(found.of - 1, labels)
    for number, group in enumerate(found.clusters):
        centre = vectors[labels == number].astype(np.float64).mean(axis=0)
        cosines = vectors @ (centre / np.linalg.norm(centre))
        assert group.cohesion == pytest.approx(cosines[labels == number].mean(), abs=1e-5)
        np.testing.assert_allclose(found.cosines[labels == number], cosines[labels == number], atol=1e-5)
        central = found.central(number + 1, 3)
        assert set(labels[central]) == {number}
        assert cosines[central].min() >= np.sort(cosines[labels == number])[-3] - 1e-5


def test_inertia_is_that_of_the_library(tmp_path: Path) -> None:
    """On vectors without groups, where k-means has many bad ends, at most a hundredth worse than its best of 20."""
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(300, 8))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    found = cluster(vector_home(tmp_path / "home", vectors), 12)
    centres = np.stack([vectors[found.of == number + 1].mean(axis=0) for number in range(12)])
    inertia = ((vectors - centres[found.of - 1]) ** 2).sum()
    assert inertia < 1.02 * KMeans(12, n_init=20, random_state=5).fit(vectors).inertia_
    np.testing.assert_array_equal(found.of, cluster(vector_home(tmp_path / "again", vectors), 12).of)


def test_silhouette_is_the_published_one() -> None:
    vectors, labels = blobs(noise=5)
    labels = labels + 1
    distances = np.maximum(1 - vectors @ vectors.T, 0)
    np.fill_diagonal(distances, 0)
    wanted = silhouette_score(distances, labels, metric="precomputed")
    assert kmeans.silhouette(distances, labels) == pytest.approx(wanted, abs=1e-5)


@pytest.mark.parametrize("sampled", [False, True])
def test_hdbscan_tells_noise_apart(
    home: tuple[Collection, np.ndarray, np.ndarray], sampled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    collection, _, labels = home
    if sampled:
        monkeypatch.setattr(clusters, "MOST", 80)
    found = cluster(collection, method="hdbscan", min_size=5)
    assert found.learned_from == (80 if sampled else 108)
    assert (found.of[labels == -1] == 0).all()
    kept = (labels >= 0) & (found.of > 0)
    assert kept.sum() > 0.9 * (labels >= 0).sum()
    assert adjusted_rand_score(labels[kept], found.of[kept]) == 1
    assert found.noise == (found.of == 0).sum() and (found.cosines[found.of == 0] == 0).all()


def test_assigned_where_the_sample_is_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was learned from goes back to its own label, whatever the principal components left out."""
    vectors, _ = blobs(noise=8)
    monkeypatch.setattr(density, "COMPONENTS", 16)
    found = density.Dense(vectors, 5)
    np.testing.assert_array_equal(found.assigned(vectors), found.labels)
    assert found.labels.max() >= 3


@pytest.mark.parametrize("method", ["kmeans", "hdbscan"])
@pytest.mark.parametrize("count", [1, 2, 4])
def test_few_and_equal_images(tmp_path: Path, method: str, count: int) -> None:
    collection = vector_home(tmp_path / "home", np.ones((count, 4)))
    found = cluster(collection, method=method, min_size=2)
    assert len(found.of) == count and found.of.max(initial=0) <= 1
    if method == "kmeans":
        assert [(group.size, round(group.cohesion, 5)) for group in cluster(collection, 3).clusters] == [(count, 1.0)]
    assert cluster(collection, method=method, where="id = 0").clusters == ()


def test_without_the_library_one_sentence(
    sound: tuple[Collection, np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.cluster", None)
    for method in ("kmeans", "hdbscan"):
        with pytest.raises(SettingError, match=r'pip install "dinosearch\[analysis\]"'):
            cluster(sound[0], method=method)
