"""What the databases of all dialects have in common: pooled connections, reads of one moment, care for forks."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from sqlalchemy import Connection, Engine

from dinosearch.store.faults import readable, translated

CHANGES = "SELECT changes FROM state"


class Connections:
    """Connections to one database, safe to share between threads.

    Args:
        name: what messages call it.
        engine: gives connections; those of reads take `reading` where it is another.
        reading: the same with other options.

    Attributes:
        dialect: `sqlite` or `postgresql`.
        vacuums_tables: whether `vacuum` can be told of some tables only.
    """

    dialect = "sqlite"
    vacuums_tables = False
    read_only = False

    def __init__(self, name: str, engine: Engine, reading: Engine | None = None) -> None:
        self.name = name
        self._engine, self._reading = engine, reading
        self._held = threading.local()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection inside one read transaction: everything read through it is from the same moment."""
        held: Connection | None = getattr(self._held, "connection", None)
        if held is not None:
            with translated(self.name), readable(self.name):
                yield held
            return
        with translated(self.name), readable(self.name), self._connected() as connection:
            yield connection

    @contextmanager
    def one_moment(self) -> Iterator[None]:
        """All that this thread reads inside is from one moment, that of its first read."""
        if getattr(self._held, "connection", None) is not None:
            yield
            return
        # Not `read`, which takes a TypeError inside for a damaged row: here all the work of an answer is inside.
        with translated(self.name), self._begun() as (connection, changes):
            self._held.connection, self._held.changes = connection, changes
            try:
                yield
            finally:
                self._held.connection = self._held.changes = None

    def changes(self) -> int:
        """Number of writing transactions so far; inside `one_moment` it is asked once."""
        known: int | None = getattr(self._held, "changes", None)
        if known is not None:
            return known
        with self.read() as connection:
            return _changes(connection)

    def write(self) -> AbstractContextManager[Connection]:
        """A connection inside one write transaction: committed at the end, rolled back on an error."""
        raise NotImplementedError

    def writer(self, name: str) -> AbstractContextManager[None]:
        """Hold the one writer's lock of the collection called `name`."""
        raise NotImplementedError

    def bytes(self) -> int:
        """Disk space of the tables."""
        raise NotImplementedError

    def vacuum(self, *names: str) -> None:
        """Give the space of deleted rows back, in these tables only where it can; no transaction may be open."""
        raise NotImplementedError

    def close(self) -> None:
        """Close all connections; the last one to close an SQLite file writes its -wal file back."""
        self._engine.dispose()

    def opened(self) -> None:
        """To be called once it works: from then on its idle connections are closed before a fork."""
        _opened.add(self)

    def _connected(self) -> Connection:
        return (self._reading or self._engine).connect()

    @contextmanager
    def _begun(self) -> Iterator[tuple[Connection, int]]:
        """A connection whose read transaction has begun, and the number of changes that it sees."""
        with self._connected() as connection:
            with readable(self.name):
                changes = _changes(connection)
            yield connection, changes


def _changes(connection: Connection) -> int:
    # As text: it is asked with every question, and SQLAlchemy takes as long again to make it from objects.
    return int(connection.exec_driver_sql(CHANGES).scalar_one())


_opened: weakref.WeakSet[Connections] = weakref.WeakSet()


def _before_fork() -> None:
    # A fork that ends closes what it took along: SQLite in it would take itself for the last to leave, and delete a
    # -wal file whose commits another process has not written back. A server's connection bears no two users either.
    for database in list(_opened):
        database._engine.dispose()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork)
