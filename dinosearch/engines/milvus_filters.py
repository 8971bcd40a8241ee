"""Compile the tree of a filter into a Milvus expression; every value is a bound number, never text of a user.

`not` is pushed down to the single tests, and a test that only the metadata store can decide is taken for true on either
side of a `not`: what the expression holds for is what the filter holds for, or more. A test is true or false, never
unknown: what is missing has a number of its own (`milvus_schema.MISSING`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from dinosearch.engines.milvus_schema import DOUBLES, MISSING, UNTOLD, text_number
from dinosearch.store.filters.fields import FIELDS
from dinosearch.store.filters.syntax import Among, And, Comparison, Expression, Filter, Glob, Missing, Not, Or, Span

Number = int | float
_Text = str | bool
"""An expression, or what it is known to be."""

STORE_FIELDS = frozenset({"path", "name", "folder", "size", "modified", "label", "confidence"})
"""What belongs to a file, or is said of an image: it changes while the vector stays, so the store alone knows it."""
_SIGNS = {"=": "==", "!=": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
_OPPOSITE = {"=": "!=", "!=": "=", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}
_PLACE = re.compile(r"\{(v\d+)\}")


@dataclass(frozen=True)
class Condition:
    """A compiled filter.

    Attributes:
        text: with a place such as `{v0}` for each value; empty where it holds for every row.
        values: by name of the place.
        exact: it holds for no more than the filter does.
    """

    text: str = ""
    values: dict[str, Number | list[Number]] = field(default_factory=dict)
    exact: bool = True

    def written(self) -> str:
        """The expression with its numbers in place, for engines that bind none (milvus-lite, Milvus before 2.5)."""
        return _PLACE.sub(lambda found: _written(self.values[found[1]]), self.text)

    def and_among(self, ids: Sequence[int]) -> Condition:
        """The same, of these ids only."""
        text = f"({self.text}) and id in {{v{len(self.values)}}}" if self.text else "id in {v0}"
        return Condition(text, {**self.values, f"v{len(self.values)}": list(ids)}, self.exact)

    def and_above(self, number: int) -> Condition:
        """The same, of ids greater than that one."""
        text = f"({self.text}) and id > {{v{len(self.values)}}}" if self.text else "id > {v0}"
        return Condition(text, {**self.values, f"v{len(self.values)}": number}, self.exact)


def compile_condition(where: Filter | None) -> Condition:
    """What a row must be like so that its image may match the filter."""
    if where is None:
        return Condition()
    compiler = _Compiler()
    text = compiler.holds(where.root, True)
    if isinstance(text, bool):
        # Rows that nobody described are only asked about where others are left out.
        return Condition(exact=compiler.exact) if text else Condition(UNTOLD, {}, compiler.exact)
    return Condition(f"{UNTOLD} or {text}", compiler.values, compiler.exact)


class _Compiler:
    def __init__(self) -> None:
        self.values: dict[str, Number | list[Number]] = {}
        self.exact = True

    def holds(self, expression: Expression, wanted: bool) -> _Text:
        """True of at least the rows where the expression is as wanted."""
        if isinstance(expression, Not):
            return self.holds(expression.part, not wanted)
        if isinstance(expression, And | Or):
            parts = [self.holds(part, wanted) for part in expression.parts]
            return _joined(parts, "and" if isinstance(expression, And) == wanted else "or")
        name = expression.field
        if name in STORE_FIELDS:
            self.exact = False
            return True
        if isinstance(expression, Missing):
            return f"{name} {'==' if wanted else '!='} {self._bound(MISSING[name])}" if name in MISSING else not wanted
        if isinstance(expression, Glob):  # no engine has the patterns of `dinosearch.store.filters.glob`
            self.exact = False
            return f"{name} != {self._bound(MISSING[name])}" if wanted and name in MISSING else True
        if isinstance(expression, Among):
            tests = [Comparison(name, "=", value) for value in expression.values]
            text = _joined([self._compare(test, wanted) for test in tests], "or" if wanted else "and")
        else:
            text = self._compare(expression, wanted)
        if not FIELDS[name].may_be_missing:
            return text
        known = f"{name} {'!=' if wanted else '=='} {self._bound(MISSING[name])}"
        return _joined([known, text], "and" if wanted else "or")

    def _compare(self, test: Comparison, wanted: bool) -> _Text:
        name, sign, value = test.field, test.operator if wanted else _OPPOSITE[test.operator], test.value
        if isinstance(value, Span):
            return self._compare_time(name, sign, value)
        if isinstance(value, str):
            value = text_number(value.casefold() if FIELDS[name].kind == "text" else value)
        if name in DOUBLES:
            return f"{name} {_SIGNS[sign]} {self._bound(float(value))}"
        if value != math.floor(value):  # engines compare whole numbers with whole numbers only
            if sign in ("=", "!="):
                return sign == "!="
            sign, value = ("<=", math.floor(value)) if sign in ("<", "<=") else (">=", math.ceil(value))
        return f"{name} {_SIGNS[sign]} {self._bound(int(value))}"

    def _compare_time(self, name: str, sign: str, span: Span) -> _Text:
        if sign in ("=", "!="):
            low, high = (">=", "<") if sign == "=" else ("<", ">=")
            edges = [f"{name} {low} {self._bound(span.start)}", f"{name} {high} {self._bound(span.end)}"]
            return _joined(edges, "and" if sign == "=" else "or")
        sign, edge = {"<": ("<", span.start), "<=": ("<", span.end), ">": (">=", span.end), ">=": (">=", span.start)}[
            sign
        ]
        return f"{name} {sign} {self._bound(edge)}"

    def _bound(self, value: Number) -> str:
        name = f"v{len(self.values)}"
        self.values[name] = value
        return f"{{{name}}}"


def _joined(parts: Sequence[_Text], word: str) -> _Text:
    """The parts joined by `and` or `or`, those left out that change nothing."""
    decides = word == "or"
    if any(part is decides for part in parts):
        return decides
    texts = [part for part in parts if isinstance(part, str)]
    if not texts:
        return not decides
    return texts[0] if len(texts) == 1 else f"({f' {word} '.join(texts)})"


def _written(value: Number | list[Number]) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_written, value))}]"
    if type(value) not in (int, float):
        raise TypeError(f"an expression takes numbers, not {type(value).__name__}")
    return repr(value)
