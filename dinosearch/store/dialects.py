"""What SQLite and PostgreSQL say differently, as data: upserts, ids that are never given twice, packed rows.

The words of PostgreSQL are in `postgres_words`, which a collection in a folder never loads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, Table, bindparam, func, select, update
from sqlalchemy.dialects.sqlite import insert

from dinosearch.store.migrations import note_schema
from dinosearch.store.tables import images


@dataclass(frozen=True)
class Dialect:
    """One dialect.

    Attributes:
        upsert: makes an INSERT that takes `on_conflict_do_update`.
        last_id: the largest id that was ever given in a table.
        keep_id: remembers that ids up to this one were given by hand.
        on_images: called with the rows of new images, in the transaction that inserts them.
        on_labels: called with labels before images are called so.
        many: runs an INSERT with many rows; returns how many it wrote.
        revive: images have a file, of that many bytes: ids and sizes.
        on_packed: called with a table of packed rows when it was made.
        on_schema: called when tables were made or dropped, in that transaction.
        packed_bytes: asks for the disk space of a table of packed rows that is there.
    """

    upsert: Callable[[Table], Any]
    last_id: Callable[[Connection, Table], int]
    keep_id: Callable[[Connection, Table, int], None]
    on_images: Callable[[Connection, Iterable[Mapping[str, Any]]], None]
    on_labels: Callable[[Connection, Iterable[str]], None]
    many: Callable[[Connection, Any, Sequence[Mapping[str, Any]]], int]
    revive: Callable[[Connection, Sequence[tuple[int, int]]], None]
    on_packed: Callable[[Connection, Table], None]
    on_schema: Callable[[Connection], None]
    packed_bytes: Callable[[Table], Select[tuple[Any]]]


def dialect_of(connection: Connection) -> Dialect:
    """The dialect of a connection."""
    if connection.dialect.name == "sqlite":
        return SQLITE
    from dinosearch.store.postgres_words import POSTGRESQL

    return POSTGRESQL


def _last_id(connection: Connection, table: Table) -> int:
    # AUTOINCREMENT keeps the largest id there ever was.
    last = connection.exec_driver_sql("SELECT seq FROM sqlite_sequence WHERE name = ?", (table.name,)).scalar()
    return int(last or 0)


def _many(connection: Connection, statement: Any, rows: Sequence[Mapping[str, Any]]) -> int:
    return int(connection.execute(statement, rows).rowcount)


_REVIVE = update(images).where(images.c.id == bindparam("b_id")).values(removed=None, size=bindparam("b_size"))


def _revive(connection: Connection, placed: Sequence[tuple[int, int]]) -> None:
    connection.execute(_REVIVE, [{"b_id": image_id, "b_size": size} for image_id, size in placed])


SQLITE = Dialect(
    upsert=insert,
    last_id=_last_id,
    keep_id=lambda *_: None,
    on_images=lambda *_: None,
    on_labels=lambda *_: None,
    many=_many,
    revive=_revive,
    on_packed=lambda *_: None,
    on_schema=note_schema,
    packed_bytes=lambda table: select(func.sum(func.length(table.c.data))),
)
