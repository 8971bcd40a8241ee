"""A note beside the database of how often it has been changed: it may lie behind the database, never before it.

SQLite leaves out what it finds damaged in its -wal file, as if the last changes had never been made; the note tells.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from sqlalchemy import Connection, select

from dinosearch.advice import Sentence, run
from dinosearch.errors import DinosearchError
from dinosearch.store.database import Database
from dinosearch.store.tables import state


def note_changes(database: Database) -> None:
    """Write down the number of changes, after a commit; it is not synced, because an older note does no harm."""
    with suppress(OSError, DinosearchError):  # a note that cannot be written is an older one
        with database.read() as connection:
            changes = _changes(connection)
        descriptor = os.open(_note(database), os.O_WRONLY | os.O_CREAT, 0o644)
        try:
            os.write(descriptor, b"%020d\n" % changes)  # always of one length: nothing of the old one stays
        finally:
            os.close(descriptor)


def went_back(database: Database, connection: Connection) -> list[str]:
    """One sentence where the database has fewer changes than were noted."""
    try:
        noted = int(_note(database).read_bytes())
    except (OSError, ValueError):
        return []
    gone = noted - _changes(connection)
    if gone <= 0:
        return []
    return [Sentence(f"the last {gone} changes are gone; make them again with: ", run("index", "FOLDER"))]


def _changes(connection: Connection) -> int:
    return int(connection.execute(select(state.c.changes)).scalar_one())


def _note(database: Database) -> Path:
    return Path(f"{database.name}-changes")
