"""Bytes that belong to a generation, for places that have no files: a table of its own for each, made with it.

A row is of an image, by its id, and 0 is what all rows of the generation have in common. Each has its checksum, as
these tables may lie in SQLite, which has none.
"""

from __future__ import annotations

import re
import sqlite3
import zlib
from collections.abc import Iterable, Mapping
from functools import lru_cache

import numpy as np
from sqlalchemy import BigInteger, Column, Connection, LargeBinary, MetaData, Table, delete, inspect, select

from dinosearch.store.dialects import Dialect, dialect_of
from dinosearch.store.reading import CHUNK, Reader, chunks
from dinosearch.store.tables import generations

COMMON = 0
"""The id under which lies what is of no image; those of images begin with 1."""
_NAME = re.compile(r"packed_(\d+)")


class Packing:
    """The part of a transaction that writes packed rows."""

    _connection: Connection
    _dialect: Dialect
    _wrote: set[Table]

    def make_packed(self, number: int) -> None:
        """Make the table of a generation; one that is there stays as it is."""
        table = _table(number)
        if inspect(self._connection).has_table(table.name):
            return
        table.create(self._connection)
        self._dialect.on_packed(self._connection, table)
        self._changed_schema()

    def put_packed(self, number: int, rows: Mapping[int, bytes]) -> None:
        """Write rows by id, in place of any that there are."""
        table = _table(number)
        statement = self._dialect.upsert(table)
        changed = {name: statement.excluded[name] for name in ("data", "sum")}
        statement = statement.on_conflict_do_update(index_elements=["id"], set_=changed)
        for part in chunks(rows, CHUNK):
            self._connection.execute(
                statement, [{"id": key, "data": rows[key], "sum": _sum(key, rows[key])} for key in part]
            )
        self._wrote.add(generations)

    def drop_packed(self, number: int, ids: Iterable[int]) -> None:
        """Delete rows; ids without one are ignored."""
        table = _table(number)
        for part in chunks((int(key) for key in ids), CHUNK):
            self._connection.execute(delete(table).where(table.c.id.in_(part)))
        self._wrote.add(generations)

    def end_packed(self, numbers: Iterable[int]) -> None:
        """Delete whole tables."""
        for number in numbers:
            _table(number).drop(self._connection, checkfirst=True)
        self._changed_schema()

    def _changed_schema(self) -> None:
        self._wrote.add(generations)
        self._dialect.on_schema(self._connection)


class Packed(Reader):
    """The reading half; DamagedHomeError where a generation has no table."""

    def packed_numbers(self) -> set[int]:
        """Generations that have a table here."""
        with self._database.read() as connection:
            names = (_NAME.fullmatch(name) for name in inspect(connection).get_table_names())
            return {int(name[1]) for name in names if name}

    def packed_ids(self, number: int, among: Iterable[int] | None = None) -> np.ndarray:
        """Ids of the images that have a row, or of these of them: int64, ascending."""
        key = _table(number).c.id
        statement = select(key).where(key > COMMON).order_by(key)
        with self._database.read() as connection:
            if among is None:
                return np.fromiter(connection.scalars(statement), np.int64)
            parts = chunks(sorted({int(image_id) for image_id in among}), CHUNK)
            found = [held for part in parts for held in connection.scalars(statement.where(key.in_(part)))]
            return np.array(found, np.int64)

    def packed(self, number: int, ids: Iterable[int]) -> dict[int, bytes | None]:
        """Rows by id; None for one that does not match its checksum, and nothing for one that is not there."""
        table = _table(number)
        found: dict[int, bytes | None] = {}
        with self._database.read() as connection:
            for part in chunks((int(key) for key in ids), CHUNK):
                for key, data, kept in connection.execute(select(table).where(table.c.id.in_(part))):
                    found[key] = bytes(data) if isinstance(data, bytes) and _sum(key, data) == kept else None
        return found

    def packed_bytes(self, number: int) -> int:
        """Disk space of a generation's table, 0 where it has none."""
        table = _table(number)
        with self._database.read() as connection:
            if not inspect(connection).has_table(table.name):
                return 0
            return int(connection.scalar(dialect_of(connection).packed_bytes(table)) or 0)

    def tidy_packed(self, number: int) -> None:
        """Give the space of deleted rows back, where one table can; that of a file comes back by `vacuum`."""
        if self._database.vacuums_tables:
            self._database.vacuum(_table(number).name)


def carry_packed(source: sqlite3.Connection, target: Connection) -> list[str]:
    """Copy the tables of a damaged SQLite file into a new one; in words, what cannot be read.

    Rows are copied as they are: each has its checksum, by which a reader tells the damaged ones.
    """
    told = []
    names = source.execute("SELECT CAST(name AS BLOB) FROM sqlite_master WHERE type = 'table'").fetchall()
    for found in (_NAME.fullmatch(name.decode(errors="replace")) for (name,) in names):
        if found is None:
            continue
        table = _table(int(found[1]))
        table.create(target)
        insert = f"INSERT OR IGNORE INTO {table.name} (id, data, sum) VALUES (?, ?, ?)"
        try:
            for row in source.execute(f"SELECT id, data, sum FROM {table.name}"):
                target.exec_driver_sql(insert, tuple(row))
        except sqlite3.Error as error:
            told.append(f"some rows of {table.name}, vectors of windows or patch tokens, cannot be read ({error})")
    dialect_of(target).on_schema(target)
    return told


@lru_cache
def _table(number: int) -> Table:
    return Table(
        f"packed_{int(number)}",
        MetaData(),
        Column("id", BigInteger, primary_key=True, autoincrement=False),
        Column("data", LargeBinary, nullable=False),
        Column("sum", BigInteger, nullable=False),
    )


def _sum(key: int, data: bytes) -> int:
    """CRC-32 of a row with its id, so that one that came under another id is found too."""
    return zlib.crc32(data, zlib.crc32(b"%d:" % key))
