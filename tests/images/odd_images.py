"""The table of odd but valid images: what is encoded, the pixels that it means, and how near a decoder must come."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache

import numpy as np
from PIL import Image

from tests.images.icc import grey_profile, matrix_profile
from tests.images.meant import (
    GREY,
    OPACITY,
    PALE,
    PRIMARIES,
    RGB,
    as_ink,
    deep,
    few_colours,
    from_profile,
    grey,
    heif,
    jpeg_of_four,
    lab_grey,
    over_white,
    pillow,
    pillow_gif,
    reduced,
    scene,
    srgb_curve,
    with_opacity,
    ycc,
)
from tests.images.pictures import encoded
from tests.images.test_decode import STORED, with_exif
from tests.images.writers import bmp, gif, png, rows_of, run_lengths, tiff

EXACT, ROUNDED, LOSSY, COARSE = math.inf, 45.0, 32.0, 24.0  # dB
Case = tuple[bytes, np.ndarray, float]


def orientations() -> Iterator[tuple[str, Case]]:
    for number, stored in STORED.items():
        data = with_exif(Image.fromarray(np.ascontiguousarray(stored(RGB))), "JPEG", {0x0112: number}, quality=95)
        yield f"JPEG, orientation {number}", (data, RGB, LOSSY)


def jpegs() -> Iterator[tuple[str, Case]]:
    for name, options in {
        "4:4:4": {"subsampling": 0},
        "4:2:2": {"subsampling": 1},
        "4:2:0": {"subsampling": 2},
        "progressive": {"progressive": True},
        "restart markers": {"restart_marker_blocks": 3},
        "stored as RGB": {"keep_rgb": True},
    }.items():
        bound = LOSSY if name in ("4:4:4", "stored as RGB") else COARSE
        yield f"JPEG, {name}", (pillow(RGB, "JPEG", **{"quality": 95, **options}), RGB, bound)
    yield "JPEG, grey", (pillow(GREY, "JPEG", quality=95), grey(GREY), LOSSY)
    ink = as_ink(RGB)
    yield "JPEG, CMYK inverted (Adobe)", (jpeg_of_four(255 - ink, adobe=0), RGB, LOSSY)
    yield "JPEG, CMYK as it is", (jpeg_of_four(ink, adobe=None), RGB, LOSSY)
    # Adobe's YCCK: the inverted ink's first three planes through YCbCr, whose decoding inverts them once more.
    yield "JPEG, YCCK", (jpeg_of_four(np.dstack([ycc(ink[..., :3]), 255 - ink[..., 3]]), adobe=2), RGB, LOSSY)


def pngs() -> Iterator[tuple[str, Case]]:
    yield "PNG, 16-bit grey", (png(deep(GREY)[..., None], 16), grey(GREY), ROUNDED)
    yield "PNG, 16-bit RGB", (png(deep(RGB), 16), RGB, ROUNDED)
    yield "PNG, 16-bit RGBA", (png(deep(with_opacity(RGB)), 16), over_white(RGB, OPACITY), ROUNDED)
    yield (
        "PNG, 16-bit grey and opacity",
        (png(deep(np.dstack([GREY, OPACITY])), 16), over_white(grey(GREY), OPACITY), ROUNDED),
    )
    yield "PNG, RGBA", (png(with_opacity(RGB), 8), over_white(RGB, OPACITY), ROUNDED)
    yield "PNG, grey and opacity", (png(np.dstack([GREY, OPACITY]), 8), over_white(grey(GREY), OPACITY), ROUNDED)
    yield "PNG, interlaced", (png(RGB, 8, adam7=True), RGB, EXACT)
    yield (
        "PNG, interlaced 16-bit RGBA",
        (png(deep(with_opacity(RGB)), 16, adam7=True), over_white(RGB, OPACITY), ROUNDED),
    )
    for bits in (1, 2, 4):
        few, meant = reduced(GREY, bits)
        yield f"PNG, {bits}-bit grey", (png(few[..., None], bits), grey(meant), EXACT)
        places, palette = few_colours(1 << bits)
        chunks = (b"PLTE", palette.tobytes())
        yield f"PNG, {bits}-bit palette", (png(places[..., None], bits, chunks, kind=3), palette[places], EXACT)
    places, palette = few_colours(16)
    clear = np.linspace(0, 255, 16).astype(np.uint8)
    data = png(places[..., None], 8, (b"PLTE", palette.tobytes()), (b"tRNS", clear.tobytes()), kind=3, adam7=True)
    yield "PNG, palette with opacities", (data, over_white(palette[places], clear[places]), ROUNDED)
    one = bytes([0, RGB[0, 0, 0], 0, RGB[0, 0, 1], 0, RGB[0, 0, 2]])
    masked = np.where((RGB == RGB[0, 0]).all(axis=2)[..., None], 255, RGB).astype(np.uint8)
    yield "PNG, one transparent colour", (png(RGB, 8, (b"tRNS", one)), masked, EXACT)


def tiffs() -> Iterator[tuple[str, Case]]:
    for name, options in {
        "strips of 5 rows": {"rows": 5},
        "tiles": {"tile": 32},
        "tiles, deflate, predictor": {"tile": 16, "deflate": True, "predictor": True},
        "planes apart": {"planar": True},
        "planes apart in tiles": {"planar": True, "tile": 48},
        "big-endian": {"big_endian": True, "rows": 16},
    }.items():
        yield f"TIFF, {name}", (tiff(RGB, 2, **options), RGB, EXACT)  # type: ignore[arg-type]
    for name in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "zstd", "lzma"):
        yield f"TIFF, {name}", (pillow(RGB, "TIFF", compression=name), RGB, EXACT)
    yield "TIFF, JPEG inside", (pillow(RGB, "TIFF", compression="jpeg", quality=95), RGB, COARSE)
    yield "TIFF, BigTIFF", (pillow(RGB, "TIFF", big_tiff=True), RGB, EXACT)
    for big in (False, True):
        order = "big" if big else "little"
        yield f"TIFF, 16-bit grey, {order}", (tiff(deep(GREY)[..., None], 1, big_endian=big), grey(GREY), ROUNDED)
        yield f"TIFF, 16-bit RGB, {order}", (tiff(deep(RGB), 2, big_endian=big), RGB, ROUNDED)
    yield "TIFF, 16-bit, white is zero", (tiff(65535 - deep(GREY)[..., None], 0), grey(GREY), ROUNDED)
    yield "TIFF, 8-bit, white is zero", (tiff(255 - GREY[..., None], 0), grey(GREY), EXACT)
    bits, meant = reduced(GREY, 1)
    yield "TIFF, 1-bit, white is zero", (tiff(1 - bits[..., None], 0, bits=1), grey(meant), EXACT)
    fax = encoded(Image.fromarray(meant).convert("1"), "TIFF", compression="group4")
    yield "TIFF, fax group 4", (fax, grey(meant), EXACT)
    real = (GREY / 255).astype(np.float32)[..., None]
    yield "TIFF, float of 0..1", (tiff(real, 1), grey(GREY), ROUNDED)
    yield "TIFF, float of 0..1, big-endian", (tiff(real, 1, big_endian=True), grey(GREY), ROUNDED)
    heights = GREY.astype(np.float32) * 7 - 300
    low, high = heights.min(), heights.max()
    yield "TIFF, float of heights", (tiff(heights[..., None], 1), grey((heights - low) / (high - low) * 255), ROUNDED)
    whole = GREY.astype(np.int32) * 70_000
    stretched = grey((whole - whole.min()) / (whole.max() - whole.min()) * 255)
    yield "TIFF, 32-bit integers", (tiff(whole[..., None], 1), stretched, ROUNDED)
    yield "TIFF, opacity", (tiff(with_opacity(RGB), 2, extra=2), over_white(RGB, OPACITY), ROUNDED)
    multiplied = np.rint(RGB * (OPACITY / 255)[..., None]).astype(np.uint8)
    # What is left of a colour in few levels of opacity is rounded, but so is the little of it that is seen.
    yield "TIFF, opacity multiplied in", (tiff(with_opacity(multiplied), 2, extra=1), over_white(RGB, OPACITY), 40.0)
    yield "TIFF, CMYK", (tiff(as_ink(RGB), 5), RGB, ROUNDED - 5)
    places, palette = few_colours(256)
    yield "TIFF, palette", (tiff(places[..., None], 3, palette=palette.astype(np.uint16) * 257), palette[places], EXACT)
    lab = np.dstack([GREY, np.zeros_like(GREY), np.zeros_like(GREY)])  # a* and b* are signed
    yield "TIFF, Lab", (tiff(lab, 8), lab_grey(GREY), 38.0)
    yield "TIFF, orientation 6", (tiff(np.rot90(RGB, 1).copy(), 2, more=((274, 6),)), RGB, EXACT)


def bitmaps() -> Iterator[tuple[str, Case]]:
    size = (RGB.shape[1], RGB.shape[0])
    r, g, b = (RGB[..., i].astype(np.uint32) for i in range(3))
    plain = b"".join(row[:, ::-1].tobytes() + bytes(-3 * size[0] % 4) for row in RGB[::-1])
    upward = b"".join(row[:, ::-1].tobytes() + bytes(-3 * size[0] % 4) for row in RGB)
    yield "BMP, 24 bits", (bmp(size, 24, 0, plain), RGB, EXACT)
    yield "BMP, top down", (bmp(size, 24, 0, upward, top_down=True), RGB, EXACT)
    yield "BMP, 32 bits", (bmp(size, 32, 0, rows_of(r << 16 | g << 8 | b, 32)), RGB, EXACT)
    five = np.dstack([r >> 3 << 3, g >> 2 << 2, b >> 3 << 3]).astype(np.uint8)
    bits = rows_of(r >> 3 << 11 | g >> 2 << 5 | b >> 3, 16)
    yield "BMP, 5-6-5 bits", (bmp(size, 16, 3, bits, masks=(0xF800, 0x07E0, 0x001F)), five, COARSE + 8)
    yield "BMP, 5-5-5 bits", (bmp(size, 16, 0, rows_of(r >> 3 << 10 | g >> 3 << 5 | b >> 3, 16)), five, COARSE + 8)
    masks = (0xFF000000, 0x00FF0000, 0x0000FF00, 0)
    yield "BMP, masks", (bmp(size, 32, 3, rows_of(r << 24 | g << 16 | b << 8, 32), masks=masks[:3]), RGB, EXACT)
    opaque = r << 16 | g << 8 | b | OPACITY.astype(np.uint32) << 24
    masks = (0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    yield "BMP, opacity", (bmp(size, 32, 3, rows_of(opaque, 32), masks=masks), over_white(RGB, OPACITY), ROUNDED)
    for bits_each in (1, 4, 8):
        places, palette = few_colours(1 << bits_each)
        table = np.dstack([palette[None, :, ::-1], np.zeros((1, len(palette), 1), np.uint8)]).tobytes()
        yield (
            f"BMP, {bits_each}-bit palette",
            (bmp(size, bits_each, 0, rows_of(places, bits_each), table), palette[places], EXACT),
        )
        if bits_each > 1:
            runs = run_lengths(places, bits_each)
            yield (
                f"BMP, RLE{bits_each}",
                (bmp(size, bits_each, 1 if bits_each == 8 else 2, runs, table), palette[places], EXACT),
            )


def others() -> Iterator[tuple[str, Case]]:
    places, palette = few_colours(200)
    yield "GIF", (pillow_gif(places, palette), palette[places], EXACT)
    beside = np.full((RGB.shape[0] + 40, RGB.shape[1] + 60, 3), palette[0], np.uint8)
    beside[10:-30, 50:-10] = palette[places]
    screen = (beside.shape[1], beside.shape[0])
    yield "GIF, frame beside the corner", (gif(places, palette.tobytes(), screen, (50, 10)), beside, EXACT)
    rgba = with_opacity(RGB)
    yield "WebP, lossless", (pillow(RGB, "WEBP", lossless=True), RGB, EXACT)
    yield "WebP, lossy", (pillow(RGB, "WEBP", quality=95), RGB, COARSE)
    yield (
        "WebP, lossless with opacity",
        (pillow(rgba, "WEBP", lossless=True, exact=True), over_white(RGB, OPACITY), ROUNDED),
    )
    yield "WebP, lossy with opacity", (pillow(rgba, "WEBP", quality=95), over_white(RGB, OPACITY), COARSE)
    yield "AVIF", (pillow(RGB, "AVIF", quality=95, subsampling="4:4:4"), RGB, LOSSY)
    yield "AVIF with opacity", (pillow(rgba, "AVIF", quality=95, subsampling="4:4:4"), over_white(RGB, OPACITY), LOSSY)
    yield "HEIC", (heif(RGB), RGB, LOSSY)
    yield "HEIC with opacity", (heif(rgba, "RGBA"), over_white(RGB, OPACITY), LOSSY)


def profiled() -> Iterator[tuple[str, Case]]:
    for name, primaries in PRIMARIES.items():
        icc = matrix_profile(*primaries)  # type: ignore[arg-type]
        meant = from_profile(name, PALE)
        yield f"PNG, {name}", (pillow(PALE, "PNG", icc_profile=icc), meant, 38.0)
        yield f"JPEG, {name}", (pillow(PALE, "JPEG", icc_profile=icc, quality=100, subsampling=0), meant, LOSSY)
    linear = grey(srgb_curve(GREY / 255))
    yield "PNG, linear grey by profile", (pillow(GREY, "PNG", icc_profile=grey_profile(1.0)), linear, 38.0)
    yield (
        "JPEG, linear grey by profile",
        (pillow(GREY, "JPEG", icc_profile=grey_profile(1.0), quality=98), linear, 28.0),
    )


def shapes() -> Iterator[tuple[str, Case]]:
    for width, height in ((1, 1), (20_000, 10), (10, 20_000), (3, 1)):
        picture = scene(width, height)
        yield f"PNG, {width} x {height}", (pillow(picture, "PNG"), picture, EXACT)
    yield "JPEG, 20000 x 10", (pillow(scene(20_000, 10), "JPEG", quality=98, subsampling=0), scene(20_000, 10), LOSSY)


TABLE = (orientations, jpegs, pngs, tiffs, bitmaps, others, profiled, shapes)


@cache
def cases() -> dict[str, Case]:
    return {name: case for group in TABLE for name, case in group()}
