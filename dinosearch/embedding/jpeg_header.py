"""What a JPEG file says of itself before its pixels: whether a plain decoder gives the picture as it is to be seen.

Markers and their numbers: ITU-T T.81, table B.1; EXIF: CIPA DC-008, section 4.6; profiles: ICC.1, section 7.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

_BASELINE, _EXTENDED, _PROGRESSIVE, _SCAN, _END = 0xC0, 0xC1, 0xC2, 0xDA, 0xD9
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # among them are the tables' own markers
_APP1, _APP2, _APP14 = 0xE1, 0xE2, 0xEE
_ORIENTATION = 0x0112
_XMP_TURN = re.compile(rb'tiff:Orientation(?:="|>)([0-9])')


def plain_size(data: bytes) -> tuple[int, int] | None:
    """Height and width of a JPEG that any decoder shows right; None for every other file.

    Right means: whole, coded by Huffman (baseline or progressive) in 8 bits, grey or YCbCr, upright, in sRGB.
    """
    try:
        return _plain_size(data)
    except (struct.error, IndexError, ValueError):
        return None


def _plain_size(data: bytes) -> tuple[int, int] | None:
    size: tuple[int, int] | None = None
    if not data.startswith(b"\xff\xd8") or not data.rstrip(b"\0").endswith(bytes((0xFF, _END))):
        return None
    for marker, body in _segments(data):
        if marker in _FRAMES:
            if size is not None or marker not in (_BASELINE, _EXTENDED, _PROGRESSIVE):
                return None
            precision, height, width, components = struct.unpack_from(">BHHB", body)
            names = body[6 : 6 + 3 * components : 3]
            # Components named R, G, B hold these colours (libjpeg, jdapimin.c, default_decompress_parms).
            if precision != 8 or components not in (1, 3) or names == b"RGB" or 0 in (height, width):
                return None
            size = height, width
        elif (
            (marker == _APP1 and _is_turned(body))
            or (marker == _APP2 and _is_other_profile(body))
            or (marker == _APP14 and body[:5] == b"Adobe" and body[11] == 0)  # colours without a transform
        ):
            return None
    return size


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Markers before the first scan, with what follows their length."""
    at = 2
    while True:
        if data[at] != 0xFF:
            raise ValueError("no marker where one must be")
        while data[at] == 0xFF:  # fill bytes
            at += 1
        marker = data[at]
        at += 1
        if marker == _SCAN:
            return
        (length,) = struct.unpack_from(">H", data, at)
        if length < 2 or at + length > len(data):
            raise ValueError("a segment that is not all there")
        yield marker, data[at + 2 : at + length]
        at += length


def _is_turned(body: bytes) -> bool:
    """Whether an APP1 segment says that the picture has to be turned."""
    if not body.startswith(b"Exif\0\0"):
        found = _XMP_TURN.search(body)
        return found is not None and found[1] != b"1"
    tiff = body[6:]
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None:
        raise ValueError("damaged EXIF")
    (start,) = struct.unpack_from(f"{order}I", tiff, 4)
    (count,) = struct.unpack_from(f"{order}H", tiff, start)
    for entry in range(start + 2, start + 2 + 12 * count, 12):
        tag, _, _, value = struct.unpack_from(f"{order}HHIH", tiff, entry)
        if tag == _ORIENTATION:
            return bool(value != 1)
    return False


def _is_other_profile(body: bytes) -> bool:
    """Whether an APP2 segment holds a profile that does not call itself sRGB."""
    if not body.startswith(b"ICC_PROFILE\0"):
        return False
    if body[13] != 1:  # in several segments: larger than any sRGB profile
        return True
    profile = body[14:]
    (count,) = struct.unpack_from(">I", profile, 128)
    for entry in range(132, 132 + 12 * min(count, 100), 12):
        signature, offset, length = struct.unpack_from(">4sII", profile, entry)
        if signature == b"desc":
            described = profile[offset : offset + length]
            return b"sRGB" not in described and "sRGB".encode("utf-16-be") not in described
    return True
