"""Every stage and search on collections without images, with one, and with the same picture over and over."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dinosearch import Collection

STAGES = ["fast", "balanced", "thorough", "expansion", "superglobal", "k-reciprocal", "maxsim", "geometry", "diffusion"]


@pytest.fixture(params=[0, 1, 5])
def collection(request: pytest.FixtureRequest, tmp_path: Path) -> Collection:
    (tmp_path / "photos").mkdir()
    for number in range(request.param):  # the same pixels, other bytes
        Image.new("RGB", (64, 48), (200, 30, 30)).save(tmp_path / "photos" / f"{number}.png", dpi=(72 + number,) * 2)
    collection = Collection.open(tmp_path / "home", create=True, model="mini")
    collection.index(tmp_path / "photos", regions=True, keep_patches=True)
    if request.param:
        collection.diffuse()
    return collection


@pytest.mark.parametrize("stage", STAGES)
def test_every_hit_is_there_once(collection: Collection, stage: str) -> None:
    count = collection.info().images
    if stage == "diffusion" and not count:
        pytest.skip("there are no images to walk between")
    red, noise = np.full((48, 64, 3), (200, 30, 30), np.uint8), np.random.default_rng(0).integers(0, 255, (48, 64, 3))
    for query in (red, noise.astype(np.uint8)):
        hits = collection.query(query, k=10, rerank=stage)
        assert sorted(hit.id for hit in hits) == list(range(1, count + 1))
        assert np.isfinite([hit.score for hit in hits]).all()


def test_regions_and_boxes(collection: Collection) -> None:
    red = np.full((48, 64, 3), (200, 30, 30), np.uint8)
    if not collection.info().images:
        assert collection.query(red, box=(0, 0, 1, 1)) == []
        return
    hits = collection.query(red, box=(0, 0, 32, 32))
    assert len(hits) == collection.info().images
    assert all(hit.box is not None and 0 <= hit.box[0] < hit.box[2] <= 1 for hit in hits)
