"""Create the tables in PostgreSQL, or bring those of an older format up to date; `migrations` does so for SQLite.

All steps that are due and the new version number are one transaction. The first format there is format 3.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection, insert, update

from dinosearch.advice import Named, run
from dinosearch.errors import CollectionNotFoundError, DamagedHomeError, FormatVersionError, SettingError
from dinosearch.home import FORMAT_VERSION
from dinosearch.protocols import Progress
from dinosearch.store import postgres_words
from dinosearch.store.tables import labels, metadata, not_duplicates, settings, state

FORMAT = "format"
"""The setting with the version of the format."""


def _labels_and_not_duplicates(connection: Connection) -> None:
    """3 to 4: what images are called, and pairs that are no duplicates."""
    for table in (labels, postgres_words.label_names, not_duplicates):
        table.create(connection)


# The step from version N to N + 1, by N. A step never changes once it is released.
MIGRATIONS: dict[int, Callable[[Connection], None]] = {3: _labels_and_not_duplicates}


def format_version(connection: Connection, schema: str, name: str) -> int:
    """The format of the tables in a schema; 0 where there are none.

    Raises:
        DamagedHomeError: the tables are of another program.
    """
    known = connection.exec_driver_sql("SELECT to_regclass(%s)", (f'"{schema}".settings',)).scalar()
    if known is None:
        return 0
    found = connection.execute(settings.select().where(settings.c.key == FORMAT)).first()
    if found is None or not isinstance(found.value, int) or found.value < min(MIGRATIONS):
        raise DamagedHomeError(f"{name} is not a dinosearch database; name another by ?collection=NAME")
    return found.value


def check(connection: Connection, schema: str, name: str, *, create: bool) -> bool:
    """Find out whether the tables must be made or upgraded before use.

    Args:
        connection: an open connection.
        schema: where they lie.
        name: of the database, for the sentences.
        create: a schema without them is welcome.

    Returns:
        True when `migrate` must run first.

    Raises:
        CollectionNotFoundError: they are not there and `create` is False.
        DamagedHomeError: the tables are of another program.
        FormatVersionError: their format is newer.
    """
    version = format_version(connection, schema, name)
    if version > FORMAT_VERSION:
        raise FormatVersionError(
            f"{name} has format {version}, this dinosearch understands formats up to {FORMAT_VERSION}; "
            "upgrade with: pip install --upgrade dinosearch"
        )
    if version == 0 and not create:
        raise CollectionNotFoundError(
            f"no collection in {name}: it has no schema {schema} of dinosearch; make one with: ",
            run("index", "FOLDER", of=Named(name)),
        )
    return version < FORMAT_VERSION


def migrate(connection: Connection, schema: str, name: str, *, progress: Progress | None = None) -> None:
    """Create or upgrade the tables; the caller holds the writer's lock and commits.

    Args:
        connection: all steps are in its one transaction, so that a crash leaves the format there was.
        schema: where they lie.
        name: of the database, for the sentences.
        progress: told about the stage `upgrade` in steps.

    Raises:
        SettingError: the database keeps text in another encoding than UTF-8.
    """
    version = format_version(connection, schema, name)
    if version == 0:
        _create(connection, schema, name)
        return
    for step in range(version, FORMAT_VERSION):
        if progress is not None:
            progress("upgrade", step - version, FORMAT_VERSION - version)
        MIGRATIONS[step](connection)
    connection.execute(update(settings).where(settings.c.key == FORMAT).values(value=FORMAT_VERSION))


def _create(connection: Connection, schema: str, name: str) -> None:
    encoding = str(connection.exec_driver_sql("SHOW server_encoding").scalar_one())
    if encoding != "UTF8":
        raise SettingError(
            f"{name} keeps text as {encoding}, which cannot hold all file names; name a database made with: "
            "createdb --encoding UTF8 --template template0 NAME"
        )
    has = connection.exec_driver_sql("SELECT 1 FROM pg_namespace WHERE nspname = %s", (schema,)).scalar()
    if not has:
        connection.exec_driver_sql(f'CREATE SCHEMA "{schema}"')
    metadata.create_all(connection, checkfirst=False)
    postgres_words.metadata.create_all(connection, checkfirst=False)
    connection.exec_driver_sql("CREATE INDEX images_removed ON images (removed) WHERE removed IS NOT NULL")
    connection.execute(insert(state).values(id=1, changes=0))
    connection.execute(insert(settings).values(key=FORMAT, value=FORMAT_VERSION))
