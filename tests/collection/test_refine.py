"""`Collection.refine` against PCA and augmentation worked out by numpy over the collection's own vectors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dinosearch import Collection
from dinosearch.errors import SettingError
from tests.conftest import FakeEmbedder, write_photo


@pytest.fixture
def collection(tmp_path: Path, fake_embedder: FakeEmbedder) -> Collection:
    for seed in range(40):
        write_photo(tmp_path / "photos" / f"{seed:02d}.png", seed)
    collection = Collection.open(tmp_path / "home", create=True, embedder=fake_embedder)
    collection.index(tmp_path / "photos")
    return collection


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def principal(rows: np.ndarray, dimensions: int, power: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Mean and matrix by a singular value decomposition; the sign of a column does not change a cosine."""
    mean = rows.astype(np.float64).mean(axis=0)
    _, singular, axes = np.linalg.svd(rows - mean, full_matrices=False)
    return mean, axes[:dimensions].T * (singular[:dimensions] ** 2 / len(rows)) ** -power


@pytest.mark.parametrize("power", [0.0, 0.25, 0.5])
def test_queries_are_answered_in_the_principal_basis(collection: Collection, tmp_path: Path, power: float) -> None:
    ids, own = collection.vectors()
    collection.refine(dimensions=4, power=power)
    mean, matrix = principal(own, 4, power)
    asked = collection.embed(*[write_photo(tmp_path / f"q{i}.png", 100 + i) for i in range(3)])
    queries = (asked - mean) @ matrix
    found, scores = collection.rank(asked, k=40)
    cosines = unit(queries) @ unit((own - mean) @ matrix).T
    np.testing.assert_allclose(scores, np.sort(cosines, axis=1)[:, ::-1], atol=2e-4)
    assert [set(row.tolist()) for row in found] == [set(ids.tolist())] * 3
    assert found[0, 0] == ids[cosines[0].argmax()]
    np.testing.assert_array_equal(collection.vectors()[1], own)  # the model's own are kept
    (derived,) = collection.info().derived
    assert (derived.kind, derived.rows, derived.recipe["dimensions"], derived.recipe["power"]) == (
        "refined",
        40,
        4,
        power,
    )


def test_images_indexed_later_are_found_in_the_same_basis(collection: Collection, tmp_path: Path) -> None:
    _, own = collection.vectors()
    collection.refine(dimensions=4)
    mean, matrix = principal(own, 4)
    late = write_photo(tmp_path / "photos" / "late.png", 77)
    collection.index(tmp_path / "photos")
    query = collection.embed(write_photo(tmp_path / "q.png", 101))
    hits = {hit.path: hit.score for hit in collection.query(tmp_path / "q.png", k=50)}
    projected = unit((np.concatenate([query, collection.embed(late)]) - mean) @ matrix)
    assert len(hits) == 41
    assert hits[str(late)] == pytest.approx(float(projected[0] @ projected[1]), abs=2e-4)


def test_augmented_rows_are_means_of_their_neighbours(collection: Collection) -> None:
    ids, own = collection.vectors()
    collection.refine(augment=3)
    cosines = own.astype(np.float64) @ own.T
    stored = []
    for i in range(len(own)):
        near = [j for j in np.argsort(-cosines[i], kind="stable") if j != i][:3]
        weights = [max(cosines[i, j], 0) ** 3 for j in near]
        stored.append(own[i] + sum(w * own[j] for w, j in zip(weights, near, strict=True)))
    expected = unit(np.array(stored))
    found, scores = collection.rank(own[:5], k=40)
    np.testing.assert_allclose(scores, np.sort(own[:5] @ expected.T, axis=1)[:, ::-1], atol=1e-5)
    assert collection.info().derived[0].recipe["augment"] == 3


def test_off_goes_back_to_the_models_own_vectors(collection: Collection, tmp_path: Path) -> None:
    photo = write_photo(tmp_path / "q.png", 101)
    before = collection.query(photo, k=40)
    files = sorted(path.name for path in collection.home.iterdir())
    collection.refine(dimensions=3, augment=2)
    assert collection.query(photo, k=40) != before
    collection.unrefine()
    assert collection.query(photo, k=40) == before
    assert sorted(path.name for path in collection.home.iterdir()) == files
    assert collection.info().derived == ()


def test_it_survives_removal_compaction_and_reopening(
    collection: Collection, tmp_path: Path, fake_embedder: FakeEmbedder
) -> None:
    collection.refine(dimensions=4)
    collection.remove(tmp_path / "photos" / "00.png")
    hits = collection.query(tmp_path / "photos" / "05.png", k=50)
    collection.compact()
    assert collection.query(tmp_path / "photos" / "05.png", k=50) == hits
    with Collection.open(collection.home, embedder=fake_embedder) as again:
        assert again.query(tmp_path / "photos" / "05.png", k=50) == hits
        assert again.info().derived[0].rows == 39
        assert again.verify().ok


def test_too_little_to_learn_from_or_nothing_to_do_is_said(collection: Collection) -> None:
    with pytest.raises(SettingError, match="needs at least 50 vectors and there are 40"):
        collection.refine(dimensions=5)
    with pytest.raises(SettingError, match="nothing to refine by"):
        collection.refine()
    assert collection.info().derived == ()
