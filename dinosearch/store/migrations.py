"""Create the tables, or bring those of an older format up to date, one numbered step after the other.

It knows nothing of what is stored; a step and its new version number are one transaction.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection

from dinosearch.errors import CollectionNotFoundError, DamagedHomeError, FormatVersionError
from dinosearch.home import FORMAT_VERSION
from dinosearch.store.tables import metadata, state, verdicts

# Marks the file as dinosearch's (sqlite.org/pragma.html#pragma_application_id): "dino" in ASCII.
APPLICATION_ID = 0x64696E6F


def _kinds_and_verdicts(connection: Connection) -> None:
    """1 to 2: generations of other kinds than whole images, and what users said of answers."""
    connection.exec_driver_sql("ALTER TABLE generations ADD COLUMN kind VARCHAR(16) NOT NULL DEFAULT 'images'")
    connection.exec_driver_sql("ALTER TABLE generations ADD COLUMN recipe JSON NOT NULL DEFAULT '{}'")
    verdicts.create(connection)


# The step from version N to N + 1, by N. A step never changes once it is released.
MIGRATIONS: dict[int, Callable[[Connection], None]] = {1: _kinds_and_verdicts}


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
    if version == 0 and not create:
        raise CollectionNotFoundError(
            f"no collection in {name}: it is empty, its creation was interrupted; make it with: dinosearch index FOLDER"
        )
    return version < wanted


def migrate(connection: Connection, wanted: int = FORMAT_VERSION) -> None:
    """Create or upgrade the tables; the connection holds the write transaction, and the caller commits."""
    version = format_version(connection)
    if version == 0:
        metadata.create_all(connection)
        connection.execute(state.insert().values(id=1, changes=0))
        connection.exec_driver_sql(f"PRAGMA application_id = {APPLICATION_ID}")
    else:
        for step in range(version, wanted):
            MIGRATIONS[step](connection)
    connection.exec_driver_sql(f"PRAGMA user_version = {wanted}")


def older_format(name: str) -> FormatVersionError:
    """The error of a read-only open that finds an older format."""
    return FormatVersionError(
        f"{name} has an older format, and is opened only for reading; upgrade it once, where it can be written, with: "
        "dinosearch index"
    )
