"""How the numbers of a row lie in a vector file: as float32, or as a byte each with one scale a row.

It knows no file; a coding says which fields a block has, and turns vectors into fields and back.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np

Fields = Mapping[str, np.ndarray]
"""Field name -> (n, ...) array of n rows."""


class Coding(Protocol):
    """One way of keeping vectors.

    Attributes:
        name: what it is called in code.
        code: four bytes that name it in the file's header.
        as_they_are: whether the vectors lie in the file as they are, so that decoding copies nothing.
    """

    name: str
    code: bytes
    as_they_are: bool

    def fields(self, rows: int, dimension: int) -> list[tuple[str, str, tuple[int, ...]]]:
        """The fields of a block of `rows` rows, as NumPy describes them."""
        ...

    def encode(self, vectors: np.ndarray) -> Fields:
        """Fields of (n, dimension) float32 vectors."""
        ...

    def decode(self, fields: Fields) -> np.ndarray:
        """(..., dimension) float32 vectors out of fields of any leading shape; a view where nothing has to be done."""
        ...


class Float32:
    """Vectors as they are."""

    name = "float32"
    code = b"<f4\0"
    as_they_are = True

    def fields(self, rows: int, dimension: int) -> list[tuple[str, str, tuple[int, ...]]]:
        return [("vectors", "<f4", (rows, dimension))]

    def encode(self, vectors: np.ndarray) -> Fields:
        return {"vectors": np.ascontiguousarray(vectors, "<f4")}

    def decode(self, fields: Fields) -> np.ndarray:
        return np.asarray(fields["vectors"])


class Int8:
    """Each number as a signed byte, the largest of a row as 127, with one scale that keeps the row's length.

    As the length stays, a copy of what was read has the same bytes. Rounding moves a number by about half a step: for
    vectors whose numbers are of one size the cosine with the original is above 0.9999.
    """

    name = "int8"
    code = b"<i1\0"
    as_they_are = False

    def fields(self, rows: int, dimension: int) -> list[tuple[str, str, tuple[int, ...]]]:
        return [("scales", "<f4", (rows,)), ("codes", "<i1", (rows, dimension))]

    def encode(self, vectors: np.ndarray) -> Fields:
        largest = np.abs(vectors).max(axis=1, initial=0.0)
        codes = np.rint(vectors * (127 / np.where(largest > 0, largest, 1))[:, None])
        lengths = np.linalg.norm(codes, axis=1)
        scales = np.linalg.norm(vectors, axis=1) / np.where(lengths > 0, lengths, 1)
        return {"scales": scales.astype("<f4"), "codes": codes.astype("<i1")}

    def decode(self, fields: Fields) -> np.ndarray:
        decoded: np.ndarray = fields["codes"] * fields["scales"][..., None]
        return decoded


CODINGS: dict[str, Coding] = {coding.name: coding for coding in (Float32(), Int8())}
"""By name."""


def coding_of(code: bytes) -> Coding | None:
    """The coding with these four bytes; None where this program knows none."""
    return next((coding for coding in CODINGS.values() if coding.code == code), None)
