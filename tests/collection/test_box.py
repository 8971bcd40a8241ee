"""A query with a box is a query with the crop; boxes in pixels, fractions, out of bounds and absurd."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from dinosearch import Collection
from dinosearch.errors import SettingError
from tests.conftest import FakeEmbedder, write_photo


@pytest.fixture
def collection(tmp_path: Path, photo_folder: Path, fake_embedder: FakeEmbedder) -> Collection:
    collection = Collection.open(tmp_path / "home", create=True, embedder=fake_embedder)
    collection.index(photo_folder)
    return collection


@pytest.mark.parametrize(
    ("box", "pixels"),
    [
        ((8, 6, 40, 30), (8, 6, 40, 30)),
        ((0.125, 0.125, 0.625, 0.625), (8, 6, 40, 30)),
        ((-5, 0, 1000, 24), (0, 0, 64, 24)),
        ((0, 0, 1, 1), (0, 0, 64, 48)),
        ((0.999, 0.999, 1, 1), (63, 47, 64, 48)),
    ],
)
def test_a_box_is_the_crop(
    collection: Collection, tmp_path: Path, box: tuple[float, float, float, float], pixels: tuple[int, int, int, int]
) -> None:
    photo = write_photo(tmp_path / "q.png", 50)
    crop = Image.open(photo).convert("RGB").crop(pixels)
    assert collection.query(photo, box=box, k=12) == collection.query(crop, k=12)
    assert collection.query(photo.read_bytes(), box=box, k=12) == collection.query(crop, k=12)
    assert collection.query(Image.open(photo), box=box, k=12) == collection.query(crop, k=12)


def test_a_box_of_a_turned_photo_is_of_its_upright_form(collection: Collection, tmp_path: Path) -> None:
    upright = Image.open(write_photo(tmp_path / "q.png", 50)).convert("RGB")
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    upright.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned.png", exif=exif)
    crop = upright.crop((8, 6, 40, 30))
    assert collection.query(tmp_path / "turned.png", box=(8, 6, 40, 30)) == collection.query(crop)


def test_the_photo_itself_is_left_out_as_without_a_box(collection: Collection, photo_folder: Path) -> None:
    photo = photo_folder / "05.png"
    whole = (0.0, 0.0, 1.0, 1.0)
    assert str(photo) not in [hit.path for hit in collection.query(photo, box=whole, k=50)]
    assert collection.query(photo, box=whole, k=50, include_self=True)[0].path == str(photo)
    image_id = next(file["id"] for file in collection.files() if file["path"] == str(photo))
    assert collection.query(f"id:{image_id}", box=(0, 0, 30, 30)) == collection.query(photo, box=(0, 0, 30, 30))


@pytest.mark.parametrize(
    ("box", "says"),
    [((30, 0, 30, 10), "no area"), ((0.5, 0.5, 0.2, 0.9), "no area"), ((70, 0, 90, 10), "outside"),
     ((-9, -9, -2, -2), "outside"), ((float("nan"), 0, 1, 1), "no area")],
)  # fmt: skip
def test_boxes_without_anything_in_them_are_refused(
    collection: Collection, tmp_path: Path, box: tuple[float, float, float, float], says: str
) -> None:
    with pytest.raises(SettingError, match=says):
        collection.query(write_photo(tmp_path / "q.png", 50), box=box)


def test_a_box_is_of_one_image(collection: Collection, photo_folder: Path) -> None:
    with pytest.raises(SettingError, match="one image"):
        collection.query(photo_folder / "01.png", photo_folder / "02.png", box=(0, 0, 1, 1))
