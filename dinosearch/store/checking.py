"""Find what is wrong with the database: its structure, its rows, its definitions, and ids that would be given twice."""

from __future__ import annotations

import re

from sqlalchemy import Connection

from dinosearch.store.migrations import SCHEMA
from dinosearch.store.sums import schema_sum
from dinosearch.store.tables import generations, images, locations

_MOST = 1000  # sentences
_LARGEST_ID = 1 << 53  # far beyond what anyone indexes
_MISSING = re.compile(r"row (\d+) missing from index (\w+)_sums")


def check(connection: Connection) -> list[str]:
    """One sentence for each problem; empty when there is none.

    Raises:
        DamagedHomeError: by the caller's translation: so much is damaged that SQLite cannot go on.
    """
    found = [str(row[0]) for row in connection.exec_driver_sql(f"PRAGMA integrity_check({_MOST})")]
    problems = (
        [] if found == ["ok"] else [_MISSING.sub(r"row \1 of table \2 does not match its checksum", s) for s in found]
    )
    problems += [
        f"row {row[1]} of table {row[0]} points to a missing row of table {row[2]}"
        for row in connection.exec_driver_sql("PRAGMA foreign_key_check")
    ]
    kept = connection.exec_driver_sql("SELECT value FROM settings WHERE key = ?", (SCHEMA,)).scalar()
    if str(kept) != str(schema_sum(connection)):
        problems.append("the definitions of the tables are not those that were written")
    for table in (generations, images, locations):
        key = next(iter(table.primary_key.columns)).name
        highest, last = connection.exec_driver_sql(
            f"SELECT coalesce(max({key}), 0), (SELECT seq FROM sqlite_sequence WHERE name = ?) FROM {table.name}",
            (table.name,),
        ).one()
        if not (isinstance(last or 0, int) and highest <= (last or 0) < _LARGEST_ID):
            problems.append(f"the count of ids given to table {table.name} is damaged")
    return problems
