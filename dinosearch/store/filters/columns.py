"""Where each field of a filter is stored, as SQL expressions.

It compares nothing; `compile` does.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Float, Text, cast, func, type_coerce

from dinosearch.store.paths import PathText
from dinosearch.store.tables import images, labels, locations

_PATH = type_coerce(locations.c.path, Text)

COLUMNS: dict[str, ColumnElement[Any]] = {
    "path": locations.c.path,
    "name": func.dinosearch_name(_PATH, type_=PathText),
    "folder": func.dinosearch_folder(_PATH, type_=PathText),
    "size": locations.c.size,
    "width": images.c.width,
    "height": images.c.height,
    "megapixels": cast(images.c.width, BigInteger) * images.c.height / cast(1_000_000, Float),
    "aspect": cast(images.c.width, Float) / images.c.height,
    "format": images.c.format,
    "camera": images.c.camera,
    "taken": type_coerce(images.c.taken, BigInteger),
    "modified": locations.c.mtime_ns,
    "added": type_coerce(images.c.added, BigInteger),
    "label": labels.c.label,
    "confidence": labels.c.confidence,
    "id": images.c.id,
}

# Units of the column in one microsecond, where they are not microseconds themselves.
UNITS_PER_MICROSECOND = {"modified": 1000}
