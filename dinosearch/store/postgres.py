"""The metadata store in PostgreSQL: connections, transactions, and the one writer's lock.

A collection is a schema of the database, `dinosearch` unless the URL says `?collection=NAME`. What is read and written
is the business of `reading` and `transaction`.
"""

from __future__ import annotations

import logging
import os
import socket
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, create_engine, event, text
from sqlalchemy.exc import InvalidatePoolError, SQLAlchemyError

from dinosearch.errors import HomeLockedError, SettingError
from dinosearch.protocols import Progress
from dinosearch.store.connections import CHANGES, Connections
from dinosearch.store.faults import readable, told, translated
from dinosearch.store.migrations import older_format
from dinosearch.store.postgres_format import check, migrate
from dinosearch.store.postgres_url import connect_args, parsed, shown
from dinosearch.store.tables import metadata

if TYPE_CHECKING:
    from dinosearch.store.filters import Filter

# psycopg warns of a lost connection what we say in a sentence, or mend; without a handler Python prints it.
logging.getLogger("psycopg").addHandler(logging.NullHandler())
_LOCK = 0x64696E6F  # "dino": the first half of the key of our advisory locks; the second is of the schema
_LONGEST = 63  # bytes of an application name, by which others see who writes
_KEPT_CONNECTIONS, _MOST_CONNECTIONS = 8, 64
_BYTES = """
SELECT sum(pg_total_relation_size(oid)) FROM pg_class
WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r' AND relname !~ '^vectors_[0-9]+$'
"""


