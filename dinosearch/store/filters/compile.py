"""Compile the tree of a filter into an SQL condition; every value is a bound parameter, never SQL text.

It runs nothing. A condition is true or false, never NULL, so that `not` means the same as in `evaluate`.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from sqlalchemy import ColumnElement, Text, and_, false, func, literal, not_, or_, true, type_coerce

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


def compile_filter(where: Filter) -> Condition:
    """The condition over `locations` joined with `images` that holds for the matching files."""
    return _compile(where.root)


def _compile(expression: Expression) -> Condition:
    if isinstance(expression, And):
        return and_(*map(_compile, expression.parts))
    if isinstance(expression, Or):
        return or_(*map(_compile, expression.parts))
    if isinstance(expression, Not):
        return not_(_compile(expression.part))
    column = COLUMNS[expression.field]
    if not FIELDS[expression.field].may_be_missing:
        return false() if isinstance(expression, Missing) else _test(expression)
    if isinstance(expression, Missing):
        return column.is_(None)
    return and_(column.is_not(None), _test(expression))


def _test(expression: Comparison | Among | Glob) -> Condition:
    if isinstance(expression, Comparison):
        return _compare(expression.field, expression.operator, expression.value)
    if isinstance(expression, Among):
        return or_(*(_compare(expression.field, "=", value) for value in expression.values))
    return _match(expression.field, expression.pattern)


def _compare(field: str, sign: str, value: Value) -> Condition:
    column = COLUMNS[field]
    if isinstance(value, Span):
        return _compare_time(field, sign, value)
    if FIELDS[field].kind == "text":
        return _OPERATORS[sign](_folded(column), literal(store_form(str(value).casefold()), Text))  # type: ignore[no-any-return]
    return _OPERATORS[sign](column, literal(value, column.type))  # type: ignore[no-any-return]


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


def _match(field: str, pattern: str) -> Condition:
    stored = literal(store_form(pattern), Text)
    if FIELDS[field].kind == "text":
        return func.dinosearch_text_glob(stored, type_coerce(COLUMNS[field], Text)) == 1
    matched: Condition = func.dinosearch_path_glob(stored, type_coerce(COLUMNS[field], Text)) == 1
    prefix = root_prefix(pattern)
    # The range costs nothing beside the pattern, and lets the database look at this part of the paths only.
    return and_(starts_with(locations.c.path, prefix) if prefix and field == "path" else true(), matched)


def _folded(column: ColumnElement[Any]) -> ColumnElement[str]:
    return func.dinosearch_fold(type_coerce(column, Text), type_=Text)
