"""A table as data, the same for Markdown and HTML: columns, groups of rows, and the sentences around it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

Row = tuple["str | None", ...]
"""One cell for each column; None where there is nothing to say."""

NOTHING = "–"
"""What stands in an empty cell."""


@dataclass(frozen=True)
class Column:
    """A column's heading.

    Attributes:
        name: with the unit where all of it has the same one.
        numeric: set flush right, with figures of equal width.
        optional: left out where all cells are empty.
    """

    name: str
    numeric: bool = True
    optional: bool = False


@dataclass(frozen=True)
class Group:
    """Rows under one heading, which may be empty."""

    name: str
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        title: its heading.
        lead: what it shows, in one or two sentences.
        group_column: what the groups are; empty for a table without groups.
        columns: of each row.
        groups: at least one.
        notes: sentences below it.
    """

    title: str
    lead: str
    group_column: str
    columns: tuple[Column, ...]
    groups: tuple[Group, ...]
    notes: tuple[str, ...] = ()

    def trimmed(self) -> Table:
        """The table without optional columns that are empty throughout."""
        rows = [row for group in self.groups for row in group.rows]
        kept = [
            place
            for place, column in enumerate(self.columns)
            if not column.optional or any(row[place] is not None for row in rows)
        ]
        groups = (Group(g.name, tuple(tuple(row[place] for place in kept) for row in g.rows)) for g in self.groups)
        return dataclasses.replace(self, columns=tuple(self.columns[place] for place in kept), groups=tuple(groups))
