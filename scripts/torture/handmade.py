"""Files made by hand to hurt: bombs, loops, extreme fields, polyglots, other formats under image names.

`handmade()` gives all of them; the large ones are left out where the run shall be short.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from functools import cache
from random import Random

from PIL import Image

from torture.pictures import MAGIC, SUFFIXES, chunk, png, valid, zeros

MB = 1 << 20
MAX32 = 0xFFFFFFFF


@cache
def handmade(short: bool = False) -> dict[str, bytes]:
    """Name and content of every file; 300 MB of pixels and more, or seconds to decode, only when not short."""
    files = {**dict(_png()), **dict(_jpeg()), **dict(_tiff()), **dict(_others()), **dict(_strangers())}
    if not short:
        files |= dict(_large())
    return files


def _png() -> Iterator[tuple[str, bytes]]:
    plain = valid()["PNG"][0]
    body = chunk(b"IDAT", zlib.compress(bytes(4096)))
    yield "bomb-50000x50000.png", png(50_000, 50_000, body)
    yield "claims-20000x20000.png", png(20_000, 20_000, body)
    yield "claims-2147483647x1.png", png(0x7FFFFFFF, 1, body)
    yield "claims-1x2147483647.png", png(1, 0x7FFFFFFF, body)
    yield "negative.png", png(0x80000001, 0xFFFFFFFF, body)
    yield "zero-wide.png", png(0, 10, body)
    yield "zero-high.png", png(10, 0, body)
    yield "no-pixels.png", png(10, 10)
    yield "no-header.png", MAGIC + body + chunk(b"IEND", b"")
    yield "only-magic.png", MAGIC
    yield "no-palette.png", png(10, 10, body, kind=3)
    yield "odd-depth.png", png(10, 10, body, bits=7, kind=6)
    yield "chunk-of-4-gigabytes.png", plain[:33] + struct.pack(">I", MAX32) + b"IDAT" + plain[33:]
    for name in (b"iCCP", b"zTXt"):
        bomb = chunk(name, b"name\0\0" + zeros(32 * MB))
        yield f"bomb-in-{name.decode()}.png", plain[:33] + bomb + plain[33:]
        yield f"bombs-in-{name.decode()}.png", plain[:33] + chunk(name, b"name\0\0" + zeros(MB - 9)) * 200 + plain[33:]
    yield "bomb-in-iTXt.png", plain[:33] + chunk(b"iTXt", b"name\0\1\0\0\0" + zeros(32 * MB)) + plain[33:]
    yield "chunks-100000.png", plain[:33] + chunk(b"tIME", bytes(7)) * 100_000 + plain[33:]
    yield "frames-2147483647.png", plain[:33] + chunk(b"acTL", struct.pack(">II", 0x7FFFFFFF, 0)) + plain[33:]
    for name, tags in exifs().items():
        yield f"exif-{name}.png", plain[:33] + chunk(b"eXIf", tags) + plain[33:]
    for name, profile in profiles().items():
        yield f"icc-{name}.png", plain[:33] + chunk(b"iCCP", b"name\0\0" + zlib.compress(profile)) + plain[33:]


def _jpeg() -> Iterator[tuple[str, bytes]]:
    plain, progressive = valid()["JPEG"][:2]

    def segment(marker: int, body: bytes) -> bytes:
        return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body

    def sized(data: bytes, width: int, height: int) -> bytes:
        at = next(i for i in (data.find(b"\xff\xc0"), data.find(b"\xff\xc2")) if i >= 0)
        return data[: at + 5] + struct.pack(">HH", height, width) + data[at + 9 :]

    yield "claims-65500x65500.jpg", sized(plain, 65_500, 65_500)
    yield "claims-65500x6000.jpg", sized(plain, 65_500, 6_000)
    yield "claims-20000x20000-progressive.jpg", sized(progressive, 20_000, 20_000)
    yield "zero-wide.jpg", sized(plain, 0, 48)
    yield "zero-high.jpg", sized(plain, 64, 0)
    at = progressive.rfind(b"\xff\xda")
    scan, tail = progressive[at:-2], progressive[-2:]
    yield "scans-100000.jpg", progressive[:at] + scan * min(100_000, 8 * MB // len(scan)) + tail
    yield "scans-of-1000x1000.jpg", sized(progressive[:at] + scan * 20_000 + tail, 1_000, 1_000)
    yield "comments-64-MB.jpg", plain[:2] + segment(0xFE, bytes(65_533)) * 1_000 + plain[2:]
    yield "tables-100000.jpg", plain[:2] + segment(0xDB, bytes([0]) + bytes([1]) * 64) * 100_000 + plain[2:]
    yield "fill-bytes-2-MB.jpg", plain[:2] + b"\xff" * (2 * MB) + plain[2:]
    start = plain.find(b"\xff\xda") + 14
    yield "restarts-1000000.jpg", plain[:start] + b"\xff\xd0" * 1_000_000 + plain[start:]
    yield "restart-interval.jpg", plain[:2] + segment(0xDD, b"\xff\xff") + plain[2:]
    yield "no-end.jpg", plain[:-2]
    yield "only-magic.jpg", b"\xff\xd8\xff"
    for marker, name in ((0xC3, "lossless"), (0xC5, "hierarchical"), (0xC9, "arithmetic"), (0xCB, "both")):
        yield f"{name}.jpg", plain.replace(b"\xff\xc0", bytes((0xFF, marker)), 1)
    at = plain.find(b"\xff\xc0")
    yield "twelve-bit.jpg", plain[: at + 4] + b"\x0c" + plain[at + 5 :]
    yield "components-255.jpg", plain[: at + 9] + b"\xff" + plain[at + 10 :]
    for name, tags in exifs().items():
        if len(tags) < 65_000:
            yield f"exif-{name}.jpg", plain[:2] + segment(0xE1, b"Exif\0\0" + tags) + plain[2:]
    for name, profile in profiles().items():
        marked = segment(0xE2, b"ICC_PROFILE\0\1\1" + profile[:65_000])
        yield f"icc-{name}.jpg", plain[:2] + marked + plain[2:]
    yield "polyglot-zip.jpg", plain + b"PK\3\4" + bytes(26) + b"a.py" + b"PK\5\6" + bytes(18)
    yield "polyglot-pdf.jpg", plain[:2] + segment(0xFE, b"%PDF-1.4\n1 0 obj<<>>endobj") + plain[2:] + b"%%EOF"
    yield "polyglot-html.jpg", plain[:2] + segment(0xFE, b"<script>alert(1)</script>") + plain[2:]


def tiff(*entries: tuple[int, int, int, int], follow: int = 0, rest: bytes = b"") -> bytes:
    """A little-endian TIFF of one directory at 8: (tag, type, count, value), the next directory, what lies behind."""
    body = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + body + struct.pack("<I", follow) + rest


def _tiff() -> Iterator[tuple[str, bytes]]:
    def plain(width: int = 8, height: int = 8, compression: int = 1, **other: int) -> list[tuple[int, int, int, int]]:
        entries = {"bits": 8, "photometric": 1, "at": 200, "samples": 1, "rows": height, "count": 64, **other}
        tags = (256, 257, 258, 259, 262, 273, 277, 278, 279)
        values = (width, height, entries["bits"], compression, entries["photometric"])
        values += (entries["at"], entries["samples"], entries["rows"], entries["count"])
        return [(tag, 4, 1, value) for tag, value in zip(tags, values, strict=True)]

    yield "loop-to-itself.tif", tiff(*plain(), follow=8, rest=bytes(200))
    directories = [struct.pack("<HHHIII", 1, 254, 4, 1, 0, 10 + 9 * 12 + 4 + 18 * (i + 1)) for i in range(100_000)]
    yield "directories-100000.tif", tiff(*plain(at=1), follow=10 + 9 * 12 + 4, rest=b"".join(directories))
    yield "loop-of-subdirectories.tif", tiff(*plain(), (330, 4, 1, 8), (34665, 4, 1, 8), rest=bytes(200))
    yield "entries-65535.tif", tiff(*plain(), *[(50_000 + i % 999, 4, 1, 0) for i in range(65_526)], rest=bytes(99))
    yield "claims-2147483647.tif", tiff(*plain(0x7FFFFFFF, 0x7FFFFFFF))
    yield "claims-20000x20000.tif", tiff(*plain(20_000, 20_000, count=MAX32), rest=bytes(200))
    yield "claims-20000x20000-float.tif", tiff(*plain(20_000, 20_000, bits=32), (339, 4, 1, 3), rest=bytes(200))
    yield "zero-wide.tif", tiff(*plain(0, 8))
    yield "zero-rows-a-strip.tif", tiff(*plain(rows=0), rest=bytes(200))
    yield "strip-beyond-the-end.tif", tiff(*plain(at=MAX32), rest=bytes(200))
    yield "samples-65535.tif", tiff(*plain(samples=65_535, bits=65_535), rest=bytes(200))
    yield "no-entries.tif", tiff()
    yield "only-magic.tif", b"II*\0"
    yield "count-of-4-gigabytes.tif", tiff(*plain(), (320, 3, MAX32, 8), (700, 7, MAX32, 8), rest=bytes(200))
    for side in (0, 16, 0x7FFFFFF0):
        tiles = [e for e in plain() if e[0] not in (273, 278, 279)]
        more = [(322, 4, 1, side), (323, 4, 1, side), (324, 4, 1, 200), (325, 4, 1, 64)]
        yield f"tiles-of-{side}.tif", tiff(*tiles, *more, rest=bytes(200))
    for compression in (2, 3, 4, 5, 6, 7, 8, 32773, 32946, 34712, 34925, 50000, 50001, 65535):
        yield f"noise-compression-{compression}.tif", tiff(*plain(999, 999, compression), rest=Random(3).randbytes(999))
    yield "big-count.tif", b"II+\0" + struct.pack("<HHQQ", 8, 0, 16, (1 << 64) - 1) + bytes(100)
    packed = zeros(20_000 * 2_500)
    bits = plain(20_000, 20_000, 8, bits=1, at=122, count=len(packed))
    yield "bomb-1-bit-deflated.tif", tiff(*bits, rest=packed)


def _others() -> Iterator[tuple[str, bytes]]:
    gif = valid()["GIF"][0]
    colours = 13 + 3 * (2 << (gif[10] & 7))
    screen = b"GIF89a" + struct.pack("<HHBBB", 65_535, 6_000, 0x80, 0, 0) + bytes(6)
    yield "claims-65535x65535.gif", b"GIF89a" + struct.pack("<HHBBB", 65_535, 65_535, 0x80, 0, 0) + gif[13:]
    yield "screen-65535x6000.gif", screen + b",\0\0\0\0\1\0\1\0\0\2\2L\1\0;"
    yield "frame-beyond-the-screen.gif", gif[:6] + b"\4\0\4\0" + gif[10:]
    yield "zero.gif", gif[:6] + bytes(4) + gif[10:]
    yield "comment-of-64-MB.gif", gif[:colours] + b"!\xfe" + (b"\xff" + bytes(255)) * 260_000 + b"\0" + gif[colours:]
    yield "polyglot-script.gif", b"GIF89a" + b"=1;alert(1)/*" + gif[13:] + b"*/"
    frame = gif[colours:-1]
    yield "frames-5000.gif", gif[:-1] + frame * (5_000 * 1_000 // max(1_000, len(frame))) + b";"

    def bmp(width: int, height: int, bits: int, compression: int, rest: bytes = b"", colours: int = 0) -> bytes:
        header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, 0, 0, 0, colours, 0)
        return b"BM" + struct.pack("<IHHI", 54 + len(rest), 0, 0, 54 + 4 * colours) + header + rest

    yield "claims-30000x13000.bmp", bmp(30_000, 13_000, 24, 0, bytes(99))
    yield "bomb-rle.bmp", bmp(20_000, 20_000, 8, 1, bytes(1024) + b"\xff\1" * 999 + b"\0\1", 256)
    yield "jumps-rle.bmp", bmp(5_000, 5_000, 8, 1, bytes(1024) + b"\0\2\xff\xff" * 99_999, 256)
    yield "lowest-height.bmp", bmp(8, -0x80000000, 24, 0, bytes(999))
    yield "negative-width.bmp", bmp(-8, 8, 24, 0, bytes(999))
    yield "zero.bmp", bmp(0, 0, 24, 0)
    yield "masks-of-nothing.bmp", bmp(8, 8, 32, 3, bytes(300))
    yield "colours-4-billion.bmp", bmp(8, 8, 8, 0, bytes(999))[:46] + b"\xff" * 4 + bytes(999)

    webp = valid()["WEBP"][2]
    vp8x = b"VP8X" + struct.pack("<IB3x", 10, 2) + b"\xff" * 6
    yield "canvas-16777216.webp", b"RIFF" + struct.pack("<I", 4 + len(vp8x)) + b"WEBP" + vp8x + webp[12:]
    yield "claims-16384x16384.webp", webp[:21] + b"\xff\xff\xff\x0f" + webp[25:]
    yield "length-4-gigabytes.webp", webp[:4] + b"\xff" * 4 + webp[8:]
    for format_ in ("AVIF", "HEIF"):
        for side in (0, 20_000, 0x7FFFFFFF):
            data = bytearray(valid()[format_][0])
            at = data.find(b"ispe") + 8
            data[at : at + 8] = struct.pack(">II", side, side)
            yield f"claims-{side}x{side}.{SUFFIXES[format_]}", bytes(data)
        yield f"only-magic.{SUFFIXES[format_]}", valid()[format_][0][:32]


def _strangers() -> Iterator[tuple[str, bytes]]:
    yield "empty.jpg", b""
    yield "one-byte.png", b"\x89"
    yield "noise.jpg", Random(1).randbytes(MB)
    yield "nothing.png", bytes(MB)
    yield "svg.png", b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'
    yield "svg-bomb.jpg", b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><svg>&b;</svg>'
    yield "html.gif", b"<!doctype html><script>alert(1)</script>"
    yield "mp4.jpg", b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + bytes(999)
    yield "heic-of-nothing.heic", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(999)
    yield "pdf.jpg", b"%PDF-1.7\n" + valid()["JPEG"][0]
    yield "zip.png", b"PK\5\6" + bytes(18)
    yield "postscript.jpg", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n{loop} exec"
    for name, magic in (
        ("psd", b"8BPS\0\1"),
        ("fits", b"SIMPLE  =   T"),
        ("dds", b"DDS |\0\0\0"),
        ("ico", b"\0\0\1\0"),
    ):
        yield f"{name}.jpg", magic + bytes(999)


def _large() -> Iterator[tuple[str, bytes]]:
    def full(side: int, kind: int, depth: int = 8, interlaced: int = 0) -> bytes:
        channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[kind]
        body = chunk(b"IDAT", zeros(side * (side * channels * depth // 8 + 1) + 64 * side * interlaced))
        palette = (chunk(b"PLTE", bytes(768)),) if kind == 3 else ()
        return png(side, side, *palette, body, kind=kind, bits=depth, interlaced=interlaced)

    for kind, name in ((0, "grey"), (2, "rgb"), (3, "palette"), (4, "grey-alpha"), (6, "rgba")):
        yield f"bomb-10000x10000-{name}.png", full(10_000, kind)
    yield "bomb-10000x10000-interlaced.png", full(10_000, 2, interlaced=1)
    yield "bomb-10000x10000-16-bit.png", full(10_000, 0, depth=16)
    yield "bomb-20000x20000-1-bit.png", full(20_000, 0, depth=1)
    for format_, options in (("WEBP", {"lossless": True, "method": 0}), ("AVIF", {"speed": 10})):
        buffer = io.BytesIO()
        Image.new("RGB", (6_000, 6_000)).save(buffer, format_, **options)
        yield f"bomb-6000x6000.{SUFFIXES[format_]}", buffer.getvalue()
    buffer = io.BytesIO()
    Image.new("RGB", (8_000, 8_000)).save(buffer, "JPEG", progressive=True)
    data = buffer.getvalue()
    at = data.rfind(b"\xff\xda")
    yield "scans-of-8000x8000.jpg", data[:at] + data[at:-2] * 200 + data[-2:]


def exifs() -> dict[str, bytes]:
    """Damaged EXIF blocks."""
    many = [(0x9000 + i % 0x5000, 4, 1, i) for i in range(65_535)]
    return {
        "loop": tiff((0x0112, 3, 1, 6), (0x8769, 4, 1, 8), follow=8),
        "many": tiff(*many),
        "claims-many": b"II*\0\x08\0\0\0\xff\xff" + bytes(24),
        "count": tiff((0x010F, 2, MAX32, 8), (0x0110, 2, 0x7FFFFFFF, MAX32), (0x8769, 4, 1, MAX32)),
        "types": tiff((0x0112, 2, 4, 0x36363636), (0x010F, 3, 1, 6), (0x0132, 12, 1, 8), (0x8769, 2, 4, 8)),
        "noise": b"MM\0*" + Random(2).randbytes(999),
    }


def profiles() -> dict[str, bytes]:
    """Damaged ICC profiles."""
    icc = valid()["JPEG"][2]
    at = icc.index(b"ICC_PROFILE\0") + 14
    good = bytearray(icc[at : at + struct.unpack(">I", icc[at : at + 4])[0]])
    tags = bytearray(good)
    tags[128:132] = b"\xff" * 4
    sizes = bytearray(good)
    for place in range(132, 132 + 12 * struct.unpack(">I", good[128:132])[0], 12):
        sizes[place + 4 : place + 12] = b"\0\0\0\x80" + b"\x7f\xff\xff\xff"
    curve = bytearray(good)
    for kind, place in ((b"para", 8), (b"curv", 8)):
        found = curve.find(kind, 200)
        if found >= 0:
            curve[found + place : found + place + 4] = b"\xff\xff\xff\xff"
    noise = Random(5)
    return {
        "noise": noise.randbytes(2_000),
        "tags": bytes(tags),
        "sizes": bytes(sizes),
        "curve": bytes(curve),
        "cut": bytes(good[: len(good) // 2]),
        "header": bytes(good[:128]) + noise.randbytes(2_000),
        "of-ink": bytes(good).replace(b"RGB XYZ ", b"CMYKLab ", 1),
    }
