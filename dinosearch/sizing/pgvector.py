"""PostgreSQL with pgvector: metadata and vectors in one database on one box, HNSW over half-precision copies."""

from __future__ import annotations

from dinosearch.sizing.place import DISK, MEMORY, Limit, Place, broken
from dinosearch.sizing.sheet import Formula, Sheet

MOST_NUMBERS = 4000
"""Of a half-precision vector that pgvector can index."""
ADVISED_ROWS = 100e6
"""Rows of a box from which building and vacuuming take days (an estimate, nothing was run at that size)."""

_INDEX = (
    Formula("pg_element", "8 * ceil((element_head + 2 * dimension) / 8) + 4", "B", "a row of the graph"),
    Formula("pg_links", "8 * ceil((4 + 2 * graph_m * link_pg) / 8) + 4", "B", "its links"),
    Formula("pg_fit", "max(1, (page - page_head) // (pg_element + pg_links))", "", "rows in a page"),
    Formula("pg_index", "images / pg_fit * page", "B", "index: pages of the graph"),
)
_INLINE = 1900
"""Numbers of a vector up to which it lies in its row (dinosearch/engines/pgvector_rows.py)."""
_ROWS = {
    True: Formula(
        "pg_vectors", "images / ((page - 24) // (tuple_head + 4 * dimension)) * page", "B", "table of vectors"
    ),
    # A longer one is put aside in parts of 1,996 bytes (TOAST_MAX_CHUNK_SIZE of PostgreSQL), each a row of its own.
    False: Formula(
        "pg_vectors",
        "images * (4 * dimension + (ceil(4 * dimension / 1996) + 1) * tuple_head)",
        "B",
        "table of vectors",
    ),
}
_REST = (
    Formula("pg_metadata", "images * (pg_row + pg_path * path_bytes)", "B", "tables and indexes of the metadata"),
    Formula("pg_disk", "pg_index + pg_vectors + images * pg_index_row + pg_metadata", "B", "disk"),
    Formula("pg_ms", "pg_search_ms * recall_time * log2(images) / log2(1e6) * dimension / 384", "ms", "a search"),
    Formula(
        "pg_queries",
        "replicas * machine_cores * core_share * 1000 / pg_ms",
        "/s",
        "searches a second, read replicas too",
    ),
    Formula("pg_load_hours", "images / pg_load_rate / 3600", "h", "taking in what was embedded"),
    Formula(
        "pg_build_hours",
        "images * pg_build_row_us / 1e6 * log2(images) / log2(1e6) * dimension / 384 / machine_cores / 3600",
        "h",
        "building the index",
    ),
)
_LIMITS = (
    Limit("pg_index", MEMORY, "the pages of the graph", "the usable memory of the one box", "take Milvus, or local"),
    Limit("pg_disk", DISK, "tables and index", "the disk of the one box", "take Milvus, or a larger disk"),
)


def pgvector(sheet: Sheet) -> Place:
    """Plan it."""
    dimension, images = sheet["dimension"], sheet["images"]
    lines = sheet.add([*_INDEX, _ROWS[dimension <= _INLINE], *_REST])
    reasons = broken(sheet, _LIMITS)
    if dimension > MOST_NUMBERS:
        reasons.append(f"pgvector indexes half-precision vectors of up to {MOST_NUMBERS:,} numbers")
    fits = not reasons
    if images > ADVISED_ROWS:
        reasons.append(f"more than {ADVISED_ROWS:,.0f} rows on one box were never tried")
    return Place(
        "pgvector",
        "HNSW, halfvec",
        fits,
        tuple(reasons),
        int(sheet["replicas"]) if fits else 0,
        sheet["pg_index"],
        sheet["pg_disk"],
        0,
        sheet["pg_load_hours"],
        sheet["pg_build_hours"],
        sheet["pg_queries"] if fits else 0,
        lines,
    )
