"""The pixels of every mode: hand-made images against values worked out by hand."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageCms

from dinosearch.images import decode
from tests.images.icc import matrix_profile
from tests.images.pictures import corners, encoded, gradient


def pixels(data: bytes) -> np.ndarray:
    image, _ = decode(data, "test")
    assert image.mode == "RGB"
    return np.asarray(image).astype(int)


def test_rgb_is_unchanged() -> None:
    picture = gradient(40, 30)
    for format_, options in [("PNG", {}), ("BMP", {}), ("TIFF", {}), ("WEBP", {"lossless": True})]:
        np.testing.assert_array_equal(pixels(encoded(Image.fromarray(picture), format_, **options)), picture)


def test_one_bit() -> None:
    mask = np.array([[True, False], [False, True]])
    for format_ in ("PNG", "BMP", "TIFF"):
        result = pixels(encoded(Image.fromarray(mask), format_))
        np.testing.assert_array_equal(result[..., 0], [[255, 0], [0, 255]])


def test_grey() -> None:
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    np.testing.assert_array_equal(pixels(encoded(Image.fromarray(grey), "PNG")), np.stack([grey] * 3, axis=-1))


@pytest.mark.parametrize("format_", ["PNG", "TIFF"])
def test_sixteen_bit_grey_is_scaled_not_clipped(format_: str) -> None:
    values = np.array([[0, 257, 32896, 65535]], np.uint16)  # 257 * n is exactly n of 255
    np.testing.assert_array_equal(pixels(encoded(Image.fromarray(values), format_))[0, :, 0], [0, 1, 128, 255])


def test_sixteen_bit_grey_dim_image_is_not_stretched() -> None:
    values = np.array([[0, 2570]], np.uint16)
    np.testing.assert_array_equal(pixels(encoded(Image.fromarray(values), "PNG"))[0, :, 1], [0, 10])


def tiff(
    values: np.ndarray, bits: int, sample_format: int, photometric: int = 1, big_endian: bool = False, width: int = 0
) -> bytes:
    """A minimal uncompressed one-strip TIFF, written by hand (TIFF 6.0), for what Pillow does not write itself."""
    order = ">" if big_endian else "<"
    raw = values.astype(values.dtype.newbyteorder(order)).tobytes()
    tags = [
        (256, 4, width or values.shape[1]),
        (257, 4, values.shape[0]),
        (258, 3, bits),
        (259, 3, 1),
        (262, 3, photometric),
        (273, 4, 8),
        (277, 3, 1),
        (278, 4, values.shape[0]),
        (279, 4, len(raw)),
        (339, 3, sample_format),
    ]
    out = (b"MM\0*" if big_endian else b"II*\0") + np.array(8 + len(raw), f"{order}u4").tobytes() + raw
    out += np.array(len(tags), f"{order}u2").tobytes()
    for tag, type_, value in tags:
        field = (
            np.array(value, f"{order}u2").tobytes() + b"\0\0" if type_ == 3 else np.array(value, f"{order}u4").tobytes()
        )
        out += np.array([tag, type_], f"{order}u2").tobytes() + np.array(1, f"{order}u4").tobytes() + field
    return out + b"\0\0\0\0"


@pytest.mark.parametrize("big_endian", [False, True])
def test_sixteen_bit_tiff_of_both_byte_orders(big_endian: bool) -> None:
    values = np.array([[0, 257, 32896, 65535]], np.uint16)
    result = pixels(tiff(values, 16, 1, big_endian=big_endian))
    np.testing.assert_array_equal(result[0, :, 0], [0, 1, 128, 255])


def test_sixteen_bit_tiff_whose_zero_is_white() -> None:
    result = pixels(tiff(np.array([[0, 257, 65535]], np.uint16), 16, 1, photometric=0))
    np.testing.assert_array_equal(result[0, :, 0], [255, 254, 0])


def test_float_within_one_is_taken_as_it_is() -> None:
    values = np.array([[0.0, 0.2, 0.4, 0.8]], np.float32)
    np.testing.assert_array_equal(pixels(encoded(Image.fromarray(values), "TIFF"))[0, :, 0], [0, 51, 102, 204])


def test_float_beyond_one_is_stretched_over_its_finite_values() -> None:
    values = np.array([[-100.0, 0.0, 100.0, np.nan, np.inf, -np.inf]], np.float32)
    result = pixels(encoded(Image.fromarray(values), "TIFF"))[0, :, 0]
    np.testing.assert_array_equal(result, [0, 128, 255, 0, 255, 0])


def test_thirty_two_bit_integers_are_stretched() -> None:
    values = np.array([[-1000, 0, 1000]], np.int32)
    np.testing.assert_array_equal(pixels(tiff(values, 32, 2))[0, :, 0], [0, 128, 255])


def test_constant_images_do_not_divide_by_zero() -> None:
    assert pixels(encoded(Image.fromarray(np.full((2, 2), 7.0, np.float32)), "TIFF")).max() == 0
    assert pixels(encoded(Image.fromarray(np.full((2, 2), np.nan, np.float32)), "TIFF")).max() == 0


def test_alpha_lies_over_white() -> None:
    rgba = np.array([[[200, 100, 0, 255], [200, 100, 0, 0], [200, 100, 0, 51]]], np.uint8)
    expected = [[200, 100, 0], [255, 255, 255], [244, 224, 204]]  # white + 0.2 * (colour - white)
    for format_, options in [("PNG", {}), ("WEBP", {"lossless": True, "exact": True}), ("TIFF", {})]:
        assert np.abs(pixels(encoded(Image.fromarray(rgba), format_, **options))[0] - expected).max() <= 1


def test_grey_with_alpha_lies_over_white() -> None:
    image = Image.merge("LA", [Image.new("L", (1, 1), 100), Image.new("L", (1, 1), 51)])
    assert np.abs(pixels(encoded(image, "PNG"))[0, 0] - 224).max() <= 1


def palette_image() -> Image.Image:
    image = Image.new("P", (3, 1))
    image.putpalette([10, 20, 30, 200, 100, 50, 0, 255, 0])
    image.putdata([0, 1, 2])
    return image


def test_palette() -> None:
    for format_ in ("PNG", "GIF", "BMP"):
        result = pixels(encoded(palette_image(), format_))
        np.testing.assert_array_equal(result[0], [[10, 20, 30], [200, 100, 50], [0, 255, 0]])


def test_palette_with_one_transparent_entry() -> None:
    for format_ in ("PNG", "GIF"):
        result = pixels(encoded(palette_image(), format_, transparency=1))
        np.testing.assert_array_equal(result[0], [[10, 20, 30], [255, 255, 255], [0, 255, 0]])


def test_palette_with_an_opacity_for_each_entry() -> None:
    result = pixels(encoded(palette_image(), "PNG", transparency=bytes([255, 51, 0])))
    assert np.abs(result[0] - [[10, 20, 30], [244, 224, 214], [255, 255, 255]]).max() <= 1


def test_transparent_colour_of_rgb_and_grey_png() -> None:
    rgb = np.array([[[1, 2, 3], [9, 9, 9]]], np.uint8)
    result = pixels(encoded(Image.fromarray(rgb), "PNG", transparency=(1, 2, 3)))
    np.testing.assert_array_equal(result[0], [[255, 255, 255], [9, 9, 9]])
    grey = Image.fromarray(np.array([[5, 9]], np.uint8))
    np.testing.assert_array_equal(pixels(encoded(grey, "PNG", transparency=5))[0, :, 0], [255, 9])


def cmyk_image() -> Image.Image:
    ink = np.zeros((16, 32, 4), np.uint8)
    ink[:, :16] = (0, 255, 255, 0)  # red
    ink[:, 16:] = (255, 0, 0, 127)  # dark cyan
    return Image.merge("CMYK", [Image.fromarray(ink[..., channel]) for channel in range(4)])


CMYK_EXPECTED = [[255, 0, 0], [0, 128, 128]]


def test_cmyk_of_tiff() -> None:
    result = pixels(encoded(cmyk_image(), "TIFF"))
    assert np.abs(result[8, [4, 28]] - CMYK_EXPECTED).max() <= 1


def test_cmyk_of_jpeg_with_the_adobe_marker_is_inverted() -> None:
    data = encoded(cmyk_image(), "JPEG", quality=95)
    assert b"Adobe" in data[:200]
    assert np.abs(pixels(data)[8, [4, 28]] - CMYK_EXPECTED).max() <= 4


def test_cmyk_of_jpeg_without_the_adobe_marker_is_not_inverted() -> None:
    # Pillow writes the values inverted: an inverted picture without the marker is one with plain ink values.
    inverted = cmyk_image().point(lambda value: 255 - value)
    data = encoded(inverted, "JPEG", quality=95)
    at = data.index(b"\xff\xee")
    length = int.from_bytes(data[at + 2 : at + 4], "big")
    assert np.abs(pixels(data[:at] + data[at + 2 + length :])[8, [4, 28]] - CMYK_EXPECTED).max() <= 4


def test_ycbcr_tiff() -> None:
    picture = np.full((16, 16, 3), (180, 60, 30), np.uint8)
    result = pixels(encoded(Image.fromarray(picture).convert("YCbCr"), "TIFF"))
    assert np.abs(result - picture).max() <= 2


def test_lab_tiff() -> None:
    # sRGB red is L* 54.29, a* 80.81, b* 69.89 (D50, Bradford-adapted); in 8 bits L* * 2.55, and a* and b* plus 128.
    lab = Image.new("LAB", (4, 4), (138, 209, 198))
    assert np.abs(pixels(encoded(lab, "TIFF")) - [255, 0, 0]).max() <= 8


def wide_gamut_profile() -> bytes:
    """Adobe RGB (1998) by its D50-adapted primaries (Adobe RGB (1998) Color Image Encoding, annex C), gamma 563/256."""
    return matrix_profile(
        (0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457), 563 / 256
    )


def adobe_to_srgb(rgb: np.ndarray) -> np.ndarray:
    """The same conversion by the formulas: linear Adobe RGB to linear sRGB (both D65), then the sRGB curve."""
    linear = (rgb / 255) ** (563 / 256)
    to_xyz = np.array([[0.57667, 0.18556, 0.18823], [0.29734, 0.62736, 0.07529], [0.02703, 0.07069, 0.99134]])
    to_srgb = np.array(
        [[3.2404542, -1.5371385, -0.4985314], [-0.9692660, 1.8760108, 0.0415560], [0.0556434, -0.2040259, 1.0572252]]
    )
    out = np.clip(linear @ to_xyz.T @ to_srgb.T, 0, 1)
    return np.where(out <= 0.0031308, 12.92 * out, 1.055 * out ** (1 / 2.4) - 0.055) * 255


@pytest.mark.parametrize("format_", ["PNG", "TIFF", "WEBP", "JPEG"])
def test_wide_gamut_profile_becomes_srgb(format_: str) -> None:
    colours = np.array([[120, 130, 140], [200, 180, 160], [90, 140, 100], [255, 255, 255], [0, 0, 0], [180, 90, 90]])
    picture = np.repeat(np.repeat(colours[None].astype(np.uint8), 16, axis=1), 16, axis=0)
    options = {"WEBP": {"lossless": True}, "JPEG": {"quality": 98, "subsampling": 0}}.get(format_, {})
    data = encoded(Image.fromarray(picture), format_, icc_profile=wide_gamut_profile(), **options)
    result = pixels(data)[8, 8::16]
    assert np.abs(result - adobe_to_srgb(colours)).max() <= 3
    assert np.abs(result - colours).max() >= 8, "the profile makes a difference"


def test_profile_of_an_image_with_alpha() -> None:
    rgba = np.array([[[180, 90, 90, 255], [180, 90, 90, 0]]], np.uint8)
    result = pixels(encoded(Image.fromarray(rgba), "PNG", icc_profile=wide_gamut_profile()))
    assert np.abs(result[0, 0] - adobe_to_srgb(np.array([180, 90, 90]))).max() <= 3
    np.testing.assert_array_equal(result[0, 1], 255)


def test_srgb_profile_changes_nothing() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    picture = gradient(32, 32)
    np.testing.assert_array_equal(pixels(encoded(Image.fromarray(picture), "PNG", icc_profile=profile)), picture)


@pytest.mark.parametrize("profile", [b"garbage", b"\0" * 200, None])
def test_broken_or_unfitting_profile_is_ignored(profile: bytes | None) -> None:
    if profile is None:  # a profile for RGB in a grey image
        grey = np.arange(64, dtype=np.uint8).reshape(8, 8)
        result = pixels(encoded(Image.fromarray(grey), "PNG", icc_profile=wide_gamut_profile()))
        np.testing.assert_array_equal(result[..., 0], grey)
        return
    picture = gradient(32, 32)
    np.testing.assert_array_equal(pixels(encoded(Image.fromarray(picture), "PNG", icc_profile=profile)), picture)


def test_first_frame_of_animations() -> None:
    first, second = Image.fromarray(corners()), Image.new("RGB", (64, 32), (1, 2, 3))
    for format_, options in [("GIF", {}), ("WEBP", {"lossless": True}), ("TIFF", {}), ("PNG", {})]:
        buffer = io.BytesIO()
        first.save(buffer, format_, save_all=True, append_images=[second], **options)
        np.testing.assert_array_equal(pixels(buffer.getvalue()), corners())


def test_heif_and_avif_are_read() -> None:
    import pillow_heif

    picture = np.repeat(np.repeat(corners(8), 8, axis=0), 8, axis=1)
    buffer = io.BytesIO()
    pillow_heif.from_pillow(Image.fromarray(picture)).save(buffer, quality=95)
    for data, name in [(buffer.getvalue(), "HEIF"), (encoded(Image.fromarray(picture), "AVIF", quality=95), "AVIF")]:
        image, info = decode(data, "test")
        assert (info.format, info.width, info.height) == (name, 128, 64)
        assert np.abs(np.asarray(image).astype(int) - picture).mean() < 4


def test_twelve_bit_tiff_is_scaled_by_its_own_maximum() -> None:
    packed = np.array([0x00, 0x0F, 0xFF], np.uint8)  # two 12-bit samples, 0 and 4095
    result = pixels(tiff(packed[None], 12, 1, width=2))
    np.testing.assert_array_equal(result[0, :, 0], [0, 255])
