"""Thumbnails for pages: size, turning, and where the frame lies."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from dinosearch.errors import ImageUnreadableError
from dinosearch.images import thumbnail_jpeg
from tests.images.pictures import corners, encoded

BLUE = (40, 90, 200)
ACCENT = (196, 77, 44)


def pixels(jpeg: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(jpeg)) as image:
        assert image.format == "JPEG" and image.mode == "RGB"
        return np.asarray(image).astype(int)


def reddish(picture: np.ndarray) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of the pixels that are nearer to the accent than to the blue ground; ends inclusive."""
    ys, xs = np.nonzero(np.abs(picture - ACCENT).sum(axis=2) < 120)
    return int(xs.min()), int(ys.min()), int(xs.max()), int(ys.max())


@pytest.mark.parametrize(
    ("size", "expected"), [((640, 480), (160, 120)), ((300, 900), (53, 160)), ((40, 30), (40, 30)), ((1, 1), (1, 1))]
)
def test_longer_side_is_the_side_and_small_images_stay(size: tuple[int, int], expected: tuple[int, int]) -> None:
    picture = pixels(thumbnail_jpeg(encoded(Image.new("RGB", size, BLUE), "PNG"), "a.png", 160))
    assert picture.shape == (expected[1], expected[0], 3)
    assert np.abs(picture - BLUE).max() < 6


# The accent's lines are one pixel inside the box, behind a dark line; JPEG smears
# colour within blocks of 16 pixels.
@pytest.mark.parametrize("format_", ["PNG", "JPEG"])
@pytest.mark.parametrize(
    ("size", "box"),
    [
        ((160, 120), (40.0, 30.0, 120.0, 90.0)),
        ((640, 480), (160.0, 120.0, 480.0, 360.0)),
        # so large that JPEG is decoded at a reduced scale
        ((3200, 2400), (800.4, 599.6, 2400.2, 1800.0)),
    ],
)
def test_frame_lies_on_the_box(format_: str, size: tuple[int, int], box: tuple[float, float, float, float]) -> None:
    data = encoded(Image.new("RGB", size, BLUE), format_)
    picture = pixels(thumbnail_jpeg(data, "a", 160, box))
    assert np.abs(np.array(reddish(picture)) - (41, 31, 118, 88)).max() <= 2
    assert np.abs(picture[50:70, 60:100] - BLUE).max() < 8, "the inside stays as it is"
    assert np.abs(picture[:12] - BLUE).max() < 8, "the outside stays as it is"
    assert picture[60, 40].sum() < 200, "dark outline"


def test_without_a_box_nothing_is_drawn() -> None:
    picture = pixels(thumbnail_jpeg(encoded(Image.new("RGB", (160, 120), BLUE), "PNG"), "a", 160))
    assert np.abs(picture - BLUE).max() < 6


def test_box_counts_pixels_of_the_upright_image() -> None:
    # stored 128 wide and 64 high, orientation 6: shown 64 wide and 128 high
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(Image.new("RGB", (128, 64), BLUE), "JPEG", exif=exif, quality=95)
    picture = pixels(thumbnail_jpeg(data, "a.jpg", 160, (10, 70, 54, 120)))
    assert picture.shape == (128, 64, 3)
    assert np.abs(np.array(reddish(picture)) - (11, 71, 52, 118)).max() <= 2


def test_picture_is_upright_and_carries_no_metadata() -> None:
    exif = Image.Exif()
    exif[0x0112] = 3
    data = encoded(Image.fromarray(corners(32)), "JPEG", exif=exif, quality=95)
    jpeg = thumbnail_jpeg(data, "a.jpg", 160)
    picture = pixels(jpeg)
    assert np.abs(picture[4:12, 4:28].mean(axis=(0, 1)) - (240, 240, 30)).max() < 12, "was the lower right quarter"
    with Image.open(io.BytesIO(jpeg)) as image:
        assert not image.getexif() and "exif" not in image.info


@pytest.mark.parametrize(
    "box",
    [(-50, -50, 500, 500), (10, 10, 10, 10), (30, 20, 10, 5), (150, 110, 151, 111), (900, 900, 950, 950)],
    ids=["larger", "empty", "reversed", "one pixel", "outside"],
)
def test_odd_boxes_are_cut_to_the_image(box: tuple[float, float, float, float]) -> None:
    picture = pixels(thumbnail_jpeg(encoded(Image.new("RGB", (160, 120), BLUE), "PNG"), "a", 160, box))
    assert picture.shape == (120, 160, 3)
    assert (np.abs(picture - BLUE).max(axis=2) > 30).any(), "something is drawn"


def test_what_is_no_image_is_refused_by_name() -> None:
    with pytest.raises(ImageUnreadableError, match="notes.txt: not an image"):
        thumbnail_jpeg(b"text", "notes.txt", 160)
