"""A writer of matrix ICC profiles, so that a test knows by formula what colours an embedded profile means."""

from __future__ import annotations

import struct

_D50 = (0.9642, 1.0, 0.8249)


def matrix_profile(
    red: tuple[float, float, float], green: tuple[float, float, float], blue: tuple[float, float, float], gamma: float
) -> bytes:
    """An ICC version 2 display profile (ICC.1:2001-04) of three D50-adapted primaries in XYZ and one gamma."""

    def xyz(values: tuple[float, float, float]) -> bytes:
        return b"XYZ \0\0\0\0" + b"".join(struct.pack(">i", round(v * 65536)) for v in values)

    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"
    text = b"test profile\0"
    description = b"desc\0\0\0\0" + struct.pack(">I", len(text)) + text + b"\0" * (4 + 4 + 2 + 1 + 67)
    description += b"\0" * (-len(description) % 4)
    tags = [
        (b"desc", description),
        (b"cprt", b"text\0\0\0\0none\0\0\0\0"),
        (b"wtpt", xyz(_D50)),
        (b"rXYZ", xyz(red)),
        (b"gXYZ", xyz(green)),
        (b"bXYZ", xyz(blue)),
        (b"rTRC", curve),
        (b"gTRC", curve),
        (b"bTRC", curve),
    ]
    return _profile(b"RGB ", tags)


def grey_profile(gamma: float) -> bytes:
    """An ICC version 2 profile of grey with one gamma."""
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"
    white = b"XYZ \0\0\0\0" + b"".join(struct.pack(">i", round(v * 65536)) for v in _D50)
    return _profile(b"GRAY", [(b"cprt", b"text\0\0\0\0none\0\0\0\0"), (b"wtpt", white), (b"kTRC", curve)])


def _profile(space: bytes, tags: list[tuple[bytes, bytes]]) -> bytes:
    table, body = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for signature, data in tags:
        table += struct.pack(">4sII", signature, start + len(body), len(data))
        body += data
    size = 128 + len(table) + len(body)
    header = struct.pack(">I4sI4s4s4s", size, b"\0\0\0\0", 0x02400000, b"mntr", space, b"XYZ ")
    header += b"\0" * 12 + b"acsp" + b"\0" * 28 + b"".join(struct.pack(">i", round(v * 65536)) for v in _D50)
    return header.ljust(128, b"\0") + table + body
