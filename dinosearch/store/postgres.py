"""The metadata store in PostgreSQL: connections, transactions, and the one writer's lock.

A collection is a schema of the database, `dinosearch` unless the URL says `?collection=NAME`. What is read and written
is the business of `reading` and `transaction`.
"""

from __future__ import annotations

import os
import re
import socket
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from sqlalchemy import URL, Connection, create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from dinosearch.errors import (
    CollectionNotFoundError,
    DamagedHomeError,
    FormatVersionError,
    HomeLockedError,
    SettingError,
)
from dinosearch.home import FORMAT_VERSION
from dinosearch.store import postgres_words
from dinosearch.store.connections import Connections
from dinosearch.store.faults import told, translated
from dinosearch.store.tables import metadata, settings, state

if TYPE_CHECKING:
    from dinosearch.store.filters import Filter

DEFAULT_SCHEMA = "dinosearch"
FORMAT = "format"
"""The setting with the version of the format."""
_LOCK = 0x64696E6F  # "dino": the first half of the key of our advisory locks; the second is of the schema
_LONGEST = 63  # bytes of an application name, by which others see who writes
_KEPT_CONNECTIONS, _MOST_CONNECTIONS = 8, 64
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
_PATIENCE = 10  # seconds for a server to answer
# A writer whose machine is gone loses its lock after two minutes.
_ALIVE = "-c tcp_keepalives_idle=60 -c tcp_keepalives_interval=10 -c tcp_keepalives_count=6"


