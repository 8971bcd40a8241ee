"""The three ways to resize, against torchvision's transforms and against values worked out by hand."""

from __future__ import annotations

import hashlib
import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dinosearch.errors import ImageUnreadableError
from dinosearch.images import prepare, prepare_pixels
from dinosearch.images.resizing import MEAN_COLOUR
from dinosearch.records import Preprocessing
from tests.images.pictures import encoded, gradient

SIZES = [(320, 200), (200, 320), (224, 224), (100, 40), (1001, 333), (17, 500)]


def noise(width: int, height: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(3).integers(0, 256, (height, width, 3), np.uint8))


def png(image: Image.Image) -> bytes:
    return encoded(image, "PNG", compress_level=1)


@pytest.mark.parametrize("size", SIZES)
def test_squash_agrees_with_torchvision(size: tuple[int, int]) -> None:
    transforms = pytest.importorskip("torchvision.transforms")
    image = noise(*size)
    expected = transforms.Resize((224, 224), transforms.InterpolationMode.BICUBIC)(image)
    np.testing.assert_array_equal(prepare(png(image), "x", Preprocessing("squash", 224)).pixels, np.asarray(expected))


@pytest.mark.parametrize("size", SIZES)
def test_crop_agrees_with_torchvision(size: tuple[int, int]) -> None:
    transforms = pytest.importorskip("torchvision.transforms")
    # Low contrast: Pillow does the cheaper of its two passes first, and what 8 bits clip between them depends on it.
    image = noise(*size).point(lambda value: 85 + value // 3)
    steps = [transforms.Resize(256, transforms.InterpolationMode.BICUBIC), transforms.CenterCrop(224)]
    expected = np.asarray(transforms.Compose(steps)(image)).astype(int)
    actual = prepare(png(image), "x", Preprocessing("crop", 224)).pixels.astype(int)
    assert np.abs(actual - expected).max() <= 2


def test_crop_of_an_extreme_picture_needs_no_memory() -> None:
    assert prepare(png(noise(1, 30_000)), "x", Preprocessing("crop", 224)).pixels.shape == (224, 224, 3)


@pytest.mark.parametrize(("size", "shape"), [((400, 200), (112, 224)), ((300, 200), (154, 224)), ((9, 900), (224, 14))])
def test_fit_keeps_the_aspect_and_pads_with_the_mean(size: tuple[int, int], shape: tuple[int, int]) -> None:
    pixels = prepare(png(Image.new("RGB", size, (250, 0, 0))), "x", Preprocessing("fit", 224)).pixels
    assert pixels.shape == (*shape, 3)
    scale = 224 / max(size)
    width, height = (max(1, round(side * scale)) for side in size)
    left, top = (shape[1] - width) // 2, (shape[0] - height) // 2
    expected = np.full((*shape, 3), MEAN_COLOUR, np.uint8)
    expected[top : top + height, left : left + width] = (250, 0, 0)
    np.testing.assert_array_equal(pixels, expected)


def test_fit_pads_to_the_patch_of_the_model() -> None:
    pixels = prepare(png(noise(300, 200)), "x", Preprocessing("fit", 224), patch=16).pixels
    assert pixels.shape == (160, 224, 3)


def test_reduced_scale_of_jpeg_stays_close_to_the_full_one() -> None:
    y, x = np.mgrid[:1500, :2000] / 100
    waves = 127 + 60 * np.stack([np.sin(x + y), np.sin(7 * x), np.cos(5 * y * x / 9)], axis=-1)
    data = encoded(Image.fromarray(waves.astype(np.uint8)), "JPEG", quality=92)
    with Image.open(io.BytesIO(data)) as full:
        expected = np.asarray(full.resize((224, 224), Image.Resampling.BICUBIC)).astype(float)
    actual = prepare(data, "x", Preprocessing()).pixels.astype(float)
    psnr = 20 * np.log10(255 / np.sqrt(np.mean((actual - expected) ** 2)))
    assert psnr > 45  # performance.md of the project's references measures 49 to 54 dB on photos


def test_prepared_image_carries_hash_and_original_size() -> None:
    data = png(noise(300, 200))
    prepared = prepare(data, "x", Preprocessing())
    assert prepared.sha256 == hashlib.sha256(data).hexdigest()
    assert (prepared.info.width, prepared.info.height, prepared.info.format) == (300, 200, "PNG")
    assert prepared.pixels.dtype == np.uint8
    with pytest.raises(ImageUnreadableError):
        prepare(b"text", "x", Preprocessing())


def test_pixels_in_memory_equal_the_file() -> None:
    picture = gradient(300, 200)
    expected = prepare(png(Image.fromarray(picture)), "x", Preprocessing()).pixels
    for form in (picture, picture.astype(np.float32) / 255, picture.astype(np.float64) / 255, Image.fromarray(picture)):
        np.testing.assert_array_equal(prepare_pixels(form, Preprocessing()).pixels, expected)
    np.testing.assert_array_equal(
        prepare_pixels(picture[:, ::-1], Preprocessing()).pixels, expected_of(picture[:, ::-1])
    )


def expected_of(picture: np.ndarray) -> np.ndarray:
    return prepare(png(Image.fromarray(np.ascontiguousarray(picture))), "x", Preprocessing()).pixels


def test_grey_and_alpha_arrays() -> None:
    grey = gradient(50, 50)[..., 0]
    np.testing.assert_array_equal(
        prepare_pixels(grey, Preprocessing()).pixels,
        prepare_pixels(np.stack([grey] * 3, axis=-1), Preprocessing()).pixels,
    )
    clear = np.zeros((30, 30, 4), np.uint8)
    assert (prepare_pixels(clear, Preprocessing()).pixels == 255).all()


def test_pixels_in_memory_are_told_apart_by_content_and_shape() -> None:
    one = prepare_pixels(np.zeros((10, 20, 3), np.uint8), Preprocessing())
    other = prepare_pixels(np.zeros((20, 10, 3), np.uint8), Preprocessing())
    again = prepare_pixels(np.zeros((10, 20, 3)), Preprocessing())
    assert one.sha256 != other.sha256
    assert one.sha256 == again.sha256
    assert (one.info.width, one.info.height) == (20, 10)


@pytest.mark.parametrize(
    ("array", "error"),
    [
        (np.zeros((5, 5, 2), np.uint8), ValueError),
        (np.zeros((0, 5, 3), np.uint8), ValueError),
        (np.zeros(5, np.uint8), ValueError),
        (np.full((5, 5, 3), 200.0), ValueError),
        (np.full((5, 5, 3), np.nan), ValueError),
        (np.zeros((5, 5, 3), np.int32), TypeError),
        ("a path", TypeError),
        (None, TypeError),
    ],
)
def test_what_is_no_picture_is_refused(array: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="image"):
        prepare_pixels(array, Preprocessing())


def test_exif_orientation_of_a_pillow_image_is_applied() -> None:
    tags = Image.Exif()
    tags[0x0112] = 6
    data = encoded(Image.fromarray(gradient(60, 40)), "PNG", exif=tags)
    with Image.open(io.BytesIO(data)) as image:
        in_memory = prepare_pixels(image, Preprocessing())
    np.testing.assert_array_equal(in_memory.pixels, prepare(data, "x", Preprocessing()).pixels)
    assert (in_memory.info.width, in_memory.info.height) == (40, 60)
