"""The first page of a vector file: what it says, written and read with its own checksum; it knows no rows."""

from __future__ import annotations

import secrets
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dinosearch.advice import Sentence, run
from dinosearch.errors import DamagedHomeError, FormatVersionError
from dinosearch.records import Generation
from dinosearch.vectors.coding import CODINGS, Coding, coding_of

MAGIC = b"DINOVECS"
VERSION = 1
HEADER_BYTES = 4096  # one page, so that blocks start aligned
BLOCK_ROWS = 256  # a block of 256 rows ends on a multiple of 256 bytes for every dimension and coding
_MARK = "file"
"""What the recipe of a generation calls the tag of its vector file, in hex."""
_HEADER = struct.Struct("<8sIII4sQ32s")  # magic, version, dimension, rows of a block, type, generation, tag


@dataclass(frozen=True)
class VectorFileHeader:
    """What the first page of a vector file says.

    Attributes:
        dimension: numbers in a vector.
        generation: number of the set of vectors that the file belongs to.
        tag: 32 bytes of the caller: what tells this file from that of another collection.
        coding: how the numbers of a vector are kept.
    """

    dimension: int
    generation: int
    tag: bytes
    coding: Coding = CODINGS["float32"]


def header_page(header: VectorFileHeader) -> bytes:
    """The page of HEADER_BYTES that states the header, checksum included."""
    fields = _HEADER.pack(
        MAGIC, VERSION, header.dimension, BLOCK_ROWS, header.coding.code, header.generation, header.tag
    )
    return (fields + struct.pack("<I", zlib.crc32(fields))).ljust(HEADER_BYTES, b"\0")


def read_header(path: Path) -> VectorFileHeader:
    """Read and verify the first page.

    Raises:
        DamagedHomeError: the file is missing or is no vector file.
        FormatVersionError: a newer dinosearch wrote it.
    """
    advice = Sentence("embed the images again with: ", run("verify", "--repair"))
    try:
        with open(path, "rb") as file:
            page = file.read(HEADER_BYTES)
    except FileNotFoundError:
        raise DamagedHomeError(f"{path} is missing, though the collection needs it; ", advice) from None
    fields, checksum = page[: _HEADER.size], page[_HEADER.size : _HEADER.size + 4]
    sound = struct.pack("<I", zlib.crc32(fields)) == checksum and not any(page[_HEADER.size + 4 :])
    if len(page) < HEADER_BYTES or not page.startswith(MAGIC) or not sound:
        raise DamagedHomeError(f"{path} is not a vector file, or its header is damaged; ", advice)
    _, version, dimension, block_rows, code, generation, tag = _HEADER.unpack(fields)
    coding = coding_of(code)
    if version > VERSION or block_rows != BLOCK_ROWS or coding is None:
        raise FormatVersionError(
            f"{path} has format version {version}, this dinosearch reads up to {VERSION}; "
            "upgrade with: pip install --upgrade dinosearch"
        )
    return VectorFileHeader(dimension, generation, tag, coding)


def new_mark() -> dict[str, str]:
    """A mark for the recipe of a new generation, unlike that of any other."""
    return {_MARK: secrets.token_hex(16)}


def tag_of(recipe: Mapping[str, Any]) -> bytes:
    """The tag of the file of a generation with that recipe; empty where it has no mark, as in homes made before."""
    return bytes.fromhex(recipe.get(_MARK, ""))


def without_mark(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """The recipe of a generation that takes its file as it is."""
    return {key: value for key, value in recipe.items() if key != _MARK}


def is_of(header: VectorFileHeader, generation: int, tag: bytes) -> bool:
    """Whether a file with that header belongs to a generation; an empty tag says nothing."""
    return header.generation == generation and (not tag or header.tag == tag.ljust(32, b"\0"))


def refuse_other(path: Path, generation: Generation) -> None:
    """Refuse the file of another generation or collection, whose rows would be as sound and of other images.

    Raises:
        DamagedHomeError, FormatVersionError: as of `read_header`, and where it is one.
    """
    if not is_of(read_header(path), generation.number, tag_of(generation.recipe)):
        raise DamagedHomeError(
            f"{path} is the vector file of another collection or of another state of this one; put back the one that "
            "belongs here, or embed the images again with: ",
            run("verify", "--repair"),
        )
