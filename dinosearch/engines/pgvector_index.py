"""The HNSW index of a table of vectors: when it is built, how widely it must search, and what is really there.

PostgreSQL keeps the index up to date with every row, so that it is built once; only its measure grows old.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dinosearch.engines.measuring import SAMPLE, K, narrowest, sampled
from dinosearch.errors import DinosearchError
from dinosearch.protocols import Progress
from dinosearch.records import BuiltIndex, IndexInfo, Published

if TYPE_CHECKING:
    from dinosearch.engines.pgvector_rows import PgVectorSearch

LEAST, LEAST_OF_PARTS = 5_000, 50_000
"""Rows that are worth an index: comparing fewer takes 5 ms. Of windows, of which an image has many, so that
comparing them takes 25 ms, less than it takes to look at the query: each new one has its price in an index."""
_MOST_DIMENSIONS = 4_000
"""Numbers of a vector that an index over half precision takes."""
_M, _CONSTRUCTION = 16, 100
"""Links of a node, and candidates when it is linked (pgvector's defaults: 16, 64)."""
BREADTHS = (40, 80, 160, 320, 640, 1000)
"""Values of `hnsw.ef_search` that are tried, up to the largest that it takes."""
_MEMORY = 2 << 30
"""Most memory asked of the server for a build, enough for 1.7 million vectors of 384 numbers; a graph that does not fit
is built on its disk, which takes hours, unless the server is set to more."""
_ROW_BYTES = 400
"""Beside the vector, of a node of the graph."""


def breadth(index: IndexInfo | None, k: int) -> int:
    """How widely to search for k neighbours."""
    if index is None:
        return BREADTHS[0]
    return max(index.nprobe.get(K, BREADTHS[0]), 4 * k)


def prepare(cursor: Any, wide: int) -> None:
    """Set what searches by the index need, for this transaction; the cursor's own answer is another."""
    cursor.connection.execute(
        "SELECT set_config('hnsw.ef_search', %s, true), set_config('hnsw.iterative_scan', 'relaxed_order', true)",
        (str(wide),),
    )


def update(rows: PgVectorSearch, recall: float, progress: Progress | None) -> Published | None:
    """Build the index where it is worth it, measure it where that was not done or the table has doubled since."""
    count, info = rows.count(), rows.index
    built = described(rows)
    if count < (LEAST if rows.each == 1 else LEAST_OF_PARTS) or rows.dimension > _MOST_DIMENSIONS:
        return None
    if built is not None and info is not None and count < 2 * info.rows and info.recall_target == recall:
        return None
    if built is None:
        if progress is not None:
            progress("build", 0, count)
        build(rows, count)
        if progress is not None:
            progress("build", count, count)
    rows.engine.analyse(rows.table)
    return Published(_measured(rows, count, recall, progress), "")


def build(rows: PgVectorSearch, count: int) -> None:
    """Build the index over `count` rows, where there is none."""
    wanted = min(_MEMORY, count * (2 * rows.dimension + _ROW_BYTES))
    try:
        _create(rows, wanted, None)
    except DinosearchError:
        # A container's shared memory is often smaller than what several processes need; one alone needs none.
        _create(rows, wanted, 0)


def _create(rows: PgVectorSearch, memory: int, workers: int | None) -> None:
    with rows.engine.cursor(rows.number) as cursor:
        cursor.execute(
            "SELECT set_config('maintenance_work_mem', greatest(%s, pg_size_bytes(current_setting("
            "'maintenance_work_mem')) / 1024)::bigint::text || 'kB', true)",
            (memory // 1024,),
        )
        if workers is not None:
            cursor.execute(f"SET LOCAL max_parallel_maintenance_workers = {int(workers)}")
        cursor.execute(
            f"CREATE INDEX IF NOT EXISTS {rows.table}_hnsw ON {rows.table} USING hnsw ((embedding::"
            f"halfvec({rows.dimension})) halfvec_ip_ops) WITH (m = {_M}, ef_construction = {_CONSTRUCTION})"
        )


def _measured(rows: PgVectorSearch, count: int, recall: float, progress: Progress | None) -> IndexInfo:
    def by_breadth(queries: np.ndarray, k: int, wide: int) -> np.ndarray:
        probed = _info(count, {K: wide}, recall, {})
        return rows.engine.open(rows.number, rows.dimension, probed, rows.each).search(queries, k)[0]

    own = sampled(rows.ids())
    if progress is not None:
        progress("measure", 0, len(own))
    queries = rows.vectors(own)
    wide, found = narrowest(own, queries, lambda q, k: rows.search(q, k, exact=True)[0], BREADTHS, by_breadth, recall)
    if progress is not None:
        progress("measure", len(own), len(own))
    return _info(count, {K: wide}, recall, {K: round(found, 6)})


def _info(count: int, breadths: dict[int, int], target: float, recall: dict[int, float]) -> IndexInfo:
    return IndexInfo("HNSW16,halfvec", count, count, 1, breadths, target, recall, SAMPLE, held=count)


def described(rows: PgVectorSearch) -> BuiltIndex | None:
    """The index as the server's catalogue has it; None where there is none that it would use."""
    statement = (
        "SELECT am.amname, c.reloptions, o.opcname, c.reltuples FROM pg_index i "
        "JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am am ON am.oid = c.relam "
        "JOIN pg_opclass o ON o.oid = i.indclass[0] "
        "WHERE i.indrelid = to_regclass(%s) AND i.indisvalid AND am.amname IN ('hnsw', 'ivfflat')"
    )
    with rows.engine.cursor(rows.number, reads=True) as cursor:
        found = cursor.execute(statement, (rows.table,)).fetchone()
    if found is None:
        return None
    kind, options, operators, tuples = found
    parameters: dict[str, Any] = dict(option.split("=", 1) for option in options or ())
    parameters = {name: int(value) if value.isdigit() else value for name, value in parameters.items()}
    parameters["operators"] = operators
    if rows.index is not None:
        parameters["ef_search"] = rows.index.nprobe.get(K, BREADTHS[0])
    return BuiltIndex(rows.engine.version(), kind, parameters, int(tuples))
