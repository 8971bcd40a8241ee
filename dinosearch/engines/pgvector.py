"""Vectors in PostgreSQL by pgvector, in the same database as the metadata: one table a generation.

A row is an image id and a vector of float32. The index (HNSW) is over half precision, which halves what a search
reads; what it finds is scored again from float32 in the same statement. Filters join the metadata tables, so that one
statement sees vectors, files and what was removed at one moment.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from dinosearch.advice import run
from dinosearch.engines.address import Address
from dinosearch.errors import DamagedHomeError, SettingError
from dinosearch.records import IndexInfo
from dinosearch.store import Filter, MetadataStore

if TYPE_CHECKING:
    from dinosearch.engines.pgvector_rows import PgVectorSearch
    from dinosearch.store.postgres import PostgresDatabase

_LEAST_VERSION = (0, 8)
"""Iterative scans, which filters need, came with pgvector 0.8.0."""


class PgVectorEngine:
    """See `dinosearch.protocols.VectorEngine`.

    Args:
        address: of the database.
        store: the metadata store in it.
    """

    kind = "pgvector"
    joins = parts = True
    most: int | None = None

    def __init__(self, address: Address, store: MetadataStore) -> None:
        self._database: PostgresDatabase = store.postgres
        self._address = address
        self._version: str | None = None
        self._all: tuple[str, dict[str, Any]] | None = None

    def open(self, number: int, dimension: int, index: IndexInfo | None, each: int = 1) -> PgVectorSearch:
        from dinosearch.engines.pgvector_rows import PgVectorSearch

        return PgVectorSearch(self, number, dimension, index, each)

    @contextmanager
    def cursor(self, number: int | None = None, *, reads: bool = False, name: str = "") -> Iterator[Any]:
        """A psycopg cursor in a transaction that is committed at the end.

        Args:
            number: of the generation whose table is used: that it is gone is said in a sentence.
            reads: all statements see one moment, and none may write.
            name: of a cursor at the server, which sends rows as they are fetched.
        """
        try:
            with self._database.raw(reads=reads) as connection, connection.cursor(name) as cursor:
                yield cursor
        except DamagedHomeError as error:
            if number is None:
                raise
            raise DamagedHomeError(
                f"{self._address.shown} has no sound table vectors_{number}, though the collection needs it; make it "
                "and its vectors again with: ",
                run("verify", "--repair"),
            ) from error

    def extend(self) -> None:
        """Make sure that the database has pgvector, of a version that will do.

        Raises:
            SettingError: it has not, and this user may not add it.
        """
        with self.cursor() as cursor:
            offered = _one(cursor, "SELECT default_version FROM pg_available_extensions WHERE name = 'vector'")
            held = _one(cursor, "SELECT extversion FROM pg_extension WHERE extname = 'vector'")
            if held is None and offered is None:
                raise SettingError(
                    f"the server of {self._address.shown} has no pgvector; install it there (package "
                    "postgresql-NN-pgvector), then run the same command again"
                )
            version = held or offered
            if tuple(int(part) for part in version.split(".")[:2]) < _LEAST_VERSION:
                raise SettingError(
                    f"{self._address.shown} has pgvector {version}, and 0.8.0 is needed; install it, then run in the "
                    "database: ALTER EXTENSION vector UPDATE"
                )
            if held is None:
                cursor.execute("CREATE EXTENSION IF NOT EXISTS vector WITH SCHEMA public")

    def numbers(self) -> list[int]:
        with self.cursor(reads=True) as cursor:
            cursor.execute(
                "SELECT substr(relname, 9)::bigint FROM pg_class WHERE relnamespace = current_schema()::regnamespace "
                "AND relkind = 'r' AND relname ~ '^vectors_[0-9]+$' ORDER BY 1"
            )
            return [row[0] for row in cursor.fetchall()]

    def drop(self, number: int) -> None:
        with self.cursor() as cursor:
            cursor.execute(f"DROP TABLE IF EXISTS vectors_{int(number)}")

    def filters(self, where: Filter) -> bool:
        return True

    def bytes(self, number: int | None = None) -> int | None:
        with self.cursor(reads=True) as cursor:
            numbers = self.numbers() if number is None else [number]
            sizes = (_one(cursor, f"SELECT pg_total_relation_size(to_regclass('vectors_{int(n)}'))") for n in numbers)
            return sum(size or 0 for size in sizes)

    def version(self) -> str:
        if self._version is None:
            with self.cursor(reads=True) as cursor:
                server = _one(cursor, "SHOW server_version").split(" ")[0]
                extension = _one(cursor, "SELECT extversion FROM pg_extension WHERE extname = 'vector'")
                self._version = f"PostgreSQL {server} with pgvector {extension or '(not there)'}"
        return self._version

    def tidy(self, number: int) -> None:
        self._database.vacuum(f"vectors_{int(number)}")

    def analyse(self, table: str) -> None:
        """Let the server count what is there, or it plans as if the tables were empty until it does so by itself."""
        with self.cursor() as cursor:
            cursor.execute(f"ANALYZE {table}, images, locations")

    def findable(self, where: Filter | None) -> tuple[str, dict[str, Any]]:
        """SELECT of the ids of images that can be found and have a file that matches, with its parameters."""
        if where is not None:
            return self._database.spelled(where)
        if self._all is None:  # most questions', and made anew as long as a turn to the server
            self._all = self._database.spelled(None)
        return self._all

    def close(self) -> None:
        """Nothing: the connections are the store's."""


def _one(cursor: Any, statement: str) -> Any:
    """The one value that a statement gives, None without a row."""
    row = cursor.execute(statement).fetchone()
    return row[0] if row else None
