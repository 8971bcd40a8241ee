"""The fields that a filter can name, as data: one entry adds a field.

It holds no SQL; `columns` says where each field is stored.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["path", "text", "format", "number", "size", "time", "moment"]


@dataclass(frozen=True)
class Field:
    """One field.

    Attributes:
        name: as written in a filter.
        kind: decides which operators and values it takes, see `KINDS`.
        help: one clause for the documentation.
        example: a whole comparison.
        may_be_missing: not every image has it.
    """

    name: str
    kind: Kind
    help: str
    example: str
    may_be_missing: bool = False


_EQUAL = ("=", "!=", "in")
_ORDERED = ("=", "!=", "<", "<=", ">", ">=", "in")

# What each kind takes: its operators, and how its values are written.
KINDS: dict[Kind, tuple[tuple[str, ...], str]] = {
    "path": ((*_EQUAL, "~"), "text, upper and lower case differ"),
    "text": ((*_EQUAL, "~"), "text, upper and lower case are the same"),
    "format": (_EQUAL, "a format, in any case"),
    "number": (_ORDERED, "a number"),
    "size": (_ORDERED, "bytes, or a number with kB, MB, GB, TB (powers of 1000) or KiB, MiB, GiB, TiB (of 1024)"),
    "time": (_ORDERED, "a date, or a date and time, without zone"),
    "moment": (_ORDERED, "a date, or a date and time, in UTC unless it ends in a zone such as +02:00"),
}

# As `dinosearch.records.ImageInfo.format` names them, and other names that people use.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "HEIF", "AVIF")
FORMAT_ALIASES = {"JPG": "JPEG", "TIF": "TIFF", "HEIC": "HEIF"}

FIELDS: dict[str, Field] = {
    field.name: field
    for field in (
        Field("path", "path", "absolute path; `ARCHIVE.tar::MEMBER` inside an archive", 'path ~ "*/2020/**"'),
        Field("name", "path", "last part of the path", "name ~ IMG_*.jpg"),
        Field("folder", "path", "the path without the name", 'folder = "/photos/Rome"'),
        Field("size", "size", "size of the file", "size > 2MB"),
        Field("width", "number", "pixels, upright", "width >= 1920"),
        Field("height", "number", "pixels, upright", "height >= 1080"),
        Field("megapixels", "number", "width times height, in millions", "megapixels < 0.5"),
        Field("aspect", "number", "width divided by height", "aspect > 1"),
        Field("format", "format", f"one of {', '.join(FORMATS)}, told by the content", "format in (heic, avif)"),
        Field("camera", "text", "make and model from EXIF", 'camera ~ "*canon*"', may_be_missing=True),
        Field(
            "taken", "time", "when the photo was taken, by the camera's clock", "taken = 2020-05", may_be_missing=True
        ),
        Field("modified", "moment", "when the file was last changed", "modified >= 2024-01-01T12:00Z"),
        Field("added", "moment", "when the image entered the collection", "added < 2025"),
        Field("label", "text", "what the image is called (docs/classify.md)", "label = cat", may_be_missing=True),
        Field("confidence", "number", "of its label, 0 to 1", "confidence >= 0.8", may_be_missing=True),
        Field("id", "number", "number of the image", "id in (3, 14)"),
    )
}


def field_table() -> str:
    """The fields as a Markdown table, for docs/filters.md; a test keeps the page equal to it."""
    lines = ["| field | what it is | values | operators | example |", "|---|---|---|---|---|"]
    for field in FIELDS.values():
        operators, values = KINDS[field.kind]
        help_text = field.help + ("; may be missing" if field.may_be_missing else "")
        signs = " ".join(f"`{sign}`" for sign in operators)
        lines.append(f"| `{field.name}` | {help_text} | {values} | {signs} | `{field.example}` |")
    return "\n".join(lines)
