"""A sheet of quantities: what was given, what was assumed, and what follows from both, line by line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from dinosearch.sizing.formula import names, with_numbers, work_out
from dinosearch.sizing.quantity import plain


@dataclass(frozen=True)
class Assumption:
    """A number that is not computed.

    Attributes:
        key: its name in formulas, and in `--assume`.
        value: the number.
        unit: of it; empty for a share or a count.
        what: a clause for people.
        source: `measured by ...`, `published ...`, `assumed ...`, or how it was given.
        flag: the option of the command line that sets it; empty for none.
    """

    key: str
    value: float
    unit: str
    what: str
    source: str
    flag: str = ""


@dataclass(frozen=True)
class Formula:
    """A number that is computed.

    Attributes:
        key: its name in other formulas.
        text: what it is computed by, see `dinosearch.sizing.formula`.
        unit: of the result.
        what: a clause for people.
    """

    key: str
    text: str
    unit: str
    what: str


@dataclass(frozen=True)
class Line:
    """A formula that was worked out.

    Attributes:
        formula: what was computed.
        numbers: the same with the numbers put in.
        value: the result.
    """

    formula: Formula
    numbers: str
    value: float

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready: key, what, formula, numbers, value, unit."""
        given = self.formula
        return {
            "key": given.key,
            "what": given.what,
            "formula": given.text,
            "numbers": self.numbers,
            "value": self.value,
            "unit": given.unit,
        }


@dataclass
class Sheet:
    """Values by name, and how each came about.

    Attributes:
        assumptions: by name.
        lines: what was worked out, by name, in order.
        used: names of the assumptions that some line needs.
    """

    assumptions: Mapping[str, Assumption]
    lines: dict[str, Line] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._values = {key: assumption.value for key, assumption in self.assumptions.items()}

    def __getitem__(self, key: str) -> float:
        return self._values[key]

    def branch(self) -> Sheet:
        """A sheet that goes on from here without changing this one; both note in one place what they rest on."""
        other = Sheet(self.assumptions, used=self.used)
        other._values |= self._values
        return other

    def add(self, formulas: Iterable[Formula]) -> list[Line]:
        """Work them out in order; each may use what stands above it."""
        made = []
        for formula in formulas:
            needed = names(formula.text)
            self.used.update(self.assumptions.keys() & needed)
            numbers = with_numbers(formula.text, {name: plain(self[name]) for name in needed})
            line = Line(formula, numbers, work_out(formula.text, self._values))
            self._values[formula.key] = line.value
            self.lines[formula.key] = line
            made.append(line)
        return made
