"""Images that are embedded together: decoded in threads, answered in their order, as each of them alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from dinosearch import Collection
from dinosearch.errors import ImageUnreadableError
from dinosearch.images import prepare
from dinosearch.records import Preprocessing
from tests.conftest import FakeEmbedder, write_photo


@pytest.fixture
def collection(tmp_path, photo_folder):
    with Collection.open(tmp_path / "home", create=True, embedder=FakeEmbedder()) as opened:
        opened.index(photo_folder)
        yield opened


def expected(collection, path):
    """The vector by the parts themselves, one image at a time."""
    model = collection.embedder
    return model.embed([prepare(path.read_bytes(), str(path), model.preprocessing, model.patch_size).pixels])[0]


def test_more_images_than_are_decoded_at_once_keep_their_order(collection, tmp_path):
    # sizes differ widely, so that threads finish in another order than they began
    paths = [write_photo(tmp_path / f"q{i}.png", 100 + i, (1600, 1200) if i % 7 == 0 else (40, 30)) for i in range(45)]
    found = collection.embed(*paths[:20], "id:1", *paths[20:])
    assert found.shape == (46, 96)
    assert np.array_equal(np.delete(found, 20, axis=0), np.stack([expected(collection, path) for path in paths]))
    assert np.array_equal(found[20], collection.vectors([1])[1][0])


def test_padding_follows_the_patches_of_the_model(tmp_path, photo_folder):
    """`fit` pads to whole patches, so that it has to wait for the model that says how large they are."""
    model = FakeEmbedder("padded")
    model.preprocessing, model.patch_size = Preprocessing("fit", 56), 4
    model.fingerprint = replace(model.fingerprint, preprocessing="fit-56")
    with Collection.open(tmp_path / "home", create=True, embedder=model) as opened:
        opened.index(photo_folder)
        path = photo_folder / "03.png"
        assert np.array_equal(opened.embed(path)[0], expected(opened, path))


def test_the_image_that_cannot_be_read_is_named(collection, tmp_path):
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff\xe0 no picture")
    with pytest.raises(ImageUnreadableError, match=r"broken\.jpg"):
        collection.embed(*[write_photo(tmp_path / f"{i}.png", i) for i in range(5)], broken)


def test_large_images_side_by_side(collection, tmp_path):
    """Images that take much memory wait for each other; none is lost or waits for ever."""
    paths = []
    for i in range(4):
        paths.append(tmp_path / f"large{i}.png")
        Image.effect_noise((64, 64), 60 + i).resize((2200, 1700)).convert("RGB").save(paths[-1], compress_level=1)
    assert np.array_equal(collection.embed(*paths), np.stack([expected(collection, path) for path in paths]))
