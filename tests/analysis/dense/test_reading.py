"""From files to grids: sizes, places, bounds of memory, files that cannot be read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dinosearch.analysis.dense import DenseGroup, DenseReader
from dinosearch.errors import ImageNotFoundError, ImageUnreadableError, SettingError
from tests.conftest import write_photo


@pytest.fixture(scope="module")
def reader() -> DenseReader:
    return DenseReader("mini", size=64)


@pytest.mark.parametrize(
    ("size", "grid"), [((200, 100), (2, 4)), ((90, 100), (4, 4)), ((30, 3000), (4, 1)), ((8, 8), (4, 4))]
)
def test_sides_are_whole_patches_and_places_are_pixels_of_the_original(
    reader: DenseReader, tmp_path: Path, size: tuple[int, int], grid: tuple[int, int]
) -> None:
    path = write_photo(tmp_path / "photo.png", 1, size)
    image = reader.read(str(path))
    assert image.grid == grid
    assert (image.width, image.height) == size
    places = image.pixels.reshape(*grid, 2)
    np.testing.assert_allclose(places[0, 0], (size[0] / grid[1] / 2, size[1] / grid[0] / 2))
    np.testing.assert_allclose(places[-1, -1], np.subtract(size, places[0, 0]))
    assert image.border.sum() == grid[0] * grid[1] - max(0, grid[0] - 2) * max(0, grid[1] - 2)


def test_a_photo_that_lies_on_its_side_is_turned(reader: DenseReader, tmp_path: Path) -> None:
    photo = Image.open(write_photo(tmp_path / "photo.png", 2, (120, 60)))
    exif = Image.Exif()
    exif[0x0112] = 6
    photo.convert("RGB").save(tmp_path / "turned.png", exif=exif)
    image = reader.read(str(tmp_path / "turned.png"))
    assert (image.width, image.height, image.grid) == (60, 120, (4, 2))


def test_descriptors_may_know_their_surroundings(tmp_path: Path, reader: DenseReader) -> None:
    path = str(write_photo(tmp_path / "photo.png", 3, (64, 64)))
    assert DenseReader("mini", size=64, binned=True).read(path).descriptors.shape == (4, 4, 17 * 288)
    assert reader.read(path).descriptors.shape == (4, 4, 288)


@pytest.mark.parametrize("size", [8, 10_000])
def test_sizes_that_are_not_possible(size: int) -> None:
    with pytest.raises(SettingError, match="use one from 16, a patch, to 4096, such as: --size 448"):
        DenseReader("mini", size=size)


class Counted(DenseReader):
    """Notes what is read."""

    reads: list[str]

    def read(self, image: str | bytes, name: str = ""):
        self.reads.append(name)
        return super().read(image, name)


def test_a_group_keeps_what_fits_and_reads_the_rest_again(tmp_path: Path) -> None:
    reader = Counted("mini", size=64)
    reader.reads = []
    sources = [(name, str(write_photo(tmp_path / name, seed))) for seed, name in enumerate(("a.png", "b.png", "c.png"))]
    told: list[tuple[str, int, int | None]] = []
    one = 3 * 4 * 288 * 4  # bytes: photos of 64 x 48 have 3 x 4 patches
    group = DenseGroup(reader, sources, lambda *state: told.append(state), kept=2 * one)
    first = [image.descriptors for image in group]
    second = [image.descriptors for image in group]
    assert reader.reads == ["a.png", "b.png", "c.png", "c.png"]
    assert all((one == other).all() for one, other in zip(first, second, strict=True))
    assert told[:3] == [("dense", 1, 3), ("dense", 2, 3), ("dense", 3, 3)]


def test_files_that_cannot_be_decoded_are_left_out(reader: DenseReader, tmp_path: Path) -> None:
    good = str(write_photo(tmp_path / "good.png", 1))
    (tmp_path / "bad.png").write_bytes(b"no image")
    group = DenseGroup(reader, [("bad", str(tmp_path / "bad.png")), ("good", good)])
    assert [image.name for image in group] == ["good"]
    assert len(group) == 1 and group.sources == [("good", good)]
    assert [(problem.path, problem.reason) for problem in group.problems] == [("bad", "not an image")]
    with pytest.raises(ImageUnreadableError, match="not an image"):
        list(DenseGroup(reader, [("bad", str(tmp_path / "bad.png"))]))
    with pytest.raises(ImageNotFoundError, match="no such file"):
        list(DenseGroup(reader, [("gone", str(tmp_path / "gone.png"))]))
