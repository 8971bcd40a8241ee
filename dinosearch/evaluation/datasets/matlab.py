"""MATLAB files of version 5 to 7 (`save -v7`): numbers, text, cells and structs, into plain Python; nothing else.

Written after the MathWorks document "MAT-File Format" (level 5). Every length is checked against the bytes that are
there, so that a hostile file cannot make it reserve memory.
"""

from __future__ import annotations

import math
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from dinosearch.errors import DatasetError
from dinosearch.evaluation.datasets.reading import read_bytes, unreadable

LARGEST = 1 << 30
"""Bytes, of the file and of what it unpacks to."""

_HEADER, _DEEPEST, _SIDES = 128, 8, 8
_MATRIX, _COMPRESSED = 14, 15
_CELL, _STRUCT, _CHAR = 1, 2, 4
_NUMERIC = range(6, 16)  # double, single, and the whole numbers of 1 to 8 bytes, signed and unsigned
_COMPLEX = 0x800
_NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_TEXTS = {1: "utf-8", 2: "utf-8", 16: "utf-8", 4: "utf-16", 17: "utf-16"}


class _Damaged(Exception):
    """What is wrong with the file, as a clause."""


def read_mat(path: Path, largest: int = LARGEST) -> dict[str, Any]:
    """The variables of a MATLAB file.

    Args:
        path: the file.
        largest: bytes that the file, and what it unpacks to, may have.

    Returns:
        By name: a NumPy array with MATLAB's shape for numbers, a str for a row of characters, a list in column order
        for a cell array, a list of dicts in column order for a struct array.

    Raises:
        DatasetError: it cannot be read, is damaged or hostile, is of another version, or holds sparse or complex
            numbers, objects or several rows of text.
    """
    data = read_bytes(path, largest)
    if data[:10] == b"MATLAB 7.3" or data[:8] == b"\x89HDF\r\n\x1a\n":
        raise DatasetError(f"{path} is a MATLAB 7.3 file, which is not read here; save it with -v7")
    order = {b"IM": "<", b"MI": ">"}.get(data[126:128])
    if len(data) < _HEADER or order is None:
        raise unreadable(path, "it is no MATLAB file of version 5 to 7")
    try:
        return _variables(memoryview(data)[_HEADER:], order, largest)
    except (_Damaged, zlib.error, UnicodeDecodeError, struct.error) as error:
        raise unreadable(path, f"{error}") from None


def _variables(data: memoryview, order: str, largest: int) -> dict[str, Any]:
    found, left = {}, largest
    elements = _Elements(data, order)
    while elements:
        kind, content = elements.take()
        if kind == _COMPRESSED:
            unpacker = zlib.decompressobj()
            unpacked = unpacker.decompress(content, left + 1)
            left -= len(unpacked)
            if left < 0:
                raise _Damaged(f"it unpacks to more than {largest:,} bytes")
            kind, content = _Elements(memoryview(unpacked), order).take()
        if kind == _MATRIX:
            name, value = _matrix(content, order, 0)
            found[name] = value
    return found


class _Elements:
    """Data elements one after the other: a type, a length, the content, padding."""

    def __init__(self, data: memoryview, order: str) -> None:
        self._data, self._order, self._at = data, order, 0

    def __bool__(self) -> bool:
        return self._at < len(self._data)

    def take(self) -> tuple[int, memoryview]:
        """Type and content of the next element."""
        if self._at + 8 > len(self._data):
            raise _Damaged("it ends too early")
        kind, size = struct.unpack_from(self._order + "II", self._data, self._at)
        start, room = self._at + 8, size + (0 if kind == _COMPRESSED else -size % 8)
        if kind >> 16:  # the small form: type and length in four bytes, the content in the next four
            kind, size, start, room = kind & 0xFFFF, kind >> 16, self._at + 4, 4
        if size > room or start + size > len(self._data):
            raise _Damaged("it ends too early")
        self._at = start + room
        return kind, self._data[start : start + size]

    def numbers(self) -> np.ndarray:
        """The next element as numbers, flat."""
        kind, content = self.take()
        if kind not in _NUMBERS or len(content) % int(_NUMBERS[kind][1]):
            raise _Damaged("numbers are expected where there are none")
        return np.frombuffer(content, self._order + _NUMBERS[kind])

    def whole_numbers(self) -> list[int]:
        """The next element as whole numbers, of which there is at least one."""
        found = self.numbers()
        if not len(found) or found.dtype.kind not in "iu":
            raise _Damaged("whole numbers are expected where there are none")
        return [int(number) for number in found]


def _matrix(content: memoryview, order: str, depth: int) -> tuple[str, Any]:
    if not len(content):
        return "", np.empty((0, 0))
    if depth > _DEEPEST:
        raise _Damaged("its cells are nested too deeply")
    parts = _Elements(content, order)
    flags, shape = parts.whole_numbers()[0], tuple(parts.whole_numbers())
    name = bytes(parts.take()[1]).decode("ascii", "replace")
    kind, count, shown = flags & 0xFF, math.prod(shape), f"the array {name[:40]!r}"
    # an empty array must not have a gigantic side either, which NumPy would refuse
    if len(shape) > _SIDES or min(shape) < 0 or math.prod(max(side, 1) for side in shape) > len(content):
        raise _Damaged(f"{shown} has the shape {shape[:_SIDES]} but not the content")
    if kind == _CELL:
        return name, [_inner(parts, order, depth) for _ in range(count)]
    if kind == _STRUCT:
        fields = _fields(parts)
        return name, [{field: _inner(parts, order, depth) for field in fields} for _ in range(count)]
    if kind == _CHAR:
        return name, _text(parts, order, shape)
    if kind not in _NUMERIC or flags & _COMPLEX:
        raise _Damaged(f"{shown} is of a kind that is not read here")
    values = parts.numbers()
    if len(values) != count:
        raise _Damaged(f"{shown} has the shape {shape} but {len(values)} numbers")
    return name, values.reshape(shape, order="F")


def _inner(parts: _Elements, order: str, depth: int) -> Any:
    kind, content = parts.take()
    if kind != _MATRIX:
        raise _Damaged("a cell holds no array")
    return _matrix(content, order, depth + 1)[1]


def _fields(parts: _Elements) -> list[str]:
    step, names = parts.whole_numbers()[0], bytes(parts.take()[1])
    if not 0 < step <= len(names):
        raise _Damaged("a struct has no fields")
    return [names[i : i + step].partition(b"\0")[0].decode("ascii", "replace") for i in range(0, len(names), step)]


def _text(parts: _Elements, order: str, shape: tuple[int, ...]) -> str:
    kind, content = parts.take() if parts else (16, memoryview(b""))
    if kind not in _TEXTS or len(shape) != 2 or (shape[0] > 1 and shape[1]):
        raise _Damaged("it holds text in another form than one row of characters")
    suffix = {"<": "-le", ">": "-be"}[order] if _TEXTS[kind] == "utf-16" else ""
    return bytes(content).decode(_TEXTS[kind] + suffix)