class PostgresDatabase(Connections):
    """Connections to one schema of a PostgreSQL database, safe to share between threads.

    Args:
        address: SQLAlchemy URL; `?collection=NAME` names the schema, all other options go to libpq.
        create: make the schema and its tables where they are missing.
        read_only: never write, not even an upgrade of the format.
        progress: told about the steps of an upgrade.

    Raises:
        CollectionNotFoundError, FormatVersionError, DinosearchError: see `MetadataStore.open`.
        SettingError: psycopg is not installed.
        ValueError: no URL.
    """

    dialect = "postgresql"
    vacuums_tables = True

    def __init__(self, address: str, *, create: bool, read_only: bool, progress: Progress | None = None) -> None:
        if find_spec("psycopg") is None:
            raise SettingError(
                'PostgreSQL is spoken with by psycopg, which is not installed; run: pip install "dinosearch[postgres]"'
            )
        url, self.schema = parsed(address)
        self.read_only, self._progress = read_only, progress
        self._writer_pid: int | None = None
        engine = create_engine(
            url,
            pool_size=_KEPT_CONNECTIONS,
            max_overflow=_MOST_CONNECTIONS - _KEPT_CONNECTIONS,
            connect_args=connect_args(url, self.schema),
        )
        reading = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        super().__init__(shown(url, self.schema), engine, reading)
        event.listen(engine, "checkout", self._ask_whether_alive)
        try:
            with translated(self.name):
                self._prepare(create)
        except BaseException:
            engine.dispose()
            raise
        self.opened()

    def _prepare(self, create: bool) -> None:
        with self._engine.connect() as connection:
            stale = check(connection, self.schema, self.name, create=create)
        if not stale:
            return
        if self.read_only:
            raise older_format(self.name)
        with self._engine.begin() as connection:
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))  # one at a time
            if check(connection, self.schema, self.name, create=create):  # nobody else did it meanwhile
                self._lock(connection, "pg_try_advisory_xact_lock", self.name)
                migrate(connection, self.schema, self.name, progress=self._progress)

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A connection inside one write transaction: committed at the end, rolled back on an error."""
        if self.read_only:
            raise SettingError(f"{self.name} is opened only for reading; open it without read_only")
        with translated(self.name), self._engine.begin() as connection:
            yield connection
            self._check_writer(connection)

    @contextmanager
    def writer(self, name: str) -> Iterator[None]:
        """Hold the one writer's lock: an advisory lock of a connection of its own, which the server frees with it.

        Raises:
            HomeLockedError: another process is writing; the sentence names it.
        """
        with translated(self.name), self._engine.connect() as found:
            connection = found.execution_options(isolation_level="AUTOCOMMIT")
            key = {"lock": _LOCK, "schema": self._key}
            self._lock(connection, "pg_try_advisory_lock", name)
            try:
                named = text("SELECT set_config('application_name', :name, false), pg_backend_pid()")
                self._writer_pid = connection.execute(named, {"name": _holder_name()}).one()[1]
                yield
            finally:
                self._writer_pid = None
                with suppress(SQLAlchemyError):  # the server is gone, and the lock with it
                    connection.execute(text("SELECT pg_advisory_unlock(:lock, :schema)"), key)
                found.invalidate()  # it has a name that others must not have

    def _lock(self, connection: Connection, function: str, name: str) -> None:
        key = {"lock": _LOCK, "schema": self._key}
        if not connection.execute(text(f"SELECT {function}(:lock, :schema)"), key).scalar():
            raise HomeLockedError(
                f"{name} is being written by {_holder(connection, key)}; wait until it ends, then run the same "
                "command again"
            )

    def _check_writer(self, connection: Connection) -> None:
        """Refuse to commit when the lock was lost, as it is when the server was started again: another may write."""
        if self._writer_pid is None:
            return
        held = text(
            "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND granted AND pid = :pid AND classid = :lock "
            "AND objid = :schema"
        )
        key = {"lock": _LOCK, "schema": self._key & 0xFFFFFFFF, "pid": self._writer_pid}
        if connection.execute(held, key).scalar() is None:
            raise HomeLockedError(
                f"the connection to {self.name} that held the writer's lock was lost; nothing of this step was stored: "
                "run the same command again"
            )

    @property
    def _key(self) -> int:
        """The schema as a signed number of 32 bits."""
        number = zlib.crc32(self.schema.encode())
        return number - (1 << 32) if number >= 1 << 31 else number

    @contextmanager
    def raw(self, *, reads: bool) -> Iterator[Any]:
        """A psycopg connection out of the pool, for what SQLAlchemy has no words for; committed at the end.

        Args:
            reads: it sees one moment, that of `one_moment` where this thread is in one, and cannot write.
        """
        held: Connection | None = getattr(self._held, "connection", None) if reads else None
        with self._told():
            if held is not None:
                yield held.connection.driver_connection
                return
            with (
                translated(self.name),
                (self._reading or self._engine).begin() if reads else self.write() as connection,
            ):
                yield connection.connection.driver_connection

    @contextmanager
    def _told(self) -> Iterator[None]:
        """What came past SQLAlchemy, as a sentence."""
        from psycopg import Error

        try:
            yield
        except Error as error:
            found = told(error, self.name)
            if found is None:
                raise
            raise found from error

    @contextmanager
    def _begun(self) -> Iterator[tuple[Connection, int]]:
        from psycopg import OperationalError

        # The first statement tells whether the connection is alive, and goes along with BEGIN: one way there and back.
        self._held.asks = False
        try:
            connection = self._connected()
        finally:
            self._held.asks = True
        with self._told(), readable(self.name):
            try:
                changes = _first(connection)
            except OperationalError:
                connection.invalidate()
                connection.close()
                connection = self._connected()
                changes = _first(connection)
        with connection:
            yield connection, changes

    def _ask_whether_alive(self, connection: Any, record: Any, proxy: Any) -> None:
        """A server that was started again is met by a new connection, not by an error."""
        from psycopg import Error

        if getattr(self._held, "asks", True):
            try:
                self._engine.dialect.do_ping(connection)
            except Error as error:
                raise InvalidatePoolError(str(error)) from error

    def spelled(self, where: Filter | None) -> tuple[str, dict[str, Any]]:
        """SELECT of the ids of images that can be found and have a file that matches, with psycopg's parameters."""
        from dinosearch.store.postgres_words import spelled

        return spelled(where, self._engine.dialect)

    def bytes(self) -> int:
        """Disk space of the tables with their indexes, but for those in which an engine keeps vectors."""
        with self.read() as connection:
            return int(connection.exec_driver_sql(_BYTES).scalar() or 0)

    def vacuum(self, *names: str) -> None:
        """Give the space of deleted rows back, and count anew what is there, in these tables or all of the store's."""
        with translated(self.name), self._engine.connect() as connection:
            autocommit = connection.execution_options(isolation_level="AUTOCOMMIT")
            autocommit.exec_driver_sql(f"VACUUM (ANALYZE) {', '.join(names or metadata.tables)}")


def _first(connection: Connection) -> int:
    """Begin a transaction, and give the number of changes that it sees."""
    from psycopg import Pipeline

    driver: Any = connection.connection.driver_connection
    with driver.cursor() as cursor, driver.pipeline() if Pipeline.is_supported() else nullcontext():
        cursor.execute(CHANGES)
        return int(cursor.fetchone()[0])


def _holder_name() -> str:
    """Who writes, as others see it in the list of the server's sessions."""
    return f"dinosearch {os.getpid()} {time.strftime('%Y-%m-%dT%H:%M:%S')} {socket.gethostname()}"[:_LONGEST]


def _holder(connection: Connection, key: dict[str, int]) -> str:
    """Who holds the lock, as its session says."""
    held = text(
        "SELECT a.application_name FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid WHERE l.locktype = "
        "'advisory' AND l.granted AND l.classid = :lock AND l.objid = :schema"
    )
    found = connection.execute(held, {**key, "schema": key["schema"] & 0xFFFFFFFF}).scalar()
    words = (found or "").split(" ", 3)
    if len(words) == 4 and words[0] == "dinosearch":
        return f"process {words[1]} on {words[3]} since {words[2].replace('T', ' ')}"
    return "another process"
