#!/usr/bin/env python
"""Odd file names into a collection and out again, by every way that there is.

scripts/torture_paths.py --runs 100
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

os.environ["DINOSEARCH_DECODE"] = "inline"

from torture.paths import NAMES, round_trip, some_names, through_the_command_line
from torture.verdict import Verdict, options


def main(arguments: list[str] | None = None) -> int:
    asked = options(__doc__, runs=100).parse_args(arguments)
    verdict = Verdict("paths", asked.seed, "scripts/torture_paths.py")
    for number in asked.numbers():
        names = some_names(asked.random(number), 25) if number else NAMES
        with tempfile.TemporaryDirectory() as folder:
            round_trip(Path(folder), names, number, verdict)
        if number % 20 == 0:
            with tempfile.TemporaryDirectory() as folder:
                through_the_command_line(Path(folder), names, number, verdict)
    return verdict.end(asked.json)


if __name__ == "__main__":
    sys.exit(main())