class PostgresDatabase(Connections):
    """Connections to one schema of a PostgreSQL database, safe to share between threads.

    Args:
        address: SQLAlchemy URL; `?collection=NAME` names the schema, all other options go to libpq.
        create: make the schema and its tables where they are missing.
        read_only: never write.

    Raises:
        CollectionNotFoundError, FormatVersionError, DinosearchError: see `MetadataStore.open`.
        SettingError: psycopg is not installed.
        ValueError: no URL.
    """

    dialect = "postgresql"

    def __init__(self, address: str, *, create: bool, read_only: bool) -> None:
        if find_spec("psycopg") is None:
            raise SettingError(
                'PostgreSQL is spoken with by psycopg, which is not installed; run: pip install "dinosearch[postgres]"'
            )
        url, self.schema = _parsed(address)
        self.read_only = read_only
        self._writer_pid: int | None = None
        engine = create_engine(
            url,
            pool_pre_ping=True,  # a server that was started again is met by a new connection, not by an error
            pool_size=_KEPT_CONNECTIONS,
            max_overflow=_MOST_CONNECTIONS - _KEPT_CONNECTIONS,
            connect_args=_connect_args(url, self.schema),
        )
        reading = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        super().__init__(_shown(url, self.schema), engine, reading)
        try:
            with translated(self.name):
                self._prepare(create)
        except BaseException:
            engine.dispose()
            raise
        self.opened()

    def _prepare(self, create: bool) -> None:
        with self._engine.connect() as connection:
            version = self._version(connection)
        if version is None and create:
            with self._engine.begin() as connection:
                connection.exec_driver_sql("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))  # one at a time
                if self._version(connection) is None:
                    self._create(connection)
        elif version is None:
            raise CollectionNotFoundError(
                f"no collection in {self.name}: it has no schema {self.schema} of dinosearch; make one with: "
                f"dinosearch index FOLDER --home {self.name}"
            )
        elif version != FORMAT_VERSION:
            raise FormatVersionError(
                f"{self.name} has format {version}, this dinosearch understands format {FORMAT_VERSION}; "
                "upgrade with: pip install --upgrade dinosearch"
            )

    def _version(self, connection: Connection) -> int | None:
        """The format of the tables that are there, None where there are none."""
        known = connection.exec_driver_sql("SELECT to_regclass(%s)", (f'"{self.schema}".settings',)).scalar()
        if known is None:
            return None
        found = connection.execute(settings.select().where(settings.c.key == FORMAT)).first()
        if found is None or not isinstance(found.value, int):
            raise DamagedHomeError(f"{self.name} is not a dinosearch database; name another by ?collection=NAME")
        return found.value

    def _create(self, connection: Connection) -> None:
        encoding = str(connection.exec_driver_sql("SHOW server_encoding").scalar_one())
        if encoding != "UTF8":
            raise SettingError(
                f"{self.name} keeps text as {encoding}, which cannot hold all file names; name a database made with: "
                "createdb --encoding UTF8 --template template0 NAME"
            )
        has = connection.exec_driver_sql("SELECT 1 FROM pg_namespace WHERE nspname = %s", (self.schema,)).scalar()
        if not has:
            connection.exec_driver_sql(f'CREATE SCHEMA "{self.schema}"')
        metadata.create_all(connection, checkfirst=False)
        postgres_words.metadata.create_all(connection, checkfirst=False)
        connection.exec_driver_sql("CREATE INDEX images_removed ON images (removed) WHERE removed IS NOT NULL")
        connection.execute(state.insert().values(id=1, changes=0))
        connection.execute(settings.insert().values(key=FORMAT, value=FORMAT_VERSION))

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
            if not connection.execute(text("SELECT pg_try_advisory_lock(:lock, :schema)"), key).scalar():
                raise HomeLockedError(
                    f"{name} is being written by {_holder(connection, key)}; wait until it ends, then run the same "
                    "command again"
                )
            try:
                named = text("SELECT set_config('application_name', :name, false), pg_backend_pid()")
                self._writer_pid = connection.execute(named, {"name": _holder_name()}).one()[1]
                yield
            finally:
                self._writer_pid = None
                with suppress(DBAPIError):  # the server is gone, and the lock with it
                    connection.execute(text("SELECT pg_advisory_unlock(:lock, :schema)"), key)
                found.invalidate()  # it has a name that others must not have

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
            reads: it sees one moment and cannot write.
        """
        from psycopg import Error

        try:
            with (
                translated(self.name),
                (self._reading or self._engine).begin() if reads else self.write() as connection,
            ):
                yield connection.connection.driver_connection
        except Error as error:
            found = told(error, self.name)
            if found is None:
                raise
            raise found from error

    def spelled(self, where: Filter | None) -> tuple[str, dict[str, Any]]:
        """SELECT of the ids of images that can be found and have a file that matches, with psycopg's parameters."""
        from dinosearch.store.postgres_words import spelled

        return spelled(where, self._engine.dialect)

    def bytes(self) -> int:
        """Disk space of the tables with their indexes."""
        tables = [*metadata.tables, *postgres_words.metadata.tables]
        with self.read() as connection:
            sizes = (
                connection.exec_driver_sql("SELECT pg_total_relation_size(to_regclass(%s))", (table,)).scalar()
                for table in tables
            )
            return sum(size or 0 for size in sizes)

    def vacuum(self, *names: str) -> None:
        """Give the space of deleted rows back, and count anew what is there, in these tables or all of the store's."""
        with translated(self.name), self._engine.connect() as connection:
            autocommit = connection.execution_options(isolation_level="AUTOCOMMIT")
            autocommit.exec_driver_sql(f"VACUUM (ANALYZE) {', '.join(names or metadata.tables)}")


def _parsed(address: str) -> tuple[URL, str]:
    """The URL for the driver, and the schema."""
    try:
        url = make_url(address)
    except (ArgumentError, ValueError):
        raise ValueError("this is not the URL of a PostgreSQL database") from None  # it may hold a password
    schema = url.query.get("collection", DEFAULT_SCHEMA)
    schema = schema if isinstance(schema, str) else schema[0]
    if not _NAME.fullmatch(schema):
        raise ValueError(f"{schema!r} cannot be the name of a collection; take a letter, then letters, digits and _")
    return url.set(drivername="postgresql+psycopg").difference_update_query(["collection"]), schema


def _connect_args(url: URL, schema: str) -> dict[str, Any]:
    given = url.query.get("options", "")
    options = given if isinstance(given, str) else " ".join(given)
    found: dict[str, Any] = {
        "options": f'{options} -c search_path="{schema}",public -c timezone=UTC {_ALIVE}'.strip(),
        "application_name": "dinosearch",
    }
    return found if "connect_timeout" in url.query else {**found, "connect_timeout": _PATIENCE}


def _shown(url: URL, schema: str) -> str:
    """The URL without the password and what is the driver's."""
    plain = URL.create("postgresql+psycopg", url.username, None, url.host, url.port, url.database)
    shown = plain.update_query_dict({} if schema == DEFAULT_SCHEMA else {"collection": schema})
    socket_folder = url.query.get("host")
    return (
        (shown.update_query_dict({"host": socket_folder}) if socket_folder else shown)
        .render_as_string()
        .replace("%2F", "/")
    )


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
