"""Puts records of torture runs into the table at the end of docs/reliability.md.

    scripts/torture/report.py RECORDS.jsonl...

Each run appends its record with `--json RECORDS.jsonl`. Records of one name are pieces of one row: their runs, failures
and figures are put together. Rows of the table that the files do not name stay as they are.
"""

from __future__ import annotations

import argparse
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reliability.md"
BEGIN, END = "<!-- results begin -->\n", "<!-- results end -->"
_TOGETHER = ((re.compile(r"(killed in \w+) at \w+"), r"\1"), (re.compile(r"(E\w+ .+) in \w+(: .+)"), r"\1\2"))
"""Outcomes that the table tells together: kills by verb whatever the call, faults of the disk whatever the verb."""
HEAD = ("What was done", "Runs", "Failures", "How they ended", "Seed", "Date")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path)
    files = parser.parse_args(arguments).files
    lines = [line for file in files for line in file.read_text(encoding="utf-8").splitlines()]
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(with_records(page, [json.loads(line) for line in lines]), encoding="utf-8")


def with_records(page: str, records: Iterable[dict[str, Any]]) -> str:
    """The page with the rows of these records put in."""
    head, rest = page.split(BEGIN, 1)
    table, tail = rest.split(END, 1)
    rows = {line.split(" | ")[0].removeprefix("| "): line for line in table.splitlines()[2:]}
    pieces = defaultdict(list)
    for record in records:
        pieces[record["name"]].append(record)
    rows.update({name: row(name, found) for name, found in pieces.items()})
    lines = [_line(HEAD), _line(["---", "---:", "---:", "---", "---:", "---"]), *rows.values()]
    return head + BEGIN + "\n".join(lines) + "\n" + END + tail


def row(name: str, records: Sequence[dict[str, Any]]) -> str:
    """One row of the table from the pieces of one kind of run."""
    outcomes: Counter[str] = Counter()
    figures: dict[str, Any] = {}
    for record in records:
        for outcome, times in record["outcomes"].items():
            outcomes[_shorter(outcome)] += times
        for key, value in record["figures"].items():
            figures[key] = together(key, figures[key], value) if key in figures else value
    failures = sum(len(record["failures"]) for record in records)
    told = [f"{times:,} {outcome}" for outcome, times in sorted(outcomes.items())]
    told += [f"{key}: {value}" for key, value in figures.items()]
    seeds = ", ".join(sorted({str(record["seed"]) for record in records}))
    date = max(record["date"] for record in records)
    return _line([name, f"{outcomes.total() + failures:,}", failures, "; ".join(told), seeds, date])


def _shorter(outcome: str) -> str:
    for pattern, kept in _TOGETHER:
        if found := pattern.fullmatch(outcome):
            return found.expand(kept)
    return outcome


def together(key: str, first: Any, second: Any) -> Any:
    """Figures of two pieces: the largest where the name says so, the last where it is a text, else their sum."""
    if key.startswith(("slowest", "largest", "longest")):
        return max(first, second, key=lambda figure: float(str(figure).split()[0]))  # a file's name may follow
    return second if isinstance(second, str) else first + second


def _line(cells: Iterable[object]) -> str:
    return "| " + " | ".join(str(cell).replace("|", "/").replace("\n", " ") for cell in cells) + " |"


if __name__ == "__main__":
    main()
