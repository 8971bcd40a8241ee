"""Ground-truth pickles of the Revisited Oxford/Paris kind, read without running anything: no class is ever loaded.

Such a file holds dicts, lists, strings and numbers only. Anything else is refused before the first object is made.
"""

from __future__ import annotations

import io
import math
import pickle
import pickletools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from dinosearch.errors import DatasetError
from dinosearch.evaluation.dataset import Box
from dinosearch.evaluation.datasets.reading import inside, read_bytes, unreadable

LARGEST = 64 << 20
"""Bytes; the published files have less than 300 KB."""

_PLAIN = frozenset(
    """PROTO FRAME STOP MARK POP POP_MARK DUP MEMOIZE PUT BINPUT LONG_BINPUT GET BINGET LONG_BINGET
    NONE NEWTRUE NEWFALSE INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT BINFLOAT
    STRING BINSTRING SHORT_BINSTRING UNICODE BINUNICODE SHORT_BINUNICODE BINUNICODE8
    BINBYTES SHORT_BINBYTES
    EMPTY_LIST APPEND APPENDS LIST EMPTY_DICT DICT SETITEM SETITEMS""".split()
)
"""Opcodes that make plain values; those that import, call, build or reach for what lies outside are left out.

Tuples, too: as keys of a dict, nested ones overflow the stack, or take for ever where each holds the one before twice.
"""


@dataclass(frozen=True)
class GroundTruth:
    """A ground-truth pickle.

    Attributes:
        images: names of the database images, without suffix; the position is the row.
        queries: names of the queries, without suffix.
        boxes: the query's box, one for each query.
        rows: for each kind of judgement, such as `easy`, the rows of each query.
    """

    images: list[str]
    queries: list[str]
    boxes: list[Box]
    rows: dict[str, list[list[int]]]


def read_ground_truth(path: Path, kinds: Sequence[str]) -> GroundTruth:
    """Read and check a pickle with the keys `imlist`, `qimlist` and `gnd` [filipradenovic/revisitop].

    Args:
        path: the file.
        kinds: keys of each entry of `gnd` that hold rows, such as `easy`, `hard`, `junk`.

    Raises:
        DatasetError: the file needs a class, is damaged, or is not built like this.
    """
    content = read_plain(path)
    if not isinstance(content, dict):
        raise unreadable(path, "it holds no dictionary")
    images = _names(path, content, "imlist")
    queries = _names(path, content, "qimlist")
    entries = content.get("gnd")
    if not isinstance(entries, list) or len(entries) != len(queries):
        raise unreadable(path, f"gnd is no list of {len(queries)} entries, one for each of qimlist")
    for i, entry in enumerate(entries):
        if not isinstance(entry, dict):
            raise unreadable(path, f"gnd[{i}] is no dictionary")
    return GroundTruth(
        images,
        queries,
        [_box(path, i, entry.get("bbx")) for i, entry in enumerate(entries)],
        {kind: [_rows(path, i, kind, entry, len(images)) for i, entry in enumerate(entries)] for kind in kinds},
    )


def read_plain(path: Path) -> Any:
    """The content of a pickle of dicts, lists, strings and numbers.

    Raises:
        DatasetError: it needs a class or anything else beyond plain values, is damaged, or is larger than `LARGEST`.
    """
    data = read_bytes(path, LARGEST)
    try:
        _only_plain(path, data)
        return _Unpickler(io.BytesIO(data)).load()
    except DatasetError:
        raise
    except Exception as error:  # a damaged stream may raise nearly anything
        raise unreadable(path, f"it is no complete pickle ({type(error).__name__})") from None


def _only_plain(path: Path, data: bytes) -> None:
    for opcode, argument, _ in pickletools.genops(data):
        if opcode.name not in _PLAIN:
            asked = f" {argument[:60]!r}" if isinstance(argument, str) else ""
            raise unreadable(
                path,
                f"it asks for something else than plain lists and numbers (opcode {opcode.name}{asked}), which the"
                " published file does not, so do not trust it",
            )
        # a huge memo position makes the unpickler reserve memory up to it
        if opcode.name in ("PUT", "LONG_BINPUT") and not 0 <= int(argument or 0) <= len(data):
            raise unreadable(path, "it is damaged or made to exhaust the memory")


class _Unpickler(pickle.Unpickler):
    """The second lock, should an opcode be missed above."""

    def find_class(self, module: str, name: str, /) -> NoReturn:
        raise pickle.UnpicklingError(f"the class {module}.{name} is refused")


def _names(path: Path, content: dict[Any, Any], key: str) -> list[str]:
    names = content.get(key)
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise unreadable(path, f"{key} is no list of names")
    return [inside(name, f"{path}, {key}") for name in names]


def _box(path: Path, query: int, box: Any) -> Box:
    right = isinstance(box, list) and len(box) == 4 and all(type(edge) in (int, float) for edge in box)
    if not right or not all(abs(edge) < 1e9 and math.isfinite(edge) for edge in box):
        raise unreadable(path, f"gnd[{query}] has no bbx of four numbers")
    left, top, right_edge, bottom = (float(edge) for edge in box)
    if left >= right_edge or top >= bottom:
        raise unreadable(path, f"the bbx of gnd[{query}] is empty")
    return left, top, right_edge, bottom


def _rows(path: Path, query: int, kind: str, entry: dict[Any, Any], images: int) -> list[int]:
    rows = entry.get(kind)
    if not isinstance(rows, list):
        raise unreadable(path, f"gnd[{query}] has no list {kind}")
    for row in rows:
        # what is no number is not shown: nested lists that share their parts would take for ever to write out
        if type(row) is not int:
            raise unreadable(path, f"gnd[{query}] names a {type(row).__name__} as {kind} in place of a number")
        if not 0 <= row < images:
            number = row if abs(row) < 1 << 62 else "a far too large number"
            raise unreadable(path, f"gnd[{query}] names {number} as {kind}, but imlist has {images:,} images")
    return rows
