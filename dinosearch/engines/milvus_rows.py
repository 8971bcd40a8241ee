"""The rows of one generation in Milvus: written, counted, read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from dinosearch.engines.checked import checked_rows
from dinosearch.engines.milvus_client import CONSISTENCY, MilvusConnection
from dinosearch.engines.milvus_filters import Condition
from dinosearch.engines.milvus_schema import ID, METRIC, VECTOR, dimension_of, make_schema, rows
from dinosearch.errors import CollectionMismatchError
from dinosearch.records import ImageFacts

WINDOW = 16_384
"""Hits of a search, and rows of a query, that Milvus gives at most."""
MESSAGE = 16 << 20
"""Bytes of vectors that go over the wire at once."""


class MilvusRows:
    """See `dinosearch.protocols.VectorSearch`, of which this is what does not search.

    Args:
        connection: to the engine.
        name: of Milvus's collection.
        dimension: numbers of a vector.

    Attributes:
        consistency: what reads wait for, in Milvus's words.
    """

    def __init__(self, connection: MilvusConnection, name: str, dimension: int) -> None:
        self.connection, self.name, self.dimension = connection, name, dimension
        self.consistency = connection.consistency
        self._step = max(1, min(WINDOW, MESSAGE // (4 * dimension)))
        self._loaded = False

    def ensure(self) -> None:
        call = self.connection.call
        if not call("has_collection", self.name):
            client = self.connection.client()
            index = client.prepare_index_params()
            index.add_index(VECTOR, index_type="FLAT", metric_type=METRIC, params={})
            schema = make_schema(client, self.dimension)
            call("create_collection", self.name, schema=schema, index_params=index, consistency_level="Strong")
        elif (dimension := dimension_of(call("describe_collection", self.name))) != self.dimension:
            held = "is no collection of dinosearch" if dimension is None else f"holds vectors of {dimension} numbers"
            raise CollectionMismatchError(
                f"{self.name} in {self.connection.address.shown} {held}, and vectors of {self.dimension} are to be "
                "kept there; choose another name in the address"
            )
        self.load()

    def upsert(self, ids: np.ndarray, vectors: np.ndarray, images: Sequence[ImageFacts] | None = None) -> int:
        ids, vectors = checked_rows(ids, vectors, self.dimension)
        facts: Sequence[ImageFacts | None] = [None] * len(ids) if images is None else images
        for part in parts(len(ids), self._step):
            self.connection.call("upsert", self.name, rows(ids[part], vectors[part], facts[part]))
        return len(ids)

    def delete(self, ids: np.ndarray) -> None:
        for part in parts(len(ids), WINDOW):
            self.connection.call("delete", self.name, ids=[int(number) for number in ids[part]])

    def missing(self, ids: np.ndarray) -> np.ndarray:
        ids, found = np.unique(np.asarray(ids, np.int64)), [np.empty(0, np.int64)]
        for part in parts(len(ids), WINDOW):
            rows = self._query(Condition().and_among(ids[part].tolist()), [ID])
            found.append(np.array([row[ID] for row in rows], np.int64))
        return np.setdiff1d(ids, np.concatenate(found))

    def ids(self) -> np.ndarray:
        # Whatever the address says of consistency: which images have a vector is decided by it.
        found = [keys for keys, _ in self.stream(Condition(), vectors=False, strong=True)]
        return np.unique(np.concatenate(found)) if found else np.empty(0, np.int64)

    def count(self) -> int:
        if self.connection.lite:
            # Killed between the end of a flush and the deletion of its log, milvus-lite 3.2 reads the log again when it
            # is opened next, and counts those rows twice.
            return len(self.ids())
        return int(self._query(Condition(), ["count(*)"])[0]["count(*)"])

    def vectors(self, ids: np.ndarray) -> np.ndarray:
        ids = np.asarray(ids, np.int64)
        keys, places = np.unique(ids, return_inverse=True)
        held = np.empty((len(keys), self.dimension), np.float32)
        for part in parts(len(keys), self._step):
            found, vectors = self.among(Condition(), keys[part])
            absent = np.setdiff1d(keys[part], found)
            if len(absent):
                raise KeyError(int(absent[0]))
            held[part.start + np.searchsorted(keys[part], found)] = vectors
        return held[places]

    def flush(self) -> None:
        self.connection.call("flush", self.name)
        self._query(Condition(), ["count(*)"], strong=True)  # which waits until what was written is there

    def close(self) -> None:
        """Nothing: the connection is the engine's."""

    def some(self, start: int, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Ids and vectors of the first rows behind an id."""
        return self.arrays(self._query(Condition().and_above(start), [ID, VECTOR], limit=count))

    def _query(self, condition: Condition, fields: list[str], *, strong: bool = False, **named: Any) -> Any:
        self.load()
        named["consistency_level"] = CONSISTENCY["strong"] if strong else self.consistency
        return self.connection.read("query", self.name, condition, output_fields=fields, **named)

    def stream(
        self, condition: Condition, *, vectors: bool, strong: bool = False
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Ids, ascending, and vectors of all rows that fulfil the condition, a piece at a time."""
        last, step, fields = -1, self._step if vectors else WINDOW, [ID, VECTOR] if vectors else [ID]
        while True:
            found = self._query(condition.and_above(last), fields, limit=step, strong=strong)
            if found:
                yield self.arrays(found) if vectors else (np.array([r[ID] for r in found], np.int64), np.empty(0))
                last = max(row[ID] for row in found)
            if len(found) < step:
                return

    def among(self, condition: Condition, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return self.arrays(self._query(condition.and_among(ids.tolist()), [ID, VECTOR])) if len(ids) else _none(self)

    def arrays(self, found: Sequence[dict[str, Any]]) -> tuple[np.ndarray, np.ndarray]:
        if not found:
            return _none(self)
        ids = np.array([row[ID] for row in found], np.int64)
        return ids, np.array([row[VECTOR] for row in found], np.float32).reshape(len(ids), self.dimension)

    def load(self) -> None:
        """Have the engine keep the collection in memory, as searches need it."""
        if not self._loaded:
            self.connection.call("load_collection", self.name, timeout=max(self.connection.timeout, 600.0))
            self._loaded = True


def _none(search: MilvusRows) -> tuple[np.ndarray, np.ndarray]:
    return np.empty(0, np.int64), np.empty((0, search.dimension), np.float32)


def parts(count: int, step: int) -> Iterator[slice]:
    """Cut `count` things into pieces of at most `step`."""
    return (slice(low, min(low + step, count)) for low in range(0, count, step))
