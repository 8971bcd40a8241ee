"""The metadata store of a collection: what images and files there are, which vectors count, which index is published.

It stores no vector and reads no image; what can be asked beside the state of the home is in `reading`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row, select

from dinosearch.advice import run
from dinosearch.errors import DamagedHomeError
from dinosearch.protocols import Progress
from dinosearch.records import Fingerprint, Generation, IndexInfo
from dinosearch.store.changes import note_changes, went_back
from dinosearch.store.checking import check
from dinosearch.store.connections import Connections
from dinosearch.store.database import Database, file_of
from dinosearch.store.dialects import dialect_of
from dinosearch.store.faults import ANEW, translated
from dinosearch.store.packed import Packed
from dinosearch.store.reading import ONLY_SAID, damaged_row
from dinosearch.store.salvage import Salvaged, salvage
from dinosearch.store.sums import Sound, is_sound
from dinosearch.store.tables import generations
from dinosearch.store.tagged import Tagged
from dinosearch.store.transaction import Transaction

if TYPE_CHECKING:
    from dinosearch.records.facets import Facets
    from dinosearch.store.postgres import PostgresDatabase

# All of them, as damage may make the current one look like an old one.
_GENERATIONS = select(generations, Sound(is_sound(generations)).label("sound"))


class MetadataStore(Tagged, Packed):
    """SQLite file or PostgreSQL schema with the truth about images; one writer, any number of readers anywhere.

    Also a context manager that closes itself. Every method raises HomeLockedError, DamagedHomeError or another
    DinosearchError with a sentence when the database cannot do its part.
    """

    def __init__(self, database: Connections) -> None:
        super().__init__(database)
        self._inside = threading.local()
        self._facets: tuple[int, Facets] | None = None

    @classmethod
    def open(
        cls, path: str | Path, *, create: bool = False, read_only: bool = False, progress: Progress | None = None
    ) -> MetadataStore:
        """Open the store; an older format is upgraded on the way.

        Args:
            path: the file, or an SQLAlchemy URL of an SQLite file or of PostgreSQL.
            create: make the file where it is missing; its folder must exist.
            read_only: never write; works beside a writer and on a read-only disk. Wins over `create`.
            progress: told about the stage `upgrade`.

        Raises:
            CollectionNotFoundError: there is no such file, or its creation was interrupted.
            FormatVersionError: its format is newer than this program, or older and `read_only` forbids the upgrade.
            DamagedHomeError: it is no dinosearch database.
            DinosearchError: it cannot be opened.
            ValueError: a URL of another kind.
        """
        if isinstance(path, str) and path.startswith(("postgresql", "postgres:")):
            from dinosearch.store.postgres import PostgresDatabase

            creates = create and not read_only
            return cls(PostgresDatabase(path, create=creates, read_only=read_only, progress=progress))
        return cls(Database(file_of(path), create=create, read_only=read_only, progress=progress))

    @property
    def postgres(self) -> PostgresDatabase:
        """The database, for an engine that keeps vectors in it.

        Raises:
            ValueError: it is another one.
        """
        from dinosearch.store.postgres import PostgresDatabase

        if not isinstance(self._database, PostgresDatabase):
            raise ValueError(f"{self.name} is no PostgreSQL database")
        return self._database

    @property
    def name(self) -> str:
        """The file, or the address without the password."""
        return self._database.name

    def close(self) -> None:
        """Close every connection; closing twice is harmless."""
        self._database.close()

    def writer(self, name: str) -> AbstractContextManager[None]:
        """Hold the one writer's lock of a collection whose vectors lie elsewhere; see `Home.writer`."""
        return self._database.writer(name)

    def bytes(self) -> int:
        """Disk space of the database."""
        return self._database.bytes()

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Write several things as one: all of them are visible and on disk after the block, none if it raises.

        Inside another one of this thread it is a part of that.
        """
        if (held := getattr(self._inside, "transaction", None)) is not None:
            yield held
            return
        with self._database.write() as connection:
            self._inside.transaction = transaction = Transaction(connection)
            try:
                yield transaction
                transaction.flush()
            finally:
                self._inside.transaction = None
        if isinstance(self._database, Database):
            note_changes(self._database)

    def one_moment(self) -> AbstractContextManager[None]:
        """Inside, this thread reads one moment of the database, whatever is committed meanwhile."""
        return self._database.one_moment()

    def changes(self) -> int:
        """Number of writing transactions so far, of all processes; cheap to ask before every query."""
        return self._database.changes()

    def contents(self) -> int:
        """As `changes`, but it rises only where images, files or vectors may have changed."""
        with self.one_moment():
            return self.changes() - int(self.setting(ONLY_SAID) or 0)

    def generation(self, kind: str = "images") -> Generation | None:
        """The current generation of a kind; None before the first."""
        return self.generations().get(kind)

    def generations(self) -> dict[str, Generation]:
        """The current generation of each kind that there is, from one moment of the database."""
        with self._database.read() as connection:
            found = [(row.current, _generation(row)) for row in connection.execute(_GENERATIONS)]
            return {generation.kind: generation for current, generation in found if current == 1}

    def next_generation(self) -> int:
        """A number that no generation ever had; for the writer, who makes the files of a generation before its row."""
        with self._database.read() as connection:
            return dialect_of(connection).last_id(connection, generations) + 1

    def create_generation(
        self, fingerprint: Fingerprint, kind: str = "images", recipe: Mapping[str, Any] | None = None
    ) -> Generation:
        """Add an empty generation with a number never used; it is current if it is the only one of its kind."""
        with self.transaction() as transaction:
            return transaction.create_generation(fingerprint, kind, recipe)

    def set_index(self, generation: int, index: IndexInfo | None, sha256: str | None) -> None:
        """Publish an index file of the generation with its checksum, or none."""
        with self.transaction() as transaction:
            transaction.set_index(generation, index, sha256)

    def switch_generation(self, new: Generation, *, forget_removed: bool = False) -> None:
        """Make `new` the current generation of its kind and forget the others of it.

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

    def drop_generations(self, kind: str) -> None:
        """Forget the generations of a kind."""
        with self.transaction() as transaction:
            transaction.drop_generations(kind)

    def set_setting(self, key: str, value: Any) -> None:
        """Remember a JSON-ready value under a name."""
        with self.transaction() as transaction:
            transaction.set_setting(key, value)

    def check(self) -> list[str]:
        """What is wrong with the file and its rows, one sentence each; empty when it is sound."""
        try:
            with self._database.read() as connection:
                if not isinstance(self._database, Database):
                    return []  # a server looks after its pages itself
                return check(connection) + went_back(self._database, connection)
        except DamagedHomeError as error:
            return [error.sentence]

    def salvage(self) -> Salvaged:
        """Replace a damaged file by one with all that can be read of it; no other thread or process may use it.

        Raises:
            HomeLockedError: another process has it open.
            DamagedHomeError: nothing of it can be read.
        """
        if not isinstance(self._database, Database):
            raise DamagedHomeError(f"{self.name} is a server's database; restore it from the server's backup")
        file = Path(self._database.name)
        gone: list[str] = []
        with suppress(DamagedHomeError), self._database.read() as connection:
            gone = went_back(self._database, connection)
        self._database.close()
        try:
            with translated(self._database.name, ANEW):
                told = salvage(file)
            told.left_out += gone
            return told
        finally:
            self._database = Database(file, create=False, read_only=False)
            note_changes(self._database)

    def vacuum(self) -> None:
        """Give the space of deleted rows back to the disk; takes as long as copying the file.

        Raises:
            DamagedHomeError: a row is damaged; its copy would get a checksum that matches.
        """
        problems = self.check()
        if problems:
            raise DamagedHomeError(f"{self._database.name}: {problems[0]}; mend it with: ", run("verify", "--repair"))
        self._database.vacuum()

    def facets(self) -> Facets:
        """Counts of files by what filters ask for, and the spans of their numbers.

        What labels leave as it is is read once for each state of the contents.
        """
        from dinosearch.store.facets import read_facets, read_labels

        with self.one_moment(), self._database.read() as connection:
            known, contents = self._facets, self.contents()
            if known is None or known[0] != contents:
                known = self._facets = contents, read_facets(connection)
            return known[1].with_labels(read_labels(connection))

    def __enter__(self) -> MetadataStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _generation(row: Row[Any]) -> Generation:
    if not row.sound:
        raise damaged_row(f"the vectors of {row.kind}")
    return Generation(
        number=row.number,
        fingerprint=Fingerprint.from_dict(row.fingerprint),
        rows=row.rows,
        index_sha256=row.index_sha256,
        index=IndexInfo.from_dict(row.index_info) if row.index_info is not None else None,
        kind=row.kind,
        recipe=row.recipe,
    )
