"""What SQLite and PostgreSQL say differently, as data: upserts, and ids that are never given twice.

The words of PostgreSQL are in `postgres_words`, which a collection in a folder never loads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Table, bindparam, update
from sqlalchemy.dialects.sqlite import insert

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
    """

    upsert: Callable[[Table], Any]
    last_id: Callable[[Connection, Table], int]
    keep_id: Callable[[Connection, Table, int], None]
    on_images: Callable[[Connection, Iterable[Mapping[str, Any]]], None]
    on_labels: Callable[[Connection, Iterable[str]], None]
    many: Callable[[Connection, Any, Sequence[Mapping[str, Any]]], int]
    revive: Callable[[Connection, Sequence[tuple[int, int]]], None]


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


SQLITE = Dialect(insert, _last_id, lambda *_: None, lambda *_: None, lambda *_: None, _many, _revive)
