"""Evaluate a filter on one record, in plain Python: what a filter means.

It uses no SQL; tests hold the compiled form against it.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from dinosearch.records import ImageRecord
from dinosearch.store.filters.fields import FIELDS
from dinosearch.store.filters.glob import path_pattern, text_pattern, with_slashes
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
from dinosearch.store.paths import split_path
from dinosearch.store.times import to_microseconds

_GETTERS: dict[str, Callable[[ImageRecord], Any]] = {
    "path": lambda record: record.path,
    "name": lambda record: split_path(record.path)[1],
    "folder": lambda record: split_path(record.path)[0],
    "size": lambda record: record.size,
    "width": lambda record: record.width,
    "height": lambda record: record.height,
    "megapixels": lambda record: record.width * record.height / 1_000_000,
    "aspect": lambda record: record.width / record.height,
    "format": lambda record: record.format,
    "camera": lambda record: None if record.camera is None else record.camera.casefold(),
    "taken": lambda record: None if record.taken is None else to_microseconds(record.taken.replace(tzinfo=None)),
    "modified": lambda record: to_microseconds(record.modified),
    "added": lambda record: to_microseconds(record.added),
    "label": lambda record: None if record.label is None else record.label.casefold(),
    "confidence": lambda record: record.label_confidence,
    "id": lambda record: record.id,
}
_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def matches(where: Filter | Expression, record: ImageRecord) -> bool:
    """Whether the file matches the filter."""
    expression = where.root if isinstance(where, Filter) else where
    if isinstance(expression, And):
        return all(matches(part, record) for part in expression.parts)
    if isinstance(expression, Or):
        return any(matches(part, record) for part in expression.parts)
    if isinstance(expression, Not):
        return not matches(expression.part, record)
    actual = _GETTERS[expression.field](record)
    if isinstance(expression, Missing) or actual is None:
        return isinstance(expression, Missing) and actual is None
    return _holds(expression, actual)


def _holds(expression: Comparison | Among | Glob, actual: Any) -> bool:
    if isinstance(expression, Comparison):
        return _compare(expression.field, actual, expression.operator, expression.value)
    if isinstance(expression, Among):
        return any(_compare(expression.field, actual, "=", value) for value in expression.values)
    if FIELDS[expression.field].kind == "text":
        return text_pattern(expression.pattern).fullmatch(actual) is not None
    return path_pattern(expression.pattern).fullmatch(with_slashes(actual)) is not None


def _compare(field: str, actual: Any, sign: str, value: Value) -> bool:
    if isinstance(value, Span):
        inside = bool(value.start <= actual < value.end)
        if sign in ("=", "!="):
            return inside == (sign == "=")
        # Against a stretch of time, <= means "not after its end", > means "after its end".
        edge = value.start if sign in ("<", ">=") else value.end
        return bool(actual < edge) == (sign in ("<", "<="))
    wanted = str(value).casefold() if FIELDS[field].kind == "text" else value
    return _OPERATORS[sign](actual, wanted)
