"""A collection's pooling through the front door, with the bundled model: what it stores, remembers and refuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dinosearch import Collection
from dinosearch.embedding import open_embedder
from dinosearch.errors import DinosearchError, FingerprintMismatchError, SettingError
from dinosearch.records import POOLINGS
from tests.conftest import write_photo

SIDE = 224


def opened(home: Path, pooling: str | None = None, *, create: bool = False) -> Collection:
    return Collection.open(home, create=create, model="mini", device="cpu", pooling=pooling)


@pytest.fixture
def two_photos(tmp_path: Path) -> Path:
    # of the size that the model sees, so that nothing is resized and the pixels are known
    for i in range(2):
        write_photo(tmp_path / "two" / f"{i}.png", seed=i, size=(SIDE, SIDE))
    return tmp_path / "two"


def by_hand(pooling: str, photo: Path) -> np.ndarray:
    """The unit vector from the model's tokens of the photo, in float64."""
    pixels = np.asarray(Image.open(photo).convert("RGB"))
    (tokens,) = open_embedder("mini", device="cpu").tokens([pixels])
    cls = tokens.cls.astype(np.float64)
    patches = tokens.patches.reshape(-1, len(cls)).astype(np.float64)
    parts = {
        "cls": cls,
        "mean": patches.mean(axis=0),
        "gem": np.cbrt((np.maximum(patches, 1e-6) ** 3).mean(axis=0)),
    }
    vector = np.concatenate([parts[part] for part in pooling.split("+")])
    return np.asarray(vector / np.linalg.norm(vector))


@pytest.mark.parametrize("pooling", POOLINGS)
def test_stored_vectors_are_pooled_from_the_tokens(tmp_path: Path, two_photos: Path, pooling: str) -> None:
    with opened(tmp_path / "home", pooling, create=True) as collection:
        collection.index(two_photos)
        ids, vectors = collection.vectors()
        assert vectors.shape == (2, collection.embedder.fingerprint.dimension)
        for file in collection.files():
            expected = by_hand(pooling, Path(file["path"]))
            assert len(expected) == vectors.shape[1]
            np.testing.assert_allclose(vectors[ids.tolist().index(file["id"])], expected, atol=5e-6)
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
        fingerprint = collection.info().fingerprint
        assert (fingerprint.pooling, fingerprint.dimension) == (pooling, vectors.shape[1])


def test_a_collection_remembers_its_pooling(tmp_path: Path, two_photos: Path) -> None:
    with opened(tmp_path / "home", "cls+gem", create=True) as collection:
        collection.index(two_photos)
        wanted = collection.embed(two_photos / "0.png")
    for pooling in (None, "cls+gem"):
        with opened(tmp_path / "home", pooling) as again:
            np.testing.assert_allclose(again.embed(two_photos / "0.png"), wanted, atol=1e-6)
            best = again.query(two_photos / "1.png", k=1, include_self=True)[0]
            assert (Path(best.path).name, best.score) == ("1.png", pytest.approx(1, abs=1e-5))
            write_photo(two_photos / "2.png", seed=2, size=(SIDE, SIDE))
            again.index(two_photos)
            assert again.embedder.fingerprint.pooling == "cls+gem"
            np.testing.assert_allclose(again.embed("id:3")[0], by_hand("cls+gem", two_photos / "2.png"), atol=5e-6)


def test_the_default_is_the_class_token(tmp_path: Path, two_photos: Path) -> None:
    with opened(tmp_path / "home", create=True) as collection:
        collection.index(two_photos)
        np.testing.assert_allclose(collection.vectors([1])[1][0], by_hand("cls", two_photos / "0.png"), atol=5e-6)


@pytest.mark.parametrize("other", ["gem", "cls+mean"])
def test_another_pooling_is_refused_with_the_way_out(tmp_path: Path, two_photos: Path, other: str) -> None:
    with opened(tmp_path / "home", "mean", create=True) as collection:
        collection.index(two_photos)
    with pytest.raises(FingerprintMismatchError) as refused:
        opened(tmp_path / "home", other).query(two_photos / "0.png")
    sentence = str(refused.value)
    assert "mini squash-224 mean, not with" in sentence
    assert f"dinosearch index FOLDER --home OTHER --model mini --preprocessing squash-224 --pooling {other}" in sentence
    assert ". " not in sentence
    assert "\n" not in sentence
    with opened(tmp_path / "home") as again:
        assert len(again.query(two_photos / "0.png", include_self=True)) == 2


def test_an_unknown_pooling_is_refused_and_nothing_is_begun(tmp_path: Path, two_photos: Path) -> None:
    with opened(tmp_path / "home", "max", create=True) as collection:
        with pytest.raises(SettingError, match="'max' is not one of cls, mean, gem"):
            collection.index(two_photos)
        assert list(collection.files()) == []
    with opened(tmp_path / "home", "gem") as collection:
        assert collection.index(two_photos).added == 2


def test_an_unknown_pooling_of_a_collection_with_vectors_is_called_unknown(tmp_path: Path, two_photos: Path) -> None:
    with opened(tmp_path / "home", "mean", create=True) as collection:
        collection.index(two_photos)
    with pytest.raises(DinosearchError) as refused:
        opened(tmp_path / "home", "max").query(two_photos / "0.png")
    assert "is not one of cls, mean, gem" in str(refused.value)
