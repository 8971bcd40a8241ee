"""Open the SQLite file: connections, pragmas, read-only modes, transactions.

It knows no table; what is read and written is the business of `reading` and `transaction`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, OperationalError
from sqlalchemy.pool import QueuePool

from dinosearch.advice import run
from dinosearch.errors import CollectionNotFoundError
from dinosearch.home import Home, identity, listed
from dinosearch.protocols import Progress
from dinosearch.store import migrations
from dinosearch.store.connections import Connections
from dinosearch.store.faults import ANEW, translated
from dinosearch.store.filters.functions import register_functions
from dinosearch.store.sums import register_sums

# Writers commit in milliseconds; half a minute is a stuck process, and then a sentence is better than more waiting.
BUSY_SECONDS = 30.0
_KEPT_CONNECTIONS = 8  # more are opened when more threads read at once, and closed after use


class Database(Connections):
    """Connections to one SQLite file, safe to share between threads.

    Args:
        file: the database file.
        create: make the file and its tables where they are missing.
        read_only: never write, not even an upgrade of the format.
        progress: told about the steps of an upgrade.

    Raises:
        CollectionNotFoundError, FormatVersionError, DamagedHomeError, DinosearchError: see `MetadataStore.open`.
    """

    def __init__(self, file: Path, *, create: bool, read_only: bool, progress: Progress | None = None) -> None:
        self._progress = progress
        self._file = file
        self._identity: tuple[int, int] | None = None  # known once the file is made
        self.read_only = read_only
        if not file.is_file() and (read_only or not create):
            raise CollectionNotFoundError(
                f"no collection in {file.parent}: {file.name} is not there; make one with: ",
                run("index", "FOLDER", of=Home(file.parent).named),
            )
        mode = "ro" if read_only else "rwc" if create else "rw"
        super().__init__(str(file), _engine(file, mode))
        try:
            with translated(self.name, ANEW):
                self._prepare(file, create and not read_only)
            if mode == "rwc":  # from here on a file that is gone has been taken away, and no new one takes its place
                self._engine.dispose()
                self._engine = _engine(file, "rw")
            self._identity = identity(file)
        except BaseException:
            self._engine.dispose()
            raise
        self.opened()

    def _prepare(self, file: Path, create: bool) -> None:
        try:
            with self._engine.connect() as connection:
                stale = migrations.check(connection, self.name, create=create)
        except OperationalError:
            # WAL needs a -shm file beside the database, which a read-only folder or disk forbids. Without a
            # -wal file (or with an empty one, which a read-only connection leaves) nothing is uncommitted and nobody is
            # in the middle of writing: the file may be read as one that never changes.
            wal = Path(f"{file}-wal")
            if not self.read_only or (wal.exists() and wal.stat().st_size):
                raise
            self._engine.dispose()
            self._engine = _engine(file, "ro&immutable=1")
            with self._engine.connect() as connection:
                stale = migrations.check(connection, self.name, create=create)
        if self.read_only:
            if stale:
                raise migrations.older_format(self.name)
            return
        if stale:
            with self._engine.connect() as connection:
                connection.exec_driver_sql("ROLLBACK")  # the journal mode cannot change inside a transaction
                connection.exec_driver_sql("PRAGMA journal_mode = WAL")
            with self.write() as connection:
                migrations.migrate(connection, progress=self._progress)

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A connection inside one write transaction: committed at the end, rolled back on an error."""
        with translated(self.name), self._engine.connect() as connection:
            with connection.execution_options(writing=True).begin():
                yield connection
                if self._identity not in (None, identity(self._file)):
                    # Vectors written for this commit may lie in the empty folder under the drive that was there.
                    raise CollectionNotFoundError(
                        f"{self.name} was moved, deleted or unmounted while it was written; nothing of this step was "
                        "stored: put it back, then run the same command again"
                    )

    def writer(self, name: str) -> AbstractContextManager[None]:
        """The lock of the folder that the file lies in."""
        return Home(self._file.parent).writer()

    def bytes(self) -> int:
        """Disk space of the file and what belongs to it."""
        return sum(path.stat().st_size for path in listed(self._file.parent, f"{self._file.name}*") if path.is_file())

    def vacuum(self, *names: str) -> None:
        """Rewrite the file without its free pages, whatever is named; no transaction may be open."""
        with translated(self.name), self._engine.connect() as connection:
            connection.exec_driver_sql("ROLLBACK")  # it cannot run inside a transaction
            connection.exec_driver_sql("VACUUM")
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")


def file_of(path: str | Path) -> Path:
    """The database file that a path or an SQLAlchemy URL such as `sqlite:////data/metadata.sqlite` names.

    Raises:
        ValueError: a URL that cannot be read, or one of another database than SQLite.
    """
    if isinstance(path, str) and "://" in path:
        try:
            url = make_url(path)
        except ArgumentError as error:
            raise ValueError("not a database URL such as sqlite:////FOLDER/FILE or postgresql+psycopg://...") from error
        if url.get_backend_name() != "sqlite" or not url.database or url.database == ":memory:":
            raise ValueError(
                f"{url.render_as_string()!r}: a metadata store is an SQLite file, such as sqlite:////FOLDER/"
                "metadata.sqlite, or PostgreSQL, such as postgresql+psycopg://USER@HOST/DATABASE"
            )
        return Path(url.database).absolute()
    return Path(path).absolute()


def _engine(file: Path, mode: str) -> Engine:
    uri = f"file:{quote(bytes(file))}?mode={mode}"

    def connect() -> sqlite3.Connection:
        # isolation_level None: the driver starts no transaction by itself, `_begin` below does.
        connection = sqlite3.connect(
            uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False, cached_statements=256
        )
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA synchronous = FULL")  # every commit is on the disk before it returns
        # 16 MiB for each connection: with 64 writing 300,000 images took as long and held 60 MiB more; the system
        # keeps the file's pages in memory anyway.
        connection.execute("PRAGMA cache_size = -16384")
        register_functions(connection)
        register_sums(connection)
        return connection

    engine = create_engine(
        "sqlite://", creator=connect, poolclass=QueuePool, pool_size=_KEPT_CONNECTIONS, max_overflow=-1
    )
    event.listen(engine, "begin", _begin)
    return engine


def _begin(connection: Connection) -> None:
    # IMMEDIATE takes the write lock at once: a transaction that reads first and locks later can fail half-way.
    writing = connection.get_execution_options().get("writing", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")
