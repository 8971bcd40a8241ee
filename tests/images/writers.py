"""Writers of PNG, TIFF, BMP and GIF by their specifications, for what Pillow does not write."""

from __future__ import annotations

import struct
import zlib

import numpy as np

# First column and row, step across and down of the seven passes (PNG specification, section 8.2).
ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
PNG_KINDS = {1: 0, 2: 4, 3: 2, 4: 6}


def png(
    values: np.ndarray, bits: int, *chunks: tuple[bytes, bytes], kind: int | None = None, adam7: bool = False
) -> bytes:
    """A PNG of (h, w, channels) samples of 1 to 16 bits; `kind` 3 makes them places in the palette among the chunks."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    height, width, channels = values.shape
    passes = [values[y::dy, x::dx] for x, y, dx, dy in ADAM7] if adam7 else [values]
    rows = b"".join(b"\0" + packed(row.ravel(), bits) for part in passes if part.size for row in part)
    header = struct.pack(">IIBBBBB", width, height, bits, PNG_KINDS[channels] if kind is None else kind, 0, 0, adam7)
    middle = b"".join(chunk(*each) for each in chunks)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + middle
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def packed(samples: np.ndarray, bits: int) -> bytes:
    """Samples of 1 to 16 bits behind each other, the first in the highest bits, filled up to a byte."""
    if bits == 16:
        return samples.astype(">u2").tobytes()
    single = np.unpackbits(samples.astype(np.uint8)[:, None], axis=1)[:, 8 - bits :]
    return np.packbits(single.ravel()).tobytes()


def tiff(
    values: np.ndarray,
    photometric: int,
    *,
    big_endian: bool = False,
    planar: bool = False,
    tile: int = 0,
    rows: int = 0,
    deflate: bool = False,
    predictor: bool = False,
    extra: int | None = None,
    bits: int = 0,
    palette: np.ndarray | None = None,
    more: tuple[tuple[int, int], ...] = (),
) -> bytes:
    """A TIFF of (h, w, channels) samples (TIFF 6.0).

    Args:
        values: samples of 8 to 64 bits; with `bits`, of so many.
        photometric: 0 white is zero, 1 black is zero, 2 RGB, 3 palette, 5 ink, 6 YCbCr.
        big_endian: the byte order.
        planar: each channel for itself.
        tile: side of the tiles; 0 for strips.
        rows: of a strip; 0 for all.
        deflate: compress.
        predictor: store differences of neighbours.
        extra: what the last channel is: 1 opacity multiplied into the colours, 2 opacity.
        bits: below 8.
        palette: (n, 3) uint16.
        more: further tags of one short.
    """
    order = ">" if big_endian else "<"
    height, width, channels = values.shape
    planes = [values[..., c : c + 1] for c in range(channels)] if planar else [values]
    blocks = []
    for plane in planes:
        if tile:
            filled = np.pad(plane, ((0, -height % tile), (0, -width % tile), (0, 0)), mode="edge")
            parts = [
                filled[top : top + tile, left : left + tile]
                for top in range(0, height, tile)
                for left in range(0, width, tile)
            ]
        else:
            parts = [plane[top : top + (rows or height)] for top in range(0, height, rows or height)]
        for part in parts:
            if predictor:
                part = np.concatenate([part[:, :1], np.diff(part, axis=1)], axis=1)  # wraps around, as it shall
            raw = part.astype(part.dtype.newbyteorder(order)).tobytes()
            if bits:
                raw = b"".join(packed(row.ravel(), bits) for row in part)
            blocks.append(zlib.compress(raw) if deflate else raw)
    offsets = np.cumsum([8] + [len(block) + len(block) % 2 for block in blocks])
    depth = bits or values.itemsize * 8
    tags: dict[int, tuple[int, list[int]]] = {
        256: (4, [width]),
        257: (4, [height]),
        258: (3, [depth] * channels),
        259: (3, [8 if deflate else 1]),
        262: (3, [photometric]),
        277: (3, [channels]),
        284: (3, [2 if planar else 1]),
        317: (3, [2 if predictor else 1]),
        339: (3, [{"u": 1, "i": 2, "f": 3}[values.dtype.kind]] * channels),
        **({322: (4, [tile]), 323: (4, [tile])} if tile else {278: (4, [rows or height])}),
        324 if tile else 273: (4, [int(at) for at in offsets[:-1]]),
        325 if tile else 279: (4, [len(block) for block in blocks]),
        **({338: (3, [extra])} if extra is not None else {}),
        **({320: (3, palette.T.ravel().tolist())} if palette is not None else {}),
        **{tag: (3, [value]) for tag, value in more},
    }
    body = b"".join(block + b"\0" * (len(block) % 2) for block in blocks)
    at, fields, behind = 8 + len(body) + 2 + 12 * len(tags) + 4, b"", b""
    for tag, (kind, entries) in sorted(tags.items()):
        content = struct.pack(f"{order}{len(entries)}{'H' if kind == 3 else 'I'}", *entries)
        place = content.ljust(4, b"\0") if len(content) <= 4 else struct.pack(f"{order}I", at + len(behind))
        behind += content + b"\0" * (len(content) % 2) if len(content) > 4 else b""
        fields += struct.pack(f"{order}HHI", tag, kind, len(entries)) + place
    head = (b"MM\0*" if big_endian else b"II*\0") + struct.pack(f"{order}I", 8 + len(body))
    return head + body + struct.pack(f"{order}H", len(tags)) + fields + bytes(4) + behind


def bmp(
    size: tuple[int, int],
    bits: int,
    compression: int,
    rows: bytes,
    palette: bytes = b"",
    masks: tuple[int, ...] = (),
    *,
    top_down: bool = False,
) -> bytes:
    """A Windows bitmap of encoded rows; four masks make it a version 4 header."""
    width, height = size
    height = -height if top_down else height
    length = 108 if len(masks) == 4 else 40
    header = struct.pack(
        "<IiiHHIIiiII", length, width, height, 1, bits, compression, len(rows), 0, 0, len(palette) // 4, 0
    )
    fields = struct.pack(f"<{len(masks)}I", *masks)
    header += fields.ljust(68, b"\0") if length == 108 else fields
    start = 14 + len(header) + len(palette)
    return b"BM" + struct.pack("<IHHI", start + len(rows), 0, 0, start) + header + palette + rows


def rows_of(samples: np.ndarray, bits: int) -> bytes:
    """(h, w) samples as rows of a bitmap from the bottom up, each filled up to four bytes."""
    whole = {16: "<u2", 32: "<u4"}
    rows = [row.astype(whole[bits]).tobytes() if bits in whole else packed(row, bits) for row in samples[::-1]]
    return b"".join(row + bytes(-len(row) % 4) for row in rows)


def run_lengths(samples: np.ndarray, bits: int) -> bytes:
    """(h, w) places in a palette as RLE8 or RLE4 from the bottom up: runs, and where it pays literal stretches."""
    out = b""
    for row in samples[::-1]:
        at = 0
        while at < len(row):
            end = at + 1
            while end < len(row) and row[end] == row[at] and end - at < 255:
                end += 1
            value = int(row[at])
            out += bytes((end - at, value if bits == 8 else value << 4 | value))
            at = end
        out += b"\0\0"
    return out + b"\0\1"


def gif(samples: np.ndarray, palette: bytes, screen: tuple[int, int], at: tuple[int, int]) -> bytes:
    """A GIF of 256 colours whose one frame lies at a place of the screen; codes are never compressed."""
    height, width = samples.shape
    bits: list[int] = []
    for place, value in enumerate(samples.ravel().tolist()):
        if place % 250 == 0:
            bits += _low_first(256)  # clear: the codes stay at nine bits
        bits += _low_first(value)
    bits += _low_first(257)
    coded = np.packbits(np.array(bits, np.uint8), bitorder="little").tobytes()
    blocks = b"".join(bytes((len(coded[i : i + 255]),)) + coded[i : i + 255] for i in range(0, len(coded), 255))
    head = b"GIF89a" + struct.pack("<HHBBB", *screen, 0xF7, 0, 0) + palette.ljust(768, b"\0")
    return head + b"," + struct.pack("<HHHHB", *at, width, height, 0) + b"\x08" + blocks + b"\0;"


def _low_first(code: int) -> list[int]:
    return [code >> bit & 1 for bit in range(9)]
