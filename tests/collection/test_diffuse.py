"""`Collection.diffuse` and the stage `diffusion` against dense linear algebra over the collection's own vectors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dinosearch import Collection
from dinosearch.errors import SettingError
from tests.conftest import FakeEmbedder, write_photo


@pytest.fixture
def collection(tmp_path: Path, fake_embedder: FakeEmbedder) -> Collection:
    for seed in range(30):
        write_photo(tmp_path / "photos" / f"{seed:02d}.png", seed)
    collection = Collection.open(tmp_path / "home", create=True, embedder=fake_embedder)
    collection.index(tmp_path / "photos")
    return collection


def dense(vectors: np.ndarray, query: np.ndarray, edges: int) -> np.ndarray:
    """Scores of all rows: (I - .99 S)^-1 applied to the cubed cosines of the query's ten nearest rows."""
    cosines = vectors.astype(np.float64) @ vectors.T
    near = np.argsort(-cosines, axis=1, kind="stable")[:, :edges]
    linked = np.zeros_like(cosines, bool)
    for i, row in enumerate(near):
        linked[i, row[row != i]] = True
    graph = np.where(linked & linked.T, np.maximum(cosines, 0) ** 3, 0.0)
    scale = np.array([1 / np.sqrt(d) if d > 0 else 0.0 for d in graph.sum(axis=1)])
    inverse = np.linalg.inv(np.eye(len(vectors)) - 0.99 * scale[:, None] * graph * scale)
    asked = vectors.astype(np.float64) @ query
    start = np.argsort(-asked, kind="stable")[:10]
    return sum(max(asked[t], 0) ** 3 * inverse[t] for t in start)


def test_the_ranking_is_that_of_the_diffused_scores(collection: Collection, tmp_path: Path) -> None:
    ids, vectors = collection.vectors()
    collection.diffuse(edges=5)
    for seed in (100, 101, 102):
        query = collection.embed(write_photo(tmp_path / f"q{seed}.png", seed))[0]
        expected = dense(vectors, query, 5)
        found, cosines = collection.rank(query, k=30, rerank="diffusion")
        order = [int(np.flatnonzero(ids == i)[0]) for i in found[0]]
        assert sorted(order) == list(range(30))
        got = expected[order]
        assert (got[:-1] >= got[1:] - 0.02 * expected.max()).all()  # the solver stops after 20 steps, so nearly
        np.testing.assert_allclose(cosines[0], vectors[order] @ query, atol=1e-6)
        assert order[0] == int(expected.argmax())


def test_filters_removed_and_later_images(collection: Collection, tmp_path: Path) -> None:
    collection.diffuse(edges=5)
    photo = write_photo(tmp_path / "q.png", 100)
    collection.remove(tmp_path / "photos" / "03.png")
    write_photo(tmp_path / "photos" / "late.png", 77)
    (tmp_path / "photos" / "03.png").unlink()
    collection.index(tmp_path / "photos")
    paths = [Path(hit.path).name for hit in collection.query(photo, k=50, rerank="diffusion")]
    assert sorted(paths) == sorted([*(f"{i:02d}.png" for i in range(30) if i != 3), "late.png"])
    some = collection.query(photo, k=50, rerank="diffusion", where="id <= 10")
    assert {hit.id for hit in some} == {i for i in range(1, 11) if i != 4}
    collection.compact()
    assert [Path(hit.path).name for hit in collection.query(photo, k=50, rerank="diffusion")] == paths
    assert collection.verify().ok


def test_it_must_be_prepared_over_the_present_vectors(collection: Collection, tmp_path: Path) -> None:
    photo = write_photo(tmp_path / "q.png", 100)
    with pytest.raises(SettingError, match="dinosearch refine --diffuse"):
        collection.query(photo, rerank="diffusion")
    collection.diffuse()
    collection.query(photo, rerank="diffusion")
    collection.refine(dimensions=3)
    with pytest.raises(SettingError, match="dinosearch refine --diffuse"):
        collection.query(photo, rerank="diffusion")


def test_damage_is_found_and_mended(collection: Collection, tmp_path: Path) -> None:
    collection.diffuse()
    photo = write_photo(tmp_path / "q.png", 100)
    before = collection.query(photo, rerank="diffusion")
    next(collection.home.glob("diffusion-*-values.bin")).write_bytes(b"")
    assert [problem.path for problem in collection.verify().problems] == ["diffusion"]
    assert collection.verify(repair=True).ok
    assert collection.query(photo, rerank="diffusion") == before
