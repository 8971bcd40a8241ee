#!/usr/bin/env python
"""Filters by chance against an oracle in plain Python, and mutated ones that must be parsed or refused with a place.

scripts/torture_where.py --runs 10000
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from torture.verdict import Verdict, options
from torture.where import Filters


def main(arguments: list[str] | None = None) -> int:
    asked = options(__doc__, runs=10_000).parse_args(arguments)
    verdict = Verdict("filters", asked.seed, "scripts/torture_where.py")
    with tempfile.TemporaryDirectory() as folder, Filters(Path(folder), asked.seed) as filters:
        for number in asked.numbers():
            filters.try_one(number, asked.random(number), verdict)
        filters.finish(verdict)
    return verdict.end(asked.json)


if __name__ == "__main__":
    sys.exit(main())
