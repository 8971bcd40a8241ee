"""Create the tables, or bring those of an older format up to date, one numbered step after the other.

It knows nothing of what is stored; all steps that are due and the new version number are one transaction.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection, delete, insert
from sqlalchemy.schema import CreateIndex

from dinosearch.advice import run
from dinosearch.errors import CollectionNotFoundError, DamagedHomeError, FormatVersionError
from dinosearch.home import FORMAT_VERSION
from dinosearch.protocols import Progress
from dinosearch.store.sums import schema_sum
from dinosearch.store.tables import (
    SUMS,
    failures,
    generations,
    images,
    labels,
    locations,
    metadata,
    not_duplicates,
    roots,
    settings,
    state,
    verdicts,
)

# Marks the file as dinosearch's (sqlite.org/pragma.html#pragma_application_id): "dino" in ASCII.
APPLICATION_ID = 0x64696E6F
SCHEMA = "schema_sum"
"""The setting with the checksum of the definitions of tables."""


def _kinds_and_verdicts(connection: Connection) -> None:
    """1 to 2: generations of other kinds than whole images, and what users said of answers."""
    connection.exec_driver_sql("ALTER TABLE generations ADD COLUMN kind VARCHAR(16) NOT NULL DEFAULT 'images'")
    connection.exec_driver_sql("ALTER TABLE generations ADD COLUMN recipe JSON NOT NULL DEFAULT '{}'")
    verdicts.create(connection)


def _row_sums(connection: Connection) -> None:
    """2 to 3: a checksum of every row."""
    for table in (state, settings, generations, images, failures, verdicts, roots, locations):
        # That of a table made on the way came with it.
        connection.execute(CreateIndex(SUMS[table], if_not_exists=True))


def _labels_and_not_duplicates(connection: Connection) -> None:
    """3 to 4: what images are called, and pairs that are no duplicates."""
    labels.create(connection)
    not_duplicates.create(connection)


# The step from version N to N + 1, by N. A step never changes once it is released.
MIGRATIONS: dict[int, Callable[[Connection], None]] = {
    1: _kinds_and_verdicts,
    2: _row_sums,
    3: _labels_and_not_duplicates,
}


def format_version(connection: Connection) -> int:
    """The format version in the file; 0 for an empty database."""
    return int(connection.exec_driver_sql("PRAGMA user_version").scalar_one())


def check(connection: Connection, name: str, *, create: bool, wanted: int = FORMAT_VERSION) -> bool:
    """Find out whether the database must be written to before use.

    Args:
        connection: an open connection, any transaction state.
        name: the file, for the sentences.
        create: an empty database is welcome.
        wanted: the version that this program works with.

    Returns:
        True when `migrate` must run first.

    Raises:
        CollectionNotFoundError: the database is empty and `create` is False.
        DamagedHomeError: the database belongs to another application.
        FormatVersionError: its format is newer than `wanted`.
    """
    version = format_version(connection)
    if version > wanted:
        raise FormatVersionError(
            f"{name} has format {version}, this dinosearch understands formats up to {wanted}; "
            "upgrade with: pip install --upgrade dinosearch"
        )
    application = int(connection.exec_driver_sql("PRAGMA application_id").scalar_one())
    tables = int(connection.exec_driver_sql("SELECT count(*) FROM sqlite_master").scalar_one())
    if application != APPLICATION_ID and (version or tables or application):
        raise DamagedHomeError(f"{name} is not a dinosearch database; choose another folder by --home")
    if version == 0 and tables:
        raise DamagedHomeError(
            f"{name} is damaged: its format version is gone; restore it from a backup, or delete its folder and run: ",
            run("index", "FOLDER"),
        )
    if version == 0 and not create:
        raise CollectionNotFoundError(
            f"no collection in {name}: it is empty, its creation was interrupted; make it with: ",
            run("index", "FOLDER"),
        )
    return version < wanted


def migrate(connection: Connection, wanted: int = FORMAT_VERSION, *, progress: Progress | None = None) -> None:
    """Create or upgrade the tables; the connection holds the write transaction, and the caller commits.

    Args:
        connection: all steps are in its one transaction, so that a crash leaves the format there was.
        wanted: the version to end with.
        progress: told about the stage `upgrade` in steps.
    """
    version = format_version(connection)
    if version == 0:
        metadata.create_all(connection)
        connection.execute(state.insert().values(id=1, changes=0))
        connection.exec_driver_sql(f"PRAGMA application_id = {APPLICATION_ID}")
    else:
        for step in range(version, wanted):
            if progress is not None:
                progress("upgrade", step - version, wanted - version)
            MIGRATIONS[step](connection)
    note_schema(connection)
    connection.exec_driver_sql(f"PRAGMA user_version = {wanted}")


def note_schema(connection: Connection) -> None:
    """Keep the checksum of the definitions of the tables as they are now."""
    connection.execute(delete(settings).where(settings.c.key == SCHEMA))
    connection.execute(insert(settings).values(key=SCHEMA, value=schema_sum(connection)))


def older_format(name: str) -> FormatVersionError:
    """The error of a read-only open that finds an older format."""
    return FormatVersionError(
        f"{name} has an older format, and is opened only for reading; upgrade it once, where it can be written, with: ",
        run("index"),
    )
