"""The vectors of one generation in a table of PostgreSQL: written, read and searched."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from dinosearch.engines import pgvector_index
from dinosearch.engines.checked import checked_queries, checked_rows
from dinosearch.engines.pgvector_wire import copied, read_vectors, sent, together
from dinosearch.engines.ranking import best, merged, nothing
from dinosearch.errors import SettingError
from dinosearch.protocols import Progress
from dinosearch.records import BuiltIndex, ImageFacts, IndexInfo, Published
from dinosearch.store import Filter
from dinosearch.store.postgres_words import GRANTS

if TYPE_CHECKING:
    from dinosearch.engines.pgvector import PgVectorEngine

_MOST_DIMENSIONS = 16_000
"""Numbers that a vector of pgvector holds."""
_INLINE = 1_900
"""Numbers of a vector that fits on a page of 8 kB beside its id; longer ones are put aside by the server."""
_FEW = 16_384
"""Allowed ids that are compared one by one, which finds all of them; more are left to the index."""
_SPARE, _WIDEST = 32, 1_000
"""Neighbours by half precision that are scored again beyond the k wanted, and the most that `hnsw.ef_search` takes."""
_MANY = 8
"""Exact queries that are asked together by reading all vectors once."""
_STEP = 10_000


class PgVectorSearch:
    """See `dinosearch.protocols.VectorSearch`.

    Args:
        engine: gives connections.
        number: of the generation.
        dimension: numbers of a vector.
        index: how the index was built and measured; it says how widely to search.
        each: rows of an image. More than one are of windows, of which there are many: at half precision they take half
            the space, and are still nearer to what was measured than the byte a number of a folder.

    Attributes:
        type: of the vectors.
    """

    def __init__(
        self, engine: PgVectorEngine, number: int, dimension: int, index: IndexInfo | None, each: int = 1
    ) -> None:
        self.engine, self.number, self.dimension, self.index = engine, number, dimension, index
        self.table, self.type, self.each = f"vectors_{int(number)}", "vector" if each == 1 else "halfvec", int(each)

    def ensure(self) -> None:
        if self.dimension > _MOST_DIMENSIONS:
            raise SettingError(
                f"pgvector holds vectors of up to {_MOST_DIMENSIONS:,} numbers, and these have {self.dimension:,}"
            )
        self.engine.extend()
        with self.engine.cursor() as cursor:
            cursor.execute(
                f"CREATE TABLE IF NOT EXISTS {self.table} (id bigint PRIMARY KEY, "
                f"embedding {self.type}({self.dimension}) NOT NULL)"
            )
            if self.dimension <= _INLINE:  # in the row: put aside, each vector would cost a search two reads more
                cursor.execute(f"ALTER TABLE {self.table} ALTER COLUMN embedding SET STORAGE PLAIN")
            for (grant,) in cursor.execute(GRANTS, (self.table,)).fetchall():
                cursor.execute(grant)

    def upsert(self, ids: np.ndarray, vectors: np.ndarray, images: Sequence[ImageFacts] | None = None) -> int:
        keys, rows = checked_rows(ids, vectors, self.dimension)
        incoming = f"incoming_{self.type}_{self.dimension}"
        with self.engine.cursor(self.number) as cursor:
            # Once a connection: what is made and dropped with every batch would swell the server's catalogue.
            cursor.execute(
                f"CREATE TEMP TABLE IF NOT EXISTS {incoming} (id bigint, embedding {self.type}({self.dimension})) "
                "ON COMMIT DELETE ROWS"
            )
            with cursor.copy(f"COPY {incoming} FROM STDIN (FORMAT BINARY)") as copy:
                for part in copied(keys, rows, _STEP, self.type):
                    copy.write(part)
            cursor.execute(
                f"INSERT INTO {self.table} SELECT id, embedding FROM {incoming} ORDER BY id "
                "ON CONFLICT (id) DO UPDATE SET embedding = excluded.embedding"
            )
        return len(keys)

    def delete(self, ids: np.ndarray) -> None:
        with self.engine.cursor(self.number) as cursor:
            for part in _parts(ids):
                cursor.execute(f"DELETE FROM {self.table} WHERE id = ANY(%s::bigint[])", (part,))

    def missing(self, ids: np.ndarray) -> np.ndarray:
        absent = f"SELECT i FROM unnest(%s::bigint[]) i WHERE NOT EXISTS (SELECT FROM {self.table} WHERE id = i)"
        with self.engine.cursor(self.number, reads=True) as cursor:
            found = [row[0] for part in _parts(np.unique(ids)) for row in cursor.execute(absent, (part,)).fetchall()]
        return np.sort(np.array(found, np.int64))

    def ids(self) -> np.ndarray:
        with self.engine.cursor(self.number, reads=True, name="ids") as cursor:
            cursor.itersize = _STEP
            cursor.execute(f"SELECT id FROM {self.table} ORDER BY id", binary=True)
            return np.fromiter((row[0] for row in cursor), np.int64)

    def count(self) -> int:
        with self.engine.cursor(self.number, reads=True) as cursor:
            return int(cursor.execute(f"SELECT count(*) FROM {self.table}").fetchone()[0])

    def vectors(self, ids: np.ndarray) -> np.ndarray:
        wanted = np.asarray(ids, np.int64)
        out = np.empty((len(wanted), self.dimension), np.float32)
        statement = f"SELECT id, embedding FROM {self.table} WHERE id = ANY(%s::bigint[])"
        with self.engine.cursor(self.number, reads=True) as cursor:
            for low in range(0, len(wanted), _STEP):
                part = wanted[low : low + _STEP]
                rows = cursor.execute(statement, (part.tolist(),), binary=True).fetchall()
                keys, values = read_vectors(rows, self.dimension, self.type)
                order = np.argsort(keys)
                at = np.searchsorted(keys, part, sorter=order)
                slots = order[np.minimum(at, max(len(keys) - 1, 0))] if len(keys) else np.zeros(len(part), np.int64)
                absent = np.flatnonzero(keys[slots] != part) if len(keys) else np.arange(len(part))
                if len(absent):
                    raise KeyError(int(part[absent[0]]))
                out[low : low + len(part)] = values[slots]
        return out

    def search(
        self,
        queries: np.ndarray,
        k: int,
        *,
        allowed: np.ndarray | None = None,
        where: Filter | None = None,
        exact: bool = False,
    ) -> tuple[np.ndarray, np.ndarray]:
        rows = checked_queries(queries, k, self.dimension)
        ids, scores = nothing(len(rows), k)
        if allowed is not None and not len(allowed):
            return ids, scores
        by_index = not exact and self.index is not None and (allowed is None or len(allowed) > _FEW)
        findable, given = self.engine.findable(where)
        if allowed is not None:
            given = {**given, "allowed": np.asarray(allowed, np.int64).tolist()}
        breadth = pgvector_index.breadth(self.index, k)
        if not by_index and len(rows) >= _MANY:
            pieces = self._streamed(findable, given, allowed)
            return merged(rows, k, (best(rows, *piece, k) for piece in pieces))
        with self.engine.cursor(self.number, reads=True) as cursor:
            few = where is not None and (by_index or self.each > 1)
            few = few and self.each * _rows_expected(cursor, findable, given) <= _FEW
            by_index = by_index and not few
            for place, row in enumerate(rows):
                asked = {**given, **sent(cursor, row)}
                found: list[tuple[int, float]] = []
                if by_index:
                    with together(cursor):
                        if place == 0:
                            pgvector_index.prepare(cursor, min(_WIDEST, max(breadth, k + _SPARE)))
                        cursor.execute(self._by_index(k, findable, allowed), asked)
                    found = cursor.fetchall()
                if len(found) < k:  # a filter left little of what was near, or there is no more
                    found = cursor.execute(self._exact(k, findable, allowed, few), asked).fetchall()
                for rank, (image_id, score) in enumerate(found):
                    ids[place, rank], scores[place, rank] = image_id, score
        return ids, scores

    def _streamed(
        self, findable: str, given: dict[str, Any], allowed: np.ndarray | None
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Every row that may be answered, read once."""
        chosen = "" if allowed is None else "v.id = ANY(%(allowed)s::bigint[]) AND "
        statement = f"SELECT v.id, v.embedding FROM {self.table} v WHERE {chosen}{self._of(findable)}"
        with self.engine.cursor(self.number, reads=True, name="streamed") as cursor:
            cursor.execute(statement, given, binary=True)
            while part := cursor.fetchmany(_STEP):
                yield read_vectors(part, self.dimension, self.type)

    @property
    def _image(self) -> str:
        """SQL: the image that a row `v` is of."""
        return "v.id" if self.each == 1 else f"(v.id / {self.each})"

    def _of(self, findable: str, few: bool = False) -> str:
        """SQL: whether a row `v` is of one of these images; of few ones the rows are looked up, not looked through."""
        if self.each == 1 or not few:
            return f"{self._image} IN ({findable})"
        places = f"generate_series(0, {self.each - 1}) place"
        return f"v.id IN (SELECT f.id * {self.each} + place FROM ({findable}) f(id), {places})"

    def _exact(self, k: int, findable: str, allowed: np.ndarray | None, few: bool) -> str:
        """Compare every row that may be answered; the index cannot serve this order."""
        chosen = "" if allowed is None else "v.id = ANY(%(allowed)s::bigint[]) AND "
        return (
            f"SELECT v.id, -(v.embedding::vector <#> %(query)s::vector) FROM {self.table} v WHERE {chosen}"
            f"{self._of(findable, few)} ORDER BY v.embedding::vector <#> %(query)s::vector, v.id LIMIT {int(k)}"
        )

    def _by_index(self, k: int, findable: str, allowed: np.ndarray | None) -> str:
        """Take the nearest by half precision in the order of the index, and score them from float32.

        The tests are written so that PostgreSQL makes them row by row behind the index, never as a join before it.
        """
        chosen = "" if allowed is None else "v.id = ANY(%(allowed)s::bigint[]) AND "
        half = f"halfvec({self.dimension})"
        return (
            f"WITH near AS MATERIALIZED (SELECT v.id, v.embedding FROM {self.table} v WHERE {chosen}"
            f"(SELECT true FROM ({findable}) f(id) WHERE f.id = {self._image} LIMIT 1) "
            f"ORDER BY (v.embedding::{half}) <#> %(half)s::{half} LIMIT {int(k) + _SPARE}) "
            f"SELECT id, -(embedding::vector <#> %(query)s::vector) AS score FROM near "
            f"ORDER BY score DESC, id LIMIT {int(k)}"
        )

    def flush(self) -> None:
        """Nothing: what is committed is searched at once."""

    def update_index(self, recall: float, progress: Progress | None = None) -> Published | None:
        return pgvector_index.update(self, recall, progress)

    def build_index(self) -> None:
        """Build the index where there is none, however few rows there are."""
        pgvector_index.build(self, self.count())

    def index_info(self) -> BuiltIndex | None:
        return pgvector_index.described(self)

    def close(self) -> None:
        """Nothing: the connections are the store's."""


def _rows_expected(cursor: Any, statement: str, given: dict[str, Any]) -> float:
    """How many rows the server guesses that a statement gives; it runs nothing."""
    plan = cursor.execute(f"EXPLAIN (FORMAT JSON) {statement}", given).fetchone()[0]
    return float(plan[0]["Plan"]["Plan Rows"])


def _parts(ids: np.ndarray) -> Iterator[list[int]]:
    keys = np.asarray(ids, np.int64)
    return (keys[low : low + _STEP].tolist() for low in range(0, len(keys), _STEP))
