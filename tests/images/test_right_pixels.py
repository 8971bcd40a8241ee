"""One table of odd but valid images: each against its reference, made by NumPy from what the format says it means.

Every row says how near the decoded pixels are (PSNR) and how near the bundled model's vectors (cosine); `pytest -s`
prints it, docs/images.md keeps it.
"""

from __future__ import annotations

import io
import math
import sys
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dinosearch.embedding import open_embedder
from dinosearch.images import decode, prepare
from tests.images.icc import grey_profile, matrix_profile
from tests.images.pictures import encoded
from tests.images.test_decode import STORED, with_exif
from tests.images.writers import bmp, gif, png, rows_of, run_lengths, tiff

COSINE = 0.99
EXACT, ROUNDED, LOSSY, COARSE = math.inf, 45.0, 32.0, 24.0  # dB
Case = tuple[bytes, np.ndarray, float]


def scene(width: int = 160, height: int = 112) -> np.ndarray:
    """(h, w, 3) uint8: sky, a sun, a hill, a house; no turn and no mirroring leaves it as it is.

    The edges are two pixels soft, so that the losses of a good JPEG stay small.
    """
    y, x = np.mgrid[:height, :width] / np.array([height, width]).reshape(2, 1, 1)
    picture = np.stack([90 + 80 * y, 140 + 60 * y, 225 - 60 * y], axis=-1)

    def paint(depth: np.ndarray, colour: tuple[int, int, int]) -> None:
        share = np.clip(depth * min(width, height) / 2 + 0.5, 0, 1)[..., None]
        picture[:] = picture * (1 - share) + np.array(colour) * share

    paint(0.11 - np.hypot(x - 0.75, y - 0.25), (245, 210, 80))
    paint(y - 0.75 + 0.2 * np.sin(3 * x), (70, 130, 60))
    paint(0.14 - np.maximum(abs(x - 0.3), abs(y - 0.65)), (170, 80, 60))
    paint(0.05 - np.maximum(abs(x - 0.34), abs(y - 0.68)), (40, 40, 50))
    return np.asarray(np.rint(picture), np.uint8)


