"""The metadata store of a collection: what images and files there are, which vectors count, which index is published.

It stores no vector and reads no image; what can be asked beside the state of the home is in `reading`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from sqlalchemy import Row, select

from dinosearch.records import Fingerprint, Generation, IndexInfo
from dinosearch.store.database import Database, file_of
from dinosearch.store.reading import Reader
from dinosearch.store.tables import generations, state
from dinosearch.store.transaction import Transaction


class MetadataStore(Reader):
    """SQLite file with the truth about images; one writer, any number of readers in threads and other processes.

    Also a context manager that closes itself. Every method raises HomeLockedError, DamagedHomeError or another
    DinosearchError with a sentence when the database cannot do its part.
    """

    @classmethod
    def open(cls, path: str | Path, *, create: bool = False, read_only: bool = False) -> MetadataStore:
        """Open the store; an older format is upgraded on the way.

        Args:
            path: the file, or an SQLAlchemy URL of an SQLite file.
            create: make the file where it is missing; its folder must exist.
            read_only: never write; works beside a writer and on a read-only disk. Wins over `create`.

        Raises:
            CollectionNotFoundError: there is no such file, or its creation was interrupted.
            FormatVersionError: its format is newer than this program, or older and `read_only` forbids the upgrade.
            DamagedHomeError: it is no dinosearch database.
            DinosearchError: it cannot be opened.
            ValueError: a URL of another kind.
        """
        return cls(Database(file_of(path), create=create, read_only=read_only))

    def close(self) -> None:
        """Close every connection; closing twice is harmless."""
        self._database.close()

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Write several things as one: all of them are visible and on disk after the block, none if it raises."""
        with self._database.write() as connection:
            transaction = Transaction(connection)
            yield transaction
            transaction.flush()

    def changes(self) -> int:
        """Number of writing transactions so far, of all processes; cheap to ask before every query."""
        with self._database.read() as connection:
            return int(connection.execute(select(state.c.changes)).scalar_one())

    def generation(self) -> Generation | None:
        """The current generation; None before the first."""
        with self._database.read() as connection:
            row = connection.execute(select(generations).where(generations.c.current == 1)).one_or_none()
        return None if row is None else _generation(row)

    def create_generation(self, fingerprint: Fingerprint) -> Generation:
        """Add an empty generation with a number that was never used; it is current if it is the only one."""
        with self.transaction() as transaction:
            return transaction.create_generation(fingerprint)

    def set_index(self, generation: int, index: IndexInfo | None, sha256: str | None) -> None:
        """Publish an index file of the generation with its checksum, or none."""
        with self.transaction() as transaction:
            transaction.set_index(generation, index, sha256)

    def switch_generation(self, new: Generation, *, forget_removed: bool = False) -> None:
        """Make `new` current and forget the others.

        Args:
            new: the generation that `compact` wrote.
            forget_removed: drop the removed images in the same commit. Needed where `new` holds no vectors of them: an
                image that could still be revived would have none.
        """
        with self.transaction() as transaction:
            transaction.switch_generation(new)
            if forget_removed:
                transaction.forget_removed()

    def forget_removed(self, ids: Iterable[int] | None = None) -> None:
        """Drop the rows of removed images, of all or of these ids; ids are not reused."""
        with self.transaction() as transaction:
            transaction.forget_removed(ids)

    def set_setting(self, key: str, value: Any) -> None:
        """Remember a JSON-ready value under a name."""
        with self.transaction() as transaction:
            transaction.set_setting(key, value)

    def check(self) -> list[str]:
        """What SQLite finds wrong with the file, one sentence each; empty when it is sound."""
        with self._database.read() as connection:
            found = [str(row[0]) for row in connection.exec_driver_sql("PRAGMA integrity_check(20)")]
            broken = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
        problems = [] if found == ["ok"] else found
        return problems + [
            f"row {row[1]} of table {row[0]} points to a missing row of table {row[2]}" for row in broken
        ]

    def vacuum(self) -> None:
        """Give the space of deleted rows back to the disk; takes as long as copying the file."""
        self._database.vacuum()

    def __enter__(self) -> MetadataStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _generation(row: Row[Any]) -> Generation:
    return Generation(
        number=row.number,
        fingerprint=Fingerprint.from_dict(row.fingerprint),
        rows=row.rows,
        index_sha256=row.index_sha256,
        index=IndexInfo.from_dict(row.index_info) if row.index_info is not None else None,
    )
