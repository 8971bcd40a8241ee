"""The map of a collection: what is alike lies together, whether a landmark or placed between them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dinosearch import Collection
from dinosearch.analysis import project
from dinosearch.analysis.layout import projection
from tests.conftest import FakeEmbedder

GROUPS, EACH = 4, 25


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    folder = tmp_path_factory.mktemp("map")
    rng = np.random.default_rng(0)
    for group in range(GROUPS):
        base = rng.integers(0, 256, (4, 4, 3))
        for number in range(EACH):
            pixels = np.clip(base + rng.integers(-12, 13, base.shape), 0, 255).astype(np.uint8)
            (folder / "photos" / str(group)).mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).resize((32, 32), 0).save(folder / "photos" / str(group) / f"{number}.png")
    collection = Collection.open(folder / "home", create=True, embedder=FakeEmbedder())
    collection.index(folder / "photos")
    return collection


def alike(collection: Collection, ids: np.ndarray, xy: np.ndarray) -> float:
    """Of the images, how many have an image of their own group nearest on the map."""
    group = {file["id"]: Path(file["path"]).parent.name for file in collection.files()}
    distance = np.linalg.norm(xy[:, None].astype(np.float64) - xy[None], axis=2)
    np.fill_diagonal(distance, np.inf)
    nearest: Sequence[int] = distance.argmin(axis=1).tolist()
    return float(np.mean([group[int(ids[i])] == group[int(ids[j])] for i, j in enumerate(nearest)]))


@pytest.mark.parametrize("landmarks", [2000, 40])
def test_what_is_alike_lies_together(collection: Collection, landmarks: int, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("openTSNE")
    monkeypatch.setattr(projection, "LANDMARKS", landmarks)
    found = project(collection)
    assert found.method == "t-SNE"
    np.testing.assert_array_equal(found.ids, collection.ids())
    assert found.xy.shape == (GROUPS * EACH, 2) and found.xy.dtype == np.float32
    assert found.xy.min() >= 0 and found.xy.max() <= 1 and np.ptp(found.xy, axis=0).max() == pytest.approx(1)
    assert alike(collection, found.ids, found.xy) > 0.95
    np.testing.assert_array_equal(project(collection).xy, found.xy)


def test_without_the_library_it_is_the_principal_components(
    collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "openTSNE", None)
    found = project(collection)
    assert found.method == "PCA"
    vectors = collection.vectors(found.ids)[1]
    centred = vectors - vectors.mean(axis=0)
    wanted = np.linalg.svd(centred, full_matrices=False)[0][:, :2]
    for axis in range(2):
        assert abs(np.corrcoef(found.xy[:, axis], wanted[:, axis])[0, 1]) > 0.999


@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_images(collection: Collection, tmp_path: Path, count: int) -> None:
    with Collection.open(tmp_path / "home", create=True, embedder=FakeEmbedder()) as small:
        paths = sorted(file["path"] for file in collection.files())[:count]
        small.index(*paths, tmp_path)
        found = project(small)
        assert found.xy.tolist() == [[], [[0.5, 0.5]], [[0, 0.5], [1, 0.5]]][count]


def test_it_says_how_far_it_is_and_draws_the_same(collection: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("openTSNE")
    monkeypatch.setattr(projection, "LANDMARKS", 40)
    said: list[tuple[str, int, int | None]] = []
    found = project(collection, lambda *state: said.append(state))
    np.testing.assert_array_equal(found.xy, project(collection).xy)
    rounds = [(done, total) for stage, done, total in said if stage == "landmarks"]
    assert rounds == [(done, 750) for done in range(0, 751, 25)]
    assert said[len(rounds) :] == [("map", 0, GROUPS * EACH), ("map", GROUPS * EACH, GROUPS * EACH)]
    with pytest.raises(KeyboardInterrupt):  # and can be stopped meanwhile
        project(collection, lambda stage, done, _: stop() if done == 50 else None)


def stop() -> None:
    raise KeyboardInterrupt