RGB = scene()
GREY = RGB[..., 1]
PALE = (RGB // 2 + 64).astype(np.uint8)  # within every gamut
OPACITY = np.tile(np.linspace(0, 255, RGB.shape[1]).astype(np.uint8), (RGB.shape[0], 1))


def grey(values: np.ndarray) -> np.ndarray:
    """(h, w) numbers of 0..255 as pixels."""
    return np.stack([np.clip(np.rint(values), 0, 255).astype(np.uint8)] * 3, axis=-1)


def over_white(colours: np.ndarray, opacity: np.ndarray) -> np.ndarray:
    share = (opacity / 255)[..., None]
    return np.rint(colours * share + 255 * (1 - share)).astype(np.uint8)


def with_opacity(colours: np.ndarray, opacity: np.ndarray = OPACITY) -> np.ndarray:
    return np.dstack([colours, opacity])


def deep(values: np.ndarray) -> np.ndarray:
    """8 bits as 16 with something in the low byte, that rounds to the same."""
    return (values.astype(np.uint16) * 257) ^ 0x11


def reduced(values: np.ndarray, bits: int) -> tuple[np.ndarray, np.ndarray]:
    """Samples of so few bits, and the 8-bit values that they mean."""
    few = values >> (8 - bits)
    return few, few * (255 // ((1 << bits) - 1))


def few_colours(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Places in a palette (h, w) and the palette (count, 3)."""
    image = Image.fromarray(RGB).quantize(count, dither=Image.Dither.NONE)
    palette = np.array(image.getpalette(), np.uint8).reshape(-1, 3)[:count]
    return np.asarray(image), np.concatenate([palette, np.zeros((count - len(palette), 3), np.uint8)])


# From ICC profile connection space (D50) to linear sRGB: the inverse of sRGB's D50-adapted primaries as columns.
SRGB_D50 = np.array([[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.71410]])
PRIMARIES = {
    "Adobe RGB": ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457), 563 / 256),
    "Display P3": ((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407), 563 / 256),
    "ProPhoto": ((0.79767, 0.28804, 0.0), (0.13519, 0.71188, 0.0), (0.03134, 0.00009, 0.82491), 461 / 256),
}


def srgb_curve(linear: np.ndarray) -> np.ndarray:
    low = np.clip(linear, 0, 1)
    return np.where(low <= 0.0031308, 12.92 * low, 1.055 * low ** (1 / 2.4) - 0.055) * 255


def from_profile(name: str, colours: np.ndarray) -> np.ndarray:
    *primaries, gamma = PRIMARIES[name]
    connection = (colours / 255) ** gamma @ np.array(primaries)
    return np.rint(srgb_curve(connection @ np.linalg.inv(SRGB_D50).T)).astype(np.uint8)


def as_ink(colours: np.ndarray) -> np.ndarray:
    """(h, w, 4) uint8 of ink, black taken out: cyan, magenta, yellow, black."""
    black = 255 - colours.max(axis=2)
    rest = (255 - colours.astype(float) - black[..., None]) / np.maximum(255.0 - black, 1)[..., None] * 255
    return np.dstack([np.rint(rest).astype(np.uint8), black])


def jpeg_of_four(planes: np.ndarray, *, adobe: int | None) -> bytes:
    """A JPEG that stores four planes as they are, with the Adobe marker of that transform or without."""
    image = Image.merge("CMYK", [Image.fromarray(255 - planes[..., i]) for i in range(4)])  # Pillow inverts them
    data = encoded(image, "JPEG", quality=98, subsampling=0)
    at = data.index(b"\xff\xee")
    length = 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    marker = data[at : at + length - 1] + bytes([adobe or 0])
    return data[:at] + (b"" if adobe is None else marker) + data[at + length :]


def ycc(rgb: np.ndarray) -> np.ndarray:
    """JFIF's YCbCr."""
    r, g, b = np.moveaxis(rgb.astype(float), 2, 0)
    y = 0.299 * r + 0.587 * g + 0.114 * b
    planes = np.dstack([y, 128 + (b - y) / 1.772, 128 + (r - y) / 1.402])
    return np.clip(np.rint(planes), 0, 255).astype(np.uint8)


def pillow(image: np.ndarray, format_: str, **options: Any) -> bytes:
    return encoded(Image.fromarray(image), format_, **options)


def heif(image: np.ndarray, mode: str = "RGB") -> bytes:
    import pillow_heif

    buffer = io.BytesIO()
    pillow_heif.from_bytes(mode, image.shape[1::-1], image.tobytes()).save(buffer, quality=95, chroma=444)
    return buffer.getvalue()


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


def lab_grey(values: np.ndarray) -> np.ndarray:
    """What CIE L* of 0..100 in 8 bits is in sRGB, without colour."""
    light = values / 255 * 100
    linear = np.where(light > 8, ((light + 16) / 116) ** 3, light / 903.3)
    return grey(srgb_curve(linear))


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


def pillow_gif(places: np.ndarray, palette: np.ndarray) -> bytes:
    image = Image.fromarray(places)
    image.putpalette(palette.tobytes())
    return encoded(image, "GIF", interlace=1)


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


def psnr(one: np.ndarray, other: np.ndarray) -> float:
    error = float(np.mean((one.astype(float) - other) ** 2))
    return math.inf if error == 0 else 10 * math.log10(255**2 / error)


@cache
def bundled() -> Any:
    return open_embedder("mini", device="cpu")


def cosines(pairs: list[tuple[bytes, bytes]]) -> np.ndarray:
    """(n,) of the bundled model's vectors of each pair of encoded images."""
    model = bundled()
    pixels = [prepare(data, "x", model.preprocessing, model.patch_size).pixels for pair in pairs for data in pair]
    different = {each.tobytes(): each for each in pixels}
    vectors = dict(zip(different, model.embed(list(different.values())), strict=True))
    rows = np.array([vectors[each.tobytes()] for each in pixels])
    return np.asarray((rows[::2] * rows[1::2]).sum(axis=1))


def test_every_odd_image_has_the_pixels_that_its_format_means() -> None:
    near = cosines([(data, pillow(meant, "PNG")) for data, meant, _ in cases().values()])
    wrong = []
    sys.stdout.write(f"\n{len(cases())} images\n| image | PSNR, dB | cosine |\n|---|---:|---:|\n")
    for (name, (data, meant, bound)), cosine in zip(cases().items(), near, strict=True):
        found = np.asarray(decode(data, name)[0])
        same = found.shape == meant.shape
        distance = psnr(found, meant) if same else -math.inf
        shown = "exact" if distance == math.inf else f"{distance:.1f}"
        sys.stdout.write(f"| {name} | {shown} | {cosine:.4f} |\n")
        if not same or distance < bound or cosine < COSINE:
            wrong.append((name, found.shape, meant.shape, round(distance, 1), round(float(cosine), 4)))
    assert not wrong


@pytest.mark.parametrize(
    "spoil",
    [
        lambda image: image[:, ::-1],
        lambda image: np.rot90(image),
        lambda image: 255 - image,
        lambda image: np.minimum(image.astype(int) * 4, 255),
        lambda image: image[..., ::-1],
        lambda image: np.roll(image, 40, axis=1),
    ],
    ids=["mirrored", "turned", "inverted", "clipped", "channels swapped", "shifted"],
)
def test_the_table_would_notice(spoil: Callable[[np.ndarray], np.ndarray]) -> None:
    """The usual faults of decoders are far beyond the bounds, so that the table says something."""
    spoilt = np.ascontiguousarray(spoil(RGB)).astype(np.uint8)
    [cosine] = cosines([(pillow(spoilt, "PNG"), pillow(RGB, "PNG"))])
    assert cosine < COSINE or (spoilt.shape == RGB.shape and psnr(spoilt, RGB) < COARSE)
