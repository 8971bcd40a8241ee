"""The contract of `contract.py` for refined vectors: PCA and augmentation as numpy works them out over the rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dinosearch import Collection
from dinosearch.errors import DamagedHomeError
from tests.collection.test_migrate import OtherEmbedder
from tests.collection.test_refine import principal, unit
from tests.conftest import FakeEmbedder, write_photo
from tests.engines.contract import Where


def assert_in_basis(collection: Collection, learned: np.ndarray, asked: np.ndarray) -> None:
    """What is answered are the cosines in the principal basis of the rows that it was learned on, of every image."""
    ids, own = collection.vectors()
    mean, matrix = principal(learned, 4)
    cosines = unit((asked - mean) @ matrix) @ unit((own - mean) @ matrix).T
    for exact in (False, True):
        found, scores = collection.rank(asked, len(ids), exact=exact)
        np.testing.assert_allclose(scores, np.sort(cosines, axis=1)[:, ::-1], atol=2e-4)
        assert [sorted(row) for row in found.tolist()] == [ids.tolist()] * len(asked)


def test_refined_vectors_are_searched_and_kept_up(where: Where, tmp_path: Path) -> None:
    """Learned, added to, removed from, mended, taken along to another model, augmented and switched off."""
    photos, first = tmp_path / "photos", FakeEmbedder()
    for seed in range(40):
        write_photo(photos / f"{seed:02}.png", seed)
    with where.open(create=True, embedder=first) as collection:
        collection.index(photos)
        asked = collection.embed(*[write_photo(tmp_path / f"q{n}.png", 100 + n) for n in range(2)])
        before, learned = collection.rank(asked, 40), collection.vectors()[1]
        assert collection.refine(dimensions=4).rows == 40
        assert_in_basis(collection, learned, asked)

        write_photo(photos / "new.png", 77)
        (photos / "03.png").unlink()
        assert collection.index(photos).embedded == 1
        assert_in_basis(collection, learned, asked)
        assert collection.verify().ok
        if where.kind == "milvus-server":
            return  # a minute for what milvus-lite tells in five seconds
        if not where.is_local:
            with pytest.raises(DamagedHomeError, match="id:4000 has no sound vector"):
                collection._opened.search("refined").vectors(np.array([5, 4000]))
            collection._opened.search("refined").delete(np.array([5]))
            assert [problem.path for problem in collection.verify().problems] == ["id:5"]
            assert collection.verify(repair=True).ok
        collection.compact()
        assert_in_basis(collection, learned, asked)
        (derived,) = collection.info().derived
        assert (derived.kind, derived.rows, derived.recipe["dimensions"]) == ("refined", 40, 4)

        assert collection.migrate(embedder=OtherEmbedder()).made == ("refined",)
        anew = collection.embed(tmp_path / "q0.png")
        assert_in_basis(collection, collection.vectors()[1], anew)
        assert collection.migrate_back(embedder=first).made == ()
        assert_in_basis(collection, learned, asked)
        collection.unrefine()
        collection.forget_kept()
        ids, own = collection.vectors()
        found, scores = collection.rank(asked, 40)
        np.testing.assert_allclose(scores, np.sort(asked @ own.T, axis=1)[:, ::-1], atol=1e-5)
        assert collection.info().derived == () and len(collection._opened.store.generations()) == 1
        assert not np.array_equal(found, before[0])


def test_augmented_vectors_are_means_of_their_neighbours(where: Where, tmp_path: Path) -> None:
    if where.kind == "milvus-server":
        pytest.skip("milvus-lite tells the same, without a server's clock")
    for seed in range(40):
        write_photo(tmp_path / "photos" / f"{seed:02}.png", seed)
    with where.open(create=True, embedder=FakeEmbedder()) as collection:
        collection.index(tmp_path / "photos")
        own = collection.vectors()[1]
        collection.refine(dimensions=4, augment=3)
        mean, matrix = principal(own, 4)
        turned = unit((own - mean) @ matrix)
        cosines = turned @ turned.T
        np.fill_diagonal(cosines, -1)
        near = np.argsort(-cosines, axis=1)[:, :3]
        weights = np.maximum(np.take_along_axis(cosines, near, 1), 0) ** 3
        expected = unit(turned + (weights[..., None] * turned[near]).sum(axis=1))
        _, scores = collection.rank(own[:5], 40)
        np.testing.assert_allclose(scores, np.sort(turned[:5] @ expected.T, axis=1)[:, ::-1], atol=2e-4)
