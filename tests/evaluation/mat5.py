"""Writes MATLAB files of version 5 byte by byte, after the MathWorks document "MAT-File Format"; reads none.

Numbers are doubles, text is UTF-16 code units as MATLAB itself writes it, cells and structs are rows.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

INT8, INT32, UINT16, UINT32, DOUBLE, MATRIX, COMPRESSED = 1, 5, 4, 6, 9, 14, 15
CELL, STRUCT, CHAR, DOUBLES = 1, 2, 4, 6
FIELD = 32
"""Bytes of a struct's field name."""


def mat_file(variables: Mapping[str, Any], *, order: str = "<", compressed: bool = False) -> bytes:
    """A file with these variables: str, list (a cell array), list of dicts (a struct array), tuple of numbers.

    Args:
        variables: by name.
        order: `<` or `>`, the byte order.
        compressed: pack every variable with zlib, as `save -v7` does.
    """
    content = b"".join(_packed(matrix(value, name, order), order, compressed) for name, value in variables.items())
    return header(order) + content


def header(order: str = "<") -> bytes:
    """The 128 bytes before the first element."""
    return b"MATLAB 5.0 MAT-file, written by hand".ljust(124) + struct.pack(f"{order}HH", 0x0100, 0x4D49)


def matrix(value: Any, name: str = "", order: str = "<") -> bytes:
    """One array element, with all that it holds."""
    if isinstance(value, str):
        text = element(UINT16, value.encode("utf-16-le" if order == "<" else "utf-16-be"), order)
        return _array(CHAR, (1, len(value)), name, text, order)
    if isinstance(value, tuple):
        return _array(DOUBLES, (1, len(value)), name, element(DOUBLE, _pack("d", value, order), order), order)
    if value and isinstance(value[0], dict):
        names = list(value[0])
        table = b"".join(field.encode().ljust(FIELD, b"\0") for field in names)
        fields = element(INT32, _pack("i", [FIELD], order), order) + element(INT8, table, order)
        held = b"".join(matrix(entry[field], order=order) for entry in value for field in names)
        return _array(STRUCT, (1, len(value)), name, fields + held, order)
    return _array(CELL, (len(value), 1), name, b"".join(matrix(entry, order=order) for entry in value), order)


def element(kind: int, content: bytes, order: str = "<") -> bytes:
    """Type, length, content, padding to eight bytes; the small form where the content has at most four bytes."""
    if 0 < len(content) <= 4:
        return struct.pack(f"{order}I", len(content) << 16 | kind) + content.ljust(4, b"\0")
    return struct.pack(f"{order}II", kind, len(content)) + content + b"\0" * (-len(content) % 8)


def _array(kind: int, shape: Sequence[int], name: str, held: bytes, order: str) -> bytes:
    flags = element(UINT32, _pack("I", [kind, 0], order), order)
    sides = element(INT32, _pack("i", shape, order), order)
    return element(MATRIX, flags + sides + element(INT8, name.encode(), order) + held, order)


def _packed(matrix: bytes, order: str, compressed: bool) -> bytes:
    if not compressed:
        return matrix
    content = zlib.compress(matrix)
    return struct.pack(f"{order}II", COMPRESSED, len(content)) + content


def _pack(code: str, numbers: Sequence[float], order: str) -> bytes:
    return struct.pack(f"{order}{len(numbers)}{code}", *numbers)
