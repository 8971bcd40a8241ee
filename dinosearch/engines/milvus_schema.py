"""What a row of a Milvus collection holds: the vector, and as numbers what filters ask of an image.

No text crosses to the engine: formats and cameras are kept as numbers made of their text, so that nothing that a user
or a photo says can become part of an expression. What is not there is a number too, as NULL exists on no engine alike.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dinosearch.records import ImageFacts
from dinosearch.store.times import to_microseconds

ID, VECTOR = "id", "vector"
METRIC = "IP"
"""Vectors are of unit length, so that the inner product is the cosine."""
INTEGERS = ("width", "height", "format", "camera", "taken", "added")
DOUBLES = ("megapixels", "aspect")
MISSING = {"camera": -1, "taken": -(1 << 62)}
"""What stands for "not known", by field: no camera has that number, and no time comes near it."""
UNTOLD = "width == 0"
"""Rows whose image was not described when they were written: any filter may hold for them."""


def text_number(text: str) -> int:
    """63 bits of the SHA-256 of a text: two of a million texts share one with a chance of 1 in 20 million."""
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:8], "big") >> 1


def attributes(facts: ImageFacts | None) -> dict[str, int | float]:
    """The numbers of an image, as `dinosearch.store.filters.evaluate` computes them; all zero where nothing is told."""
    if facts is None:
        return dict.fromkeys((*INTEGERS, *DOUBLES), 0)
    info = facts.info
    return {
        "width": info.width,
        "height": info.height,
        "format": text_number(info.format),
        "camera": MISSING["camera"] if info.camera is None else text_number(info.camera.casefold()),
        "taken": MISSING["taken"] if info.taken is None else to_microseconds(info.taken.replace(tzinfo=None)),
        "added": to_microseconds(facts.added),
        "megapixels": info.width * info.height / 1_000_000,
        "aspect": info.width / info.height,
    }


def rows(ids: np.ndarray, vectors: np.ndarray, images: Sequence[ImageFacts | None]) -> list[dict[str, Any]]:
    """The rows in pymilvus's form."""
    return [
        {ID: int(number), VECTOR: vector, **attributes(facts)}
        for number, vector, facts in zip(ids, vectors, images, strict=True)
    ]


def make_schema(client: Any, dimension: int) -> Any:
    """The schema of a generation, in pymilvus's form."""
    from pymilvus import DataType

    schema = client.create_schema(auto_id=False, enable_dynamic_field=False)
    schema.add_field(ID, DataType.INT64, is_primary=True)
    schema.add_field(VECTOR, DataType.FLOAT_VECTOR, dim=dimension)
    for name in INTEGERS:
        schema.add_field(name, DataType.INT64)
    for name in DOUBLES:
        schema.add_field(name, DataType.DOUBLE)
    return schema


def dimension_of(described: Mapping[str, Any]) -> int | None:
    """Numbers of a vector in a described collection; None where it is no collection of ours."""
    fields = {field["name"]: field.get("params", {}) for field in described.get("fields", ())}
    ours = {ID, VECTOR, *INTEGERS, *DOUBLES} == set(fields)
    return int(fields[VECTOR]["dim"]) if ours and "dim" in fields[VECTOR] else None
