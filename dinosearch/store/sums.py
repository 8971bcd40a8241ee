"""A checksum of every row, kept in an index on an expression: SQLite itself finds damage to its structure only.

SQLite writes the checksum with the row and compares both in `PRAGMA integrity_check`; a change to a damaged row is
refused by it as well. Every connection needs the function; programs without it can read the tables but not write them.
"""

from __future__ import annotations

import sqlite3
import zlib
from typing import Any

from sqlalchemy import ColumnElement, Connection, Float, Index, Table, text
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.visitors import InternalTraversal

_FUNCTION = "dinosearch_row_sum"


def register_sums(connection: sqlite3.Connection) -> None:
    """Make the checksum known to a connection; every connection needs its own."""
    connection.create_function(_FUNCTION, -1, _row_sum, deterministic=True)


def sum_index(table: Table) -> Index:
    """The index with the checksums of a table; it becomes part of the table's definition."""
    # The id first keeps new rows at the end of the index.
    first = [table.c.id] if "id" in table.c else []
    index = Index(f"{table.name}_sums", *first, text(_expression(table)), _table=table)
    index.ddl_if(dialect="sqlite")  # the pages of a server are its own business
    return index


def is_sound(table: Table) -> str:
    """SQL: whether a row of `table`, in a statement that selects from it, matches its checksum. It reads the index."""
    name = table.name
    return (
        f"EXISTS (SELECT 1 FROM {name} AS kept INDEXED BY {name}_sums WHERE kept.rowid = {name}.rowid "
        f"AND {_expression(table, 'kept.')} = {_expression(table, f'{name}.')})"
    )


class Sound(ColumnElement[bool]):
    """Whether rows match their checksum: SQL for SQLite, true on a server, which has checksums of its own."""

    inherit_cache = True
    _traverse_internals = [("sql", InternalTraversal.dp_string)]

    def __init__(self, sql: str) -> None:
        self.sql = sql


@compiles(Sound)
def _true(element: Sound, compiler: Any, **options: Any) -> str:
    return "true"


@compiles(Sound, "sqlite")
def _of_sqlite(element: Sound, compiler: Any, **options: Any) -> str:
    return element.sql


def schema_sum(connection: Connection) -> int:
    """Checksum of the definitions of all tables and indexes, which no index covers."""
    rows = connection.exec_driver_sql("SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name").all()
    return _row_sum(*(str(value).encode(errors="replace") for row in rows for value in row))


def _expression(table: Table, prefix: str = "") -> str:
    # As bytes, since Python would refuse damaged text; a real number as bytes would lose its last digits.
    values = (
        f"quote({prefix}{column.name})" if isinstance(column.type, Float) else f"{prefix}{column.name}"
        for column in table.columns
    )
    return f"{_FUNCTION}({', '.join(f'CAST({value} AS BLOB)' for value in values)})"


def _row_sum(*values: bytes | None) -> int:
    """CRC-32 of the values, each behind its length."""
    found = 0
    for value in values:
        found = zlib.crc32(b"-" if value is None else b"%d:%b" % (len(value), value), found)
    return found
