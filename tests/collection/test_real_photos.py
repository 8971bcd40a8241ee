"""Real photos of ../shared/data through the front door: every one is indexed, orientation is undone, vectors rank as
published."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dinosearch import Collection
from tests.conftest import FakeEmbedder

SUFFIXES = {".jpg", ".jpeg", ".png", ".gif", ".bmp", ".tif", ".tiff", ".webp"}


@pytest.mark.slow
def test_every_photo_is_indexed(shared_data: Path, tmp_path: Path) -> None:
    photos = [path for path in (shared_data / "photos").rglob("*") if path.suffix.lower() in SUFFIXES]
    assert len(photos) > 500
    with Collection.open(tmp_path / "home", create=True, embedder=FakeEmbedder()) as collection:
        summary = collection.index(shared_data / "photos")
        assert summary.failures == ()
        found = {file["path"] for file in collection.files()}
    assert {str(path) for path in photos} <= found


@pytest.mark.slow
def test_orientation_twins_have_the_same_vector(shared_data: Path) -> None:
    from dinosearch.embedding import open_embedder
    from dinosearch.images import prepare

    embedder = open_embedder("mini", device="cpu")
    for shape in ("Landscape", "Portrait"):
        files = [shared_data / "hostile" / "exif_orientation" / f"{shape}_{i}.jpg" for i in range(9)]
        images = [prepare(file.read_bytes(), file.name, embedder.preprocessing) for file in files]
        vectors = embedder.embed([image.pixels for image in images])
        assert (vectors @ vectors[1]).min() >= 0.99
        assert len({(image.info.width, image.info.height) for image in images}) == 1


@pytest.mark.slow
def test_hostile_files_are_indexed_or_named(shared_data: Path, tmp_path: Path) -> None:
    with Collection.open(tmp_path / "home", create=True, embedder=FakeEmbedder()) as collection:
        summary = collection.index(shared_data / "hostile" / "exif_samples", shared_data / "hostile" / "image_rs")
        assert summary.added > 100
        assert all(problem.reason for problem in summary.failures)
        assert collection.verify().ok


def test_default_search_on_real_dinov2_vectors(shared_data: Path) -> None:
    from dinosearch.records import Fingerprint, Generation
    from dinosearch.vectors import LADDER, LocalVectorSearch, Rung, VectorFile

    folder = shared_data / "descriptors" / "dinov2_vits14_simple1k"
    rows = np.concatenate([np.load(folder / f"feat_dinov2_{name}.npy") for name in ("simple1k", "Paris_val")])
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    queries, stored = rows[::10], np.delete(rows, np.s_[::10], axis=0)
    import tempfile

    for ladder in (LADDER, (Rung(0, "Flat", 1), Rung(None, "Flat", 1)), (Rung(0, "Flat", 1), Rung(None, "SQ8", 4))):
        with tempfile.TemporaryDirectory() as home:
            path = Path(home) / "vectors"
            VectorFile.create(path, rows.shape[1], 1).close()
            fingerprint = Fingerprint("x", "0" * 64, "squash-224", "cls", rows.shape[1])
            search = LocalVectorSearch(
                path, lambda g, s, h=home: Path(h) / f"index-{g}-{s}", Generation(1, fingerprint, 0), ladder
            )
            search.refresh(Generation(1, fingerprint, search.upsert(np.arange(1, len(stored) + 1), stored)))
            published = search.update_index(0.98)
            assert published is not None
            truth = np.argsort(-(queries @ stored.T), axis=1, kind="stable")[:, :10] + 1
            ids, scores = search.search(queries, 10)
            recall = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(ids.tolist(), truth.tolist(), strict=True)])
            assert recall >= 0.98, (published.index, recall)
            exact, values = search.search(queries, 10, exact=True)
            np.testing.assert_array_equal(exact, truth)
            np.testing.assert_allclose(values, np.take_along_axis(queries @ stored.T, truth - 1, axis=1), atol=1e-6)
            search.close()
