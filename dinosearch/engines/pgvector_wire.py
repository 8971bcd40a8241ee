"""Vectors as PostgreSQL's binary formats have them: of COPY, of rows, and of a parameter.

Those of the types `vector` and `halfvec` differ in the numbers only: 4 bytes each, or 2.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np

# postgresql.org/docs/current/sql-copy.html, "Binary Format": signature, flags, length of an extension; at the end -1.
_BEGIN = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_END = b"\xff\xff"


NUMBERS: dict[str, np.dtype[Any]] = {"vector": np.dtype(">f4"), "halfvec": np.dtype(">f2")}
"""How the numbers of a type go over the wire."""


def copied(ids: np.ndarray, vectors: np.ndarray, step: int, kind: str) -> Iterator[bytes]:
    """What COPY ... FROM STDIN (FORMAT BINARY) takes for the columns (bigint, `kind`), in parts of `step` rows."""
    yield _BEGIN
    dimension, number = vectors.shape[1], NUMBERS[kind]
    form = np.dtype(
        [
            ("fields", ">i2"),
            ("id_bytes", ">i4"),
            ("id", ">i8"),
            ("vector_bytes", ">i4"),
            ("dimension", ">i2"),
            ("unused", ">i2"),
            ("numbers", number, (dimension,)),
        ]
    )
    for low in range(0, len(ids), step):
        part = ids[low : low + step]
        rows = np.zeros(len(part), form)
        rows["fields"], rows["id_bytes"], rows["vector_bytes"] = 2, 8, 4 + number.itemsize * dimension
        rows["id"], rows["dimension"], rows["numbers"] = part, dimension, vectors[low : low + step]
        yield rows.tobytes()
    yield _END


def read_vectors(rows: Sequence[tuple[int, Any]], dimension: int, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Ids (n,) int64 and vectors (n, dimension) float32 of rows (bigint, `kind`) that were fetched in binary form."""
    keys = np.fromiter((row[0] for row in rows), np.int64, len(rows))
    data = b"".join(bytes(row[1])[4:] for row in rows)  # behind dimension and an unused field
    return keys, np.frombuffer(data, NUMBERS[kind]).astype(np.float32).reshape(len(rows), dimension)


def together(cursor: Any) -> AbstractContextManager[Any]:
    """Inside, statements are sent without waiting for the answers to those before: one way there and back for all."""
    from psycopg import Pipeline

    return cursor.connection.pipeline() if Pipeline.is_supported() else nullcontext()


class Sent(bytes):
    """A parameter as the server's type reads it in binary form; what type that is, the statement says."""


def sent(cursor: Any, vector: np.ndarray) -> dict[str, Sent]:
    """A vector as the parameters `query` of the type vector and `half` of the type halfvec.

    As text each would take as long as all else that is done here for a question.
    """
    from psycopg.adapt import Dumper
    from psycopg.pq import Format

    class AsItIs(Dumper):
        format = Format.BINARY

        def dump(self, obj: Sent) -> Sent:
            return obj

    cursor.adapters.register_dumper(Sent, AsItIs)
    head = len(vector).to_bytes(2, "big") + bytes(2)  # dimension and an unused field
    return {form: Sent(head + vector.astype(kind).tobytes()) for form, kind in (("query", ">f4"), ("half", ">f2"))}
