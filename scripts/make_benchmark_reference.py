"""Write the tables of data sets and published figures into docs/benchmarks.md; with --check only compare."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from dinosearch.evaluation import DATASETS
from dinosearch.evaluation.published import PAPER, TABLE

TARGET = Path(__file__).parents[1] / "docs" / "benchmarks.md"


def datasets() -> Iterator[str]:
    """One row for each data set."""
    yield "| DATASET | data set | images, queries | what is measured | what `--data` holds | to be had at |"
    yield "|---|---|---:|---|---|---|"
    for name, loader in DATASETS.items():
        size = ", ".join("" if count is None else f"{count:,}" for count in loader.size).strip(", ")
        yield f"| `{name}` | {loader.title} | {size} | {loader.protocol} | {loader.files} | {loader.published} |"


def published() -> Iterator[str]:
    """One row for each source, model and setting, with the accepted band."""
    yield "| data set | model | preprocessing | published, in percent | accepted band | source |"
    yield "|---|---|---|---|---|---|"
    for row in sorted(TABLE, key=lambda row: (row.dataset, row.model, row.preprocessing)):
        figures = ", ".join(f"{setup} {measure} {value:g}" for setup, measure, value in row.values)
        band = (
            "±2.0, not a gate"
            if row.source != PAPER and "state" in row.note
            else "±2.0"
            if "state" in row.note
            else "±1.0"
        )
        yield f"| `{row.dataset}` | {row.model} | {row.preprocessing} | {figures} | {band} | {row.source}; {row.note} |"


SECTIONS = {"datasets": datasets, "published": published}


def updated(page: str) -> str:
    """The page with the text between its marks made anew."""
    for name, lines in SECTIONS.items():
        begin, end = f"<!-- {name} begin -->", f"<!-- {name} end -->"
        before, _, rest = page.partition(begin)
        _, found, after = rest.partition(end)
        if not found:
            raise SystemExit(f"docs/benchmarks.md has no {begin} ... {end}")
        page = "\n".join([before + begin, *lines(), end + after])
    return page


def main() -> int:
    """Write or check; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, exit with 1 when the page is out of date")
    current = TARGET.read_text(encoding="utf-8")
    wanted = updated(current)
    if not parser.parse_args().check:
        TARGET.write_text(wanted, encoding="utf-8")
    elif current != wanted:
        print("docs/benchmarks.md is out of date; run: scripts/make_benchmark_reference.py", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
