#!/usr/bin/env python
"""Mutation testing: spoil one place of the code at a time and see whether the tests notice.

    pip install cosmic-ray
    scripts/mutation_tests.py --seed 0 --processes 2 --json mutants.jsonl
    scripts/mutation_tests.py --only dinosearch/home.py --share 1

cosmic-ray (no dependency of the project; any 8.x) makes the mutants. Of each place and kind of change one is drawn, of
these a share by the seed; changes of annotations only are left out. A mutant meets the tests of its own package, in a
copy of the tree, in a process forked from one that has loaded the large libraries already: POSIX only. It is

    killed       a test failed                  timeout      the tests took three times as long as without it
    survived     all passed: look at it         incompetent  the tests could not even be collected

Records are appended to the `--json` file as they come, and mutants that it holds are not run again, so that a run can
be stopped and gone on with. A survivor is no proof of a hole: docs/reliability.md tells what the last ones were.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from mutation.bench import Bench
from mutation.mutants import sample

OUTCOMES = ("killed", "survived", "timeout", "incompetent")


@dataclass(frozen=True)
class Part:
    """Files with the tests that must notice a change of them.

    Attributes:
        files: pattern below the root.
        share: of the places to be tried.
        tests: arguments of pytest, the quickest first.
        without: a file that the pattern fits but the part leaves out.
    """

    files: str
    share: float
    tests: tuple[str, ...]
    without: str = ""


MANY = "tests/torture/test_many_at_once.py"
STORE = ("known", "paths", "store", "format_1", "opening")
VECTORS = ("vector_file", "rows_in_place", "plans", "local_search", "recall")
PARTS = (
    Part("dinosearch/evaluation/measures.py", 1.0, ("tests/evaluation/test_measures.py",)),
    Part("dinosearch/evaluation/statistics.py", 0.5, ("tests/evaluation/test_statistics.py",)),
    Part("dinosearch/evaluation/recognition.py", 0.35, ("tests/evaluation/test_recognition.py",)),
    Part(
        "dinosearch/home.py",
        1.0,
        ("tests/test_home.py", "tests/collection/test_index.py", MANY, "-k", "not every_answer and not fork"),
    ),
    Part("dinosearch/store/filters/*.py", 0.15, ("tests/store/test_globs.py", "tests/store/test_filters.py")),
    Part("dinosearch/store/*.py", 0.2, tuple(f"tests/store/test_{name}.py" for name in STORE)),
    Part(
        "dinosearch/vectors/*.py",
        0.05,
        tuple(f"tests/vectors/test_{name}.py" for name in VECTORS),
        without="dinosearch/vectors/on_gpu.py",
    ),
)


@dataclass(frozen=True)
class Record:
    """What became of one mutant; `by` is the test that killed it."""

    file: str
    line: int
    kind: str
    outcome: str
    by: str
    diff: str
    seed: int


def table(records: Sequence[Record]) -> str:
    """Outcomes by file as a table in Markdown, and survivors with what was changed."""
    lines = ["| File | Mutants | " + " | ".join(OUTCOMES) + " |", "| --- |" + " ---: |" * (1 + len(OUTCOMES))]
    records = sorted(records, key=lambda record: (record.file, record.line))
    files = [*dict.fromkeys(record.file for record in records)]
    for name, those in [*((file, [r for r in records if r.file == file]) for file in files), ("all", records)]:
        outcomes = Counter(record.outcome for record in those)
        lines.append(f"| {name} | {len(those)} | " + " | ".join(str(outcomes[o]) for o in OUTCOMES) + " |")
    for record in records:
        if record.outcome in ("survived", "timeout"):
            lines += ["", f"{record.outcome}: {record.file}:{record.line} ({record.kind})", record.diff]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2, help="at a time")
    parser.add_argument("--only", default="", help="part of the name of the files to be tried")
    parser.add_argument("--share", type=float, help="of the places, instead of that of each part")
    parser.add_argument("--json", type=Path, help="append a line for each mutant, and go on after those that it holds")
    parser.add_argument("--list", action="store_true", help="only count the mutants")
    asked = parser.parse_args(arguments)
    records = []
    if asked.json and asked.json.exists():
        records = [Record(**json.loads(line)) for line in asked.json.read_text(encoding="utf-8").splitlines()]
    known = {(record.file, record.line, record.kind, record.diff) for record in records}
    with tempfile.TemporaryDirectory() as folder:
        bench = None if asked.list else Bench(Path(folder), asked.processes)
        for part in PARTS:
            chosen = sample(part.files, asked.share or part.share, asked.seed, asked.only, part.without)
            todo = [m for m in chosen if (m.file, m.line, m.kind, m.diff()) not in known]
            if chosen:
                print(f"{part.files}: {len(chosen)} mutants, {len(todo)} to be tried", file=sys.stderr, flush=True)
            if bench is None or not todo:
                continue
            for mutant, outcome, by in bench.run(todo, part.tests, bench.limit(part.tests)):
                record = Record(mutant.file, mutant.line, mutant.kind, outcome, by, mutant.diff(), asked.seed)
                records.append(record)
                if asked.json:
                    with asked.json.open("a", encoding="utf-8") as file:
                        file.write(json.dumps(asdict(record)) + "\n")
                print(f"{outcome:11} {mutant.file}:{mutant.line} {mutant.kind} {by}", file=sys.stderr, flush=True)
    print(table(records))
    return 0


if __name__ == "__main__":
    sys.exit(main())
