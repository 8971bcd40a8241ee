"""The vectors of one generation in Milvus: written, read, searched and ranked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from dinosearch.engines.checked import checked_queries, checked_rows
from dinosearch.engines.milvus_building import build, describe
from dinosearch.engines.milvus_client import MilvusConnection
from dinosearch.engines.milvus_filters import Condition, compile_condition
from dinosearch.engines.milvus_indexes import WIDEST, Wanted
from dinosearch.engines.milvus_ranking import best, merged, nothing
from dinosearch.engines.milvus_schema import ID, METRIC, VECTOR, dimension_of, make_schema, rows
from dinosearch.errors import CollectionMismatchError
from dinosearch.protocols import Progress
from dinosearch.records import BuiltIndex, ImageFacts, IndexInfo, Published
from dinosearch.store.filters.syntax import Filter

WINDOW = 16_384
"""Hits of a search, and rows of a query, that Milvus gives at most."""
FETCHED = 4096
"""Ids up to which their vectors are fetched and compared here, which is exact whatever the index."""
SPARE = 2
"""Candidates beyond what is wanted, so that equal scores are told from each other by their ids."""
SLACK = np.float32(1e-5)
"""Two ways of adding up the same product of unit vectors differ by less than this."""
_MESSAGE = 16 << 20
"""Bytes of vectors that go over the wire at once."""


class MilvusSearch:
    """See `dinosearch.protocols.VectorSearch`.

    Args:
        connection: to the engine.
        name: of Milvus's collection.
        dimension: numbers of a vector.
        index: how the index was built and measured, which says how widely to search.
    """

    def __init__(self, connection: MilvusConnection, name: str, dimension: int, index: IndexInfo | None) -> None:
        self.connection, self.name, self.dimension, self.index = connection, name, dimension, index
        self._step = max(1, min(WINDOW, _MESSAGE // (4 * dimension)))
        self._built: Wanted | None = None
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
        self._load()

    def upsert(self, ids: np.ndarray, vectors: np.ndarray, images: Sequence[ImageFacts] | None = None) -> int:
        ids, vectors = checked_rows(ids, vectors, self.dimension)
        facts: Sequence[ImageFacts | None] = [None] * len(ids) if images is None else images
        for part in _parts(len(ids), self._step):
            self.connection.call("upsert", self.name, rows(ids[part], vectors[part], facts[part]))
        return len(ids)

    def delete(self, ids: np.ndarray) -> None:
        for part in _parts(len(ids), WINDOW):
            self.connection.call("delete", self.name, ids=[int(number) for number in ids[part]])

    def missing(self, ids: np.ndarray) -> np.ndarray:
        ids, found = np.unique(np.asarray(ids, np.int64)), [np.empty(0, np.int64)]
        for part in _parts(len(ids), WINDOW):
            rows = self._query(Condition().and_among(ids[part].tolist()), [ID])
            found.append(np.array([row[ID] for row in rows], np.int64))
        return np.setdiff1d(ids, np.concatenate(found))

    def ids(self) -> np.ndarray:
        found = [keys for keys, _ in self._stream(Condition(), vectors=False)]
        return np.unique(np.concatenate(found)) if found else np.empty(0, np.int64)

    def count(self) -> int:
        return int(self._query(Condition(), ["count(*)"])[0]["count(*)"])

    def vectors(self, ids: np.ndarray) -> np.ndarray:
        ids = np.asarray(ids, np.int64)
        keys, places = np.unique(ids, return_inverse=True)
        held = np.empty((len(keys), self.dimension), np.float32)
        for part in _parts(len(keys), self._step):
            found, vectors = self._among(Condition(), keys[part])
            absent = np.setdiff1d(keys[part], found)
            if len(absent):
                raise KeyError(int(absent[0]))
            held[part.start + np.searchsorted(keys[part], found)] = vectors
        return held[places]

    def search(
        self,
        queries: np.ndarray,
        k: int,
        *,
        allowed: np.ndarray | None = None,
        where: Filter | None = None,
        exact: bool = False,
    ) -> tuple[np.ndarray, np.ndarray]:
        queries = checked_queries(queries, k, self.dimension)
        condition = compile_condition(where)
        whole = exact or k > WINDOW  # the engine cannot be trusted with it: growing segments have indexes of their own
        if allowed is None:
            if not whole:
                return self._ask(queries, k, condition)
            pieces = self._stream(condition, vectors=True)
            return merged(queries, k, (best(queries, *piece, k) for piece in pieces))
        allowed = np.unique(np.asarray(allowed, np.int64))
        if whole or len(allowed) <= FETCHED:
            parts = _parts(len(allowed), self._step)
            return merged(queries, k, (best(queries, *self._among(condition, allowed[p]), k) for p in parts))
        conditions = (condition.and_among(allowed[part].tolist()) for part in _parts(len(allowed), WINDOW))
        return merged(queries, k, (self._ask(queries, k, part) for part in conditions))

    def flush(self) -> None:
        self.connection.call("flush", self.name)
        self.count()  # waits, at strong consistency, until what was written is there for all

    def update_index(self, recall: float, progress: Progress | None = None) -> Published | None:
        self._load()
        built = build(self, recall, progress)
        if built is not None:
            self.index, self._built = built.index, None
        return built

    def index_info(self) -> BuiltIndex | None:
        return describe(self.connection, self.name)[1]

    def close(self) -> None:
        """Nothing: the connection is the engine's."""

    def nearest(
        self, queries: np.ndarray, depth: int, condition: Condition, widely: int | None, *, vectors: bool = True
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Ids and vectors that the engine finds for each query, at most `depth`, as it orders them.

        Args:
            queries: (n, dimension) float32.
            depth: at most `WINDOW`.
            condition: what rows must fulfil.
            widely: setting of the index's knob; None for the largest.
            vectors: whether they are wanted; else there are none.
        """
        self._load()
        kind = self.built.kind
        params = {} if kind.knob is None else {kind.knob: max(depth, widely or WIDEST[kind.knob])}
        if kind.knob == "nprobe":
            params = {"nprobe": min(self.built.parameters.get("nlist", WIDEST["nprobe"]), widely or WIDEST["nprobe"])}
        for part in _parts(len(queries), max(1, _MESSAGE // (4 * self.dimension * depth))):
            answers = self.connection.read(
                "search",
                self.name,
                condition,
                data=queries[part].tolist(),
                anns_field=VECTOR,
                limit=depth,
                output_fields=[VECTOR] if vectors else [],
                search_params={"metric_type": METRIC, "params": params},
            )
            for hits in answers:
                if vectors:
                    yield self._arrays([{ID: hit[ID], VECTOR: hit["entity"][VECTOR]} for hit in hits])
                else:
                    yield np.array([hit[ID] for hit in hits], np.int64), np.empty(0, np.float32)

    @property
    def built(self) -> Wanted:
        """The index that the engine has; asked once."""
        if self._built is None:
            self._built = describe(self.connection, self.name)[0]
        return self._built

    def follow(self, index: Wanted) -> None:
        """Search by the index that was just read back."""
        self._built = index

    def some(self, start: int, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Ids and vectors of the first rows behind an id."""
        return self._arrays(self._query(Condition().and_above(start), [ID, VECTOR], limit=count))

    def _ask(self, queries: np.ndarray, k: int, condition: Condition) -> tuple[np.ndarray, np.ndarray]:
        """The k nearest by the index; more widely where it finds too few, deeper where equal ones go on beyond."""
        widely, depth = self._width(k), min(WINDOW, k * self.built.kind.widen + SPARE)
        while True:
            ids, scores = nothing(len(queries), k)
            is_short = is_level = False
            for number, (keys, vectors) in enumerate(self.nearest(queries, depth, condition, widely)):
                found, values = best(queries[number : number + 1], keys, vectors, min(depth, WINDOW))
                count = int((found[0] >= 0).sum())
                ids[number], scores[number] = found[0, :k], values[0, :k]
                is_short |= count < k
                is_level |= count == depth > k and bool(values[0, k - 1] - values[0, depth - 1] <= SLACK)
            if is_short and widely is not None:
                widely = None  # a filter may leave nothing in the lists that were visited
            elif is_level and depth < WINDOW:
                depth = min(WINDOW, 2 * depth)
            else:
                return ids, scores

    def _width(self, k: int) -> int | None:
        """The measured setting of the knob for k hits; None where all is looked at, or nothing was measured."""
        if self.built.kind.knob is None or self.index is None or self.index.type != self.built.type:
            return None
        larger = [known for known in sorted(self.index.nprobe) if known >= k]
        if larger:
            return self.index.nprobe[larger[0]]
        most = max(self.index.nprobe)
        return min(WIDEST[self.built.kind.knob], -(-self.index.nprobe[most] * k // most))

    def _query(self, condition: Condition, fields: list[str], **named: Any) -> Any:
        self._load()
        return self.connection.read("query", self.name, condition, output_fields=fields, **named)

    def _stream(self, condition: Condition, *, vectors: bool) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Ids, ascending, and vectors of all rows that fulfil the condition, a piece at a time."""
        last, step, fields = -1, self._step if vectors else WINDOW, [ID, VECTOR] if vectors else [ID]
        while True:
            found = self._query(condition.and_above(last), fields, limit=step)
            if found:
                yield self._arrays(found) if vectors else (np.array([r[ID] for r in found], np.int64), np.empty(0))
                last = max(row[ID] for row in found)
            if len(found) < step:
                return

    def _among(self, condition: Condition, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return self._arrays(self._query(condition.and_among(ids.tolist()), [ID, VECTOR])) if len(ids) else _none(self)

    def _arrays(self, found: Sequence[dict[str, Any]]) -> tuple[np.ndarray, np.ndarray]:
        if not found:
            return _none(self)
        ids = np.array([row[ID] for row in found], np.int64)
        return ids, np.array([row[VECTOR] for row in found], np.float32).reshape(len(ids), self.dimension)

    def _load(self) -> None:
        """Have the engine keep the collection in memory, as searches need it."""
        if not self._loaded:
            self.connection.call("load_collection", self.name, timeout=max(self.connection.timeout, 600.0))
            self._loaded = True


def _none(search: MilvusSearch) -> tuple[np.ndarray, np.ndarray]:
    return np.empty(0, np.int64), np.empty((0, search.dimension), np.float32)


def _parts(count: int, step: int) -> Iterator[slice]:
    return (slice(low, min(low + step, count)) for low in range(0, count, step))
