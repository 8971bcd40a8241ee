"""The tree of a filter, as frozen data.

It holds no parser and no meaning; `parse` makes it, `compile` and `evaluate` give it meaning.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Operator = Literal["=", "!=", "<", "<=", ">", ">="]


@dataclass(frozen=True)
class Span:
    """A stretch of time in microseconds since 1970, `end` excluded: what a date such as 2020-05 means."""

    start: int
    end: int


Value = str | int | float | Span


@dataclass(frozen=True)
class Comparison:
    """`field operator value`; false where the field is missing."""

    field: str
    operator: Operator
    value: Value


@dataclass(frozen=True)
class Among:
    """`field in (value, ...)`; false where the field is missing."""

    field: str
    values: tuple[Value, ...]


@dataclass(frozen=True)
class Glob:
    """`field ~ pattern`; false where the field is missing."""

    field: str
    pattern: str


@dataclass(frozen=True)
class Missing:
    """`field is missing`."""

    field: str


@dataclass(frozen=True)
class Not:
    """True where `part` is false."""

    part: Expression


@dataclass(frozen=True)
class And:
    """True where all parts are."""

    parts: tuple[Expression, ...]


@dataclass(frozen=True)
class Or:
    """True where at least one part is."""

    parts: tuple[Expression, ...]


Expression = Comparison | Among | Glob | Missing | Not | And | Or


@dataclass(frozen=True)
class Filter:
    """A parsed filter.

    Attributes:
        text: as the user wrote it.
        root: its tree.
    """

    text: str
    root: Expression

    def __str__(self) -> str:
        return self.text
