"""Statements that every question asks, handed to SQLite as text: what SQLAlchemy does around them takes longer.

Their text and what turns values of the database into values of Python are SQLAlchemy's, made once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, Select

Converter = Callable[[Any], Any]
_FEW = 64
"""Values of a question that somebody waits for; texts with more are not kept."""


class Prepared:
    """A statement that is given nothing but a list of numbers.

    Args:
        statement: it, with `bindparam("ids", expanding=True)`.
    """

    def __init__(self, statement: Select[Any]) -> None:
        self._statement = statement
        self._texts: dict[int, str] = {}
        self._converters: list[tuple[int, Converter]] | None = None

    def rows(self, connection: Connection, ids: Sequence[int]) -> Iterator[Sequence[Any]]:
        """The rows for these ids."""
        if connection.dialect.name != "sqlite" or len(ids) > _FEW:
            yield from connection.execute(self._statement, {"ids": ids})
            return
        text = self._texts.get(len(ids)) or self._compiled(connection, ids)
        driver: Any = connection.connection.dbapi_connection
        for row in driver.execute(text, ids):
            values = list(row)
            for place, converter in self._converters or ():
                values[place] = converter(values[place])
            yield values

    def _compiled(self, connection: Connection, ids: Sequence[int]) -> str:
        dialect = connection.dialect
        found = ((place, c.type.dialect_impl(dialect)) for place, c in enumerate(self._statement.selected_columns))
        made = ((place, kind.result_processor(dialect, None)) for place, kind in found)
        self._converters = [(place, converter) for place, converter in made if converter is not None]
        filled = self._statement.params(ids=ids)
        text = str(filled.compile(dialect=dialect, compile_kwargs={"render_postcompile": True}))
        self._texts[len(ids)] = text
        return text
