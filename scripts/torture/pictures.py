"""Valid pictures of every format that is decoded, and random damage to them: the same for the same random numbers."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from functools import cache
from random import Random

import numpy as np
import pillow_heif
from PIL import Image, ImageCms

SUFFIXES = {"JPEG": "jpg", "PNG": "png", "WEBP": "webp", "GIF": "gif", "TIFF": "tif", "BMP": "bmp"}
SUFFIXES |= {"HEIF": "heic", "AVIF": "avif"}
EXTREMES = (0, 1, 0x7F, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
HEAD = 256
MAGIC = b"\x89PNG\r\n\x1a\n"


@cache
def valid() -> dict[str, tuple[bytes, ...]]:
    """Small files of each format, in the modes and compressions that take other ways through the decoders."""
    y, x = np.mgrid[:48, :64]
    rgb = np.stack([x * 4, y * 5, (x // 8 + y // 8) % 2 * 160], axis=-1).astype(np.uint8)
    colour = Image.fromarray(rgb)
    grey, palette, bits = colour.convert("L"), colour.quantize(60), colour.convert("1")
    alpha = Image.merge("RGBA", [*colour.split(), grey])
    shallow = Image.merge("LA", [grey, grey])
    deep = Image.fromarray(rgb[..., 0].astype(np.uint16) * 257)
    real = Image.fromarray(rgb[..., 0].astype(np.float32) / 255)
    ink = Image.merge("CMYK", [grey] * 4)
    exif = Image.Exif()
    exif.update({0x0112: 6, 0x010F: "maker", 0x0110: "model", 0x0132: "2020:01:02 03:04:05"})
    exif.get_ifd(0x8769)[0x9003] = "2020:01:02 03:04:05"
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    turned = colour.transpose(Image.Transpose.ROTATE_90)

    def of(image: Image.Image, format_: str, **options: object) -> bytes:
        buffer = io.BytesIO()
        image.save(buffer, format_, **options)
        return buffer.getvalue()

    def frames(format_: str, **options: object) -> bytes:
        rest = [colour.rotate(angle) for angle in (30, 60, 90)]
        return of(colour, format_, save_all=True, append_images=rest, **options)

    def heif(image: Image.Image) -> bytes:
        buffer = io.BytesIO()
        pillow_heif.from_pillow(image).save(buffer, quality=60)
        return buffer.getvalue()

    jpegs: list[dict[str, object]] = [{}, {"progressive": True}, {"exif": exif, "icc_profile": icc}]
    jpegs += [{"restart_marker_blocks": 2}, {"subsampling": 0, "comment": b"text" * 20}]
    packed = ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg", "zstd", "lzma")
    return {
        "JPEG": (*(of(colour, "JPEG", **o) for o in jpegs), of(grey, "JPEG"), of(ink, "JPEG"), frames("MPO")),
        "PNG": (
            *(of(i, "PNG") for i in (colour, grey, palette, bits, alpha, shallow, deep)),
            of(turned, "PNG", exif=exif, icc_profile=icc),
            of(palette, "PNG", transparency=bytes(range(60))),
            frames("PNG"),
        ),
        "WEBP": (
            *(of(i, "WEBP", lossless=flag) for i in (colour, alpha) for flag in (False, True)),
            of(turned, "WEBP", exif=exif, icc_profile=icc),
            frames("WEBP"),
        ),
        "GIF": (of(colour, "GIF"), of(grey, "GIF", interlace=True), of(palette, "GIF", transparency=3), frames("GIF")),
        "TIFF": (
            *(of(i, "TIFF") for i in (colour, grey, palette, bits, alpha, deep, real, ink, colour.convert("LAB"))),
            *(of(colour, "TIFF", compression=name) for name in packed),
            of(bits, "TIFF", compression="group4"),
            of(turned, "TIFF", exif=exif, icc_profile=icc, big_tiff=True),
            frames("TIFF"),
        ),
        "BMP": tuple(of(i, "BMP") for i in (colour, grey, palette, bits, alpha)),
        "HEIF": (heif(colour), heif(alpha)),
        "AVIF": (of(colour, "AVIF", quality=60), of(alpha, "AVIF", exif=exif, icc_profile=icc), frames("AVIF")),
    }


def mutated(random: Random) -> tuple[str, bytes]:
    """A damaged file; its name says the format and what was done."""
    format_ = random.choice(sorted(SUFFIXES))
    data = bytearray(random.choice(valid()[format_]))
    done = []
    for _ in range(random.choice((1, 1, 2, 3))):
        name, damage = random.choice(DAMAGES)
        damage(random, data)
        done.append(name)
    if format_ == "PNG" and random.random() < 0.7:  # else most damage would end at the first checksum
        data = bytearray(with_true_sums(bytes(data)))
        done.append("sums")
    return f"{'-'.join(done)}.{SUFFIXES[format_]}", bytes(data)


def _flip_head(random: Random, data: bytearray) -> None:
    _flip(random, data, HEAD)


def _flip_body(random: Random, data: bytearray) -> None:
    _flip(random, data, len(data))


def _flip(random: Random, data: bytearray, end: int) -> None:
    for _ in range(random.randint(1, 8) if data else 0):
        data[random.randrange(min(end, len(data)))] ^= 1 << random.randrange(8)


def _truncate(random: Random, data: bytearray) -> None:
    del data[random.randrange(len(data) + 1) :]


def _cut(random: Random, data: bytearray) -> None:
    at = random.randrange(len(data) + 1)
    del data[at : at + random.choice((1, 4, 16, 200))]


def _splice(random: Random, data: bytearray) -> None:
    other = random.choice(valid()[random.choice(sorted(SUFFIXES))])
    low, at = random.randrange(len(other)), random.randrange(len(data) + 1)
    data[at : at + random.choice((0, 16, 200))] = other[low : low + random.choice((16, 100, 1000))]


def _extreme(random: Random, data: bytearray) -> None:
    """Set a field of 2, 4 or 8 bytes in either byte order: lengths, counts, sizes and offsets are such."""
    for _ in range(random.randint(1, 3)):
        width = random.choice((2, 4, 4, 8))
        at = random.randrange(max(1, min(len(data), random.choice((64, HEAD, 4096)))))
        value = random.choice(EXTREMES) % (1 << 8 * width)
        data[at : at + width] = value.to_bytes(width, random.choice(("big", "little")))


def _repeat(random: Random, data: bytearray) -> None:
    low = random.randrange(len(data) + 1)
    part = bytes(data[low : low + random.choice((2, 12, 64, 500))])
    data[low:low] = part * min(random.choice((1, 10, 1000, 50_000)), (4 << 20) // max(1, len(part)))


def _noise(random: Random, data: bytearray) -> None:
    at = random.randrange(len(data) + 1)
    data[at : at + random.choice((4, 64, 1000))] = random.randbytes(random.choice((4, 64, 1000)))


DAMAGES: tuple[tuple[str, Callable[[Random, bytearray], None]], ...] = (
    ("head", _flip_head),
    ("body", _flip_body),
    ("truncated", _truncate),
    ("cut", _cut),
    ("spliced", _splice),
    ("extreme", _extreme),
    ("extreme", _extreme),
    ("repeated", _repeat),
    ("noise", _noise),
)


def with_true_sums(data: bytes) -> bytes:
    """A PNG whose chunks have right checksums, as far as its lengths can be followed."""
    out, at = bytearray(data), 8
    while at + 12 <= len(out):
        end = at + 8 + int.from_bytes(out[at : at + 4], "big")
        if end + 4 > len(out):
            break
        out[end : end + 4] = zlib.crc32(out[at + 4 : end]).to_bytes(4, "big")
        at = end + 4
    return bytes(out)


def chunk(name: bytes, body: bytes) -> bytes:
    """One chunk of a PNG."""
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(width: int, height: int, *middle: bytes, bits: int = 8, kind: int = 2, interlaced: int = 0) -> bytes:
    """A PNG of its header and these chunks."""
    header = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, interlaced)
    return MAGIC + chunk(b"IHDR", header) + b"".join(middle) + chunk(b"IEND", b"")


def zeros(count: int) -> bytes:
    """So many zeros, deflated a thousandfold."""
    packer, block = zlib.compressobj(9), bytes(1 << 20)
    parts = [packer.compress(block) for _ in range(count >> 20)] + [packer.compress(bytes(count % (1 << 20)))]
    return b"".join(parts) + packer.flush()
