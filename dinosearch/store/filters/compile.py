"""Compile the tree of a filter into an SQL condition; every value is a bound parameter, never SQL text.

It runs nothing. A condition is true or false, never NULL, so that `not` means the same as in `evaluate`.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Float,
    Text,
    and_,
    false,
    func,
    literal,
    not_,
    or_,
    true,
    type_coerce,
)

from dinosearch.store.filters.columns import COLUMNS, UNITS_PER_MICROSECOND
from dinosearch.store.filters.fields import FIELDS
from dinosearch.store.filters.glob import root_prefix
from dinosearch.store.filters.syntax import (
    Among,
    And,
    Comparison,
    Expression,
    Filter,
    Glob,
    Missing,
    Not,
    Or,
    Span,
    Value,
)
from dinosearch.store.paths import starts_with, store_form
from dinosearch.store.tables import locations

Condition = ColumnElement[bool]

_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_LARGEST = 2**63 - 1


def compile_filter(where: Filter, dialect: str = "sqlite") -> Condition:
    """The condition over `tables.FILES` that holds for the matching files, in a dialect's words."""
    return _Compiler(_words(dialect)).compile(where.root)


class _Compiler:
    def __init__(self, words: Words) -> None:
        self._words = words

    def compile(self, expression: Expression) -> Condition:
        if isinstance(expression, And):
            return and_(*map(self.compile, expression.parts))
        if isinstance(expression, Or):
            return or_(*map(self.compile, expression.parts))
        if isinstance(expression, Not):
            return not_(self.compile(expression.part))
        column = COLUMNS[expression.field]
        if not FIELDS[expression.field].may_be_missing:
            return false() if isinstance(expression, Missing) else self._test(expression)
        if isinstance(expression, Missing):
            return column.is_(None)
        return and_(column.is_not(None), self._test(expression))

    def _test(self, expression: Comparison | Among | Glob) -> Condition:
        if isinstance(expression, Comparison):
            return self._compare(expression.field, expression.operator, expression.value)
        if isinstance(expression, Among):
            return or_(*(self._compare(expression.field, "=", value) for value in expression.values))
        return self._match(expression.field, expression.pattern)

    def _compare(self, field: str, sign: str, value: Value) -> Condition:
        column = COLUMNS[field]
        if isinstance(value, Span):
            return _compare_time(field, sign, value)
        if FIELDS[field].kind == "text":
            return self._words.compare_text(column, _OPERATORS[sign], str(value).casefold())
        # By the value's type, not the column's: a server refuses 0.5 for a whole number.
        kind: Any = {int: BigInteger(), float: Float()}.get(type(value), column.type)
        return _OPERATORS[sign](column, literal(value, kind))  # type: ignore[no-any-return]

    def _match(self, field: str, pattern: str) -> Condition:
        if FIELDS[field].kind == "text":
            return self._words.match_text(COLUMNS[field], pattern)
        matched = self._words.match_path(type_coerce(COLUMNS[field], Text), pattern)
        prefix = root_prefix(pattern)
        # The range costs nothing beside the pattern, and lets the database look at this part of the paths only.
        return and_(starts_with(locations.c.path, prefix) if prefix and field == "path" else true(), matched)


def _compare_time(field: str, sign: str, span: Span) -> Condition:
    column, unit = COLUMNS[field], UNITS_PER_MICROSECOND.get(field, 1)
    start, end = (max(-_LARGEST, min(edge * unit, _LARGEST)) for edge in (span.start, span.end))
    conditions: dict[str, Condition] = {
        "=": and_(column >= start, column < end),
        "!=": or_(column < start, column >= end),
        "<": column < start,
        "<=": column < end,
        ">": column >= end,
        ">=": column >= start,
    }
    return conditions[sign]


@dataclass(frozen=True)
class Words:
    """What dialects say differently of text: comparisons of folded text, patterns of it, patterns of paths."""

    compare_text: Callable[[ColumnElement[Any], Callable[[Any, Any], Any], str], Condition]
    match_text: Callable[[ColumnElement[Any], str], Condition]
    match_path: Callable[[ColumnElement[str], str], Condition]


def _text(value: str) -> ColumnElement[str]:
    return literal(store_form(value), Text)


_SQLITE = Words(
    lambda column, compare, value: compare(func.dinosearch_fold(type_coerce(column, Text), type_=Text), _text(value)),
    lambda column, pattern: func.dinosearch_text_glob(_text(pattern), type_coerce(column, Text)) == 1,
    lambda column, pattern: func.dinosearch_path_glob(_text(pattern), column) == 1,
)


def _words(dialect: str) -> Words:
    if dialect == "sqlite":
        return _SQLITE
    from dinosearch.store.postgres_words import WORDS

    return WORDS
