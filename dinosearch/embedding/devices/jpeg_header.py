"""What a JPEG file says of itself before its pixels: whether a plain decoder gives its colours as they are to be seen.

Markers and their numbers: ITU-T T.81, table B.1; EXIF: CIPA DC-008, section 4.6; profiles: ICC.1, section 7.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

_BASELINE, _EXTENDED, _PROGRESSIVE, _SCAN, _END = 0xC0, 0xC1, 0xC2, 0xDA, 0xD9
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # among them are the tables' own markers
_APP1, _APP2, _APP14 = 0xE1, 0xE2, 0xEE
_EXIF, _ORIENTATION, _EXIF_DIRECTORY, _SHORT = b"Exif\0\0", 0x0112, 0x8769, 3
_XMP_TURN = re.compile(rb'tiff:Orientation(?:="|>)([0-9])')


@dataclass(frozen=True)
class Plain:
    """A JPEG whose pixels any decoder gives right.

    Attributes:
        height: pixels, as stored.
        width: pixels, as stored.
        turn: how it is to be seen, as EXIF says: 1 as stored, 2 to 8 mirrored or turned.
    """

    height: int
    width: int
    turn: int = 1


def plain(data: bytes) -> Plain | None:
    """What a JPEG says of itself that any decoder shows right; None for every other file.

    Right means: whole, coded by Huffman (baseline or progressive) in 8 bits, YCbCr, in sRGB. Grey ones are left out:
    they are rare, and decoders differ in what they make of them.
    """
    try:
        return _plain(data)
    except (struct.error, IndexError, ValueError):
        return None


def _plain(data: bytes) -> Plain | None:
    size: tuple[int, int] | None = None
    turn: int | None = None
    if not data.startswith(b"\xff\xd8") or not data.rstrip(b"\0").endswith(bytes((0xFF, _END))):
        return None
    for marker, body in _segments(data):
        if marker in _FRAMES:
            if size is not None or marker not in (_BASELINE, _EXTENDED, _PROGRESSIVE):
                return None
            precision, height, width, components = struct.unpack_from(">BHHB", body)
            names = body[6 : 6 + 3 * components : 3]
            # Components named R, G, B hold these colours (libjpeg, jdapimin.c, default_decompress_parms).
            if precision != 8 or components != 3 or names == b"RGB" or 0 in (height, width):
                return None
            size = height, width
        elif marker == _APP1 and body.startswith(_EXIF):
            if turn is not None:  # two of them: whose word counts is for others to say
                return None
            turn = _turn(body[len(_EXIF) :])
        elif (
            (marker == _APP1 and _is_turned_by_xmp(body))
            or (marker == _APP2 and _is_other_profile(body))
            or (marker == _APP14 and body[:5] == b"Adobe" and body[11] == 0)  # colours without a transform
        ):
            return None
    return None if size is None else Plain(*size, turn or 1)


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


def _turn(tiff: bytes) -> int:
    """The orientation in an EXIF block, 1 where it has none; ValueError where it is not one that EXIF knows."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    if order is None:
        raise ValueError("damaged EXIF")
    (start,) = struct.unpack_from(f"{order}I", tiff, 4)
    entries = list(_entries(tiff, order, start))
    for tag, _, _, value in entries[:]:
        if tag == _EXIF_DIRECTORY:
            entries += _entries(tiff, order, value)
    turns = [entry[1:] for entry in entries if entry[0] == _ORIENTATION]
    if not turns:
        return 1
    kind, values, value = turns[0]
    value = value & 0xFFFF if order == "<" else value >> 16  # a short number stands first in its four bytes
    if len(turns) > 1 or (kind, values) != (_SHORT, 1) or not 1 <= value <= 8:
        raise ValueError("an orientation that makes no sense")
    return value


def _entries(tiff: bytes, order: str, start: int) -> Iterator[tuple[int, int, int, int]]:
    """Tag, type, number of values and value, or its place, of each entry of a directory."""
    (count,) = struct.unpack_from(f"{order}H", tiff, start)
    for entry in range(start + 2, start + 2 + 12 * count, 12):
        yield struct.unpack_from(f"{order}HHII", tiff, entry)


def _is_turned_by_xmp(body: bytes) -> bool:
    """Whether another APP1 segment than EXIF's says that the picture has to be turned."""
    found = _XMP_TURN.search(body)
    return found is not None and found[1] != b"1"


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
