#!/usr/bin/env python
"""Mutation testing: spoil one place of the code at a time and see whether the tests notice.

    pip install cosmic-ray
    scripts/mutation_tests.py --seed 0 --processes 2 --json mutants.jsonl
    scripts/mutation_tests.py --only dinosearch/home.py --share 1

cosmic-ray (no dependency of the project; any 8.x) makes the mutants. Of each place and kind of change one is drawn, of
these a share by the seed; changes of annotations only are left out. A mutant meets the tests of its own package, then
some of those that use it, in a copy of the tree, in a process forked from one that has loaded the large libraries
already: POSIX only. It is

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
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from mutation.bench import Bench
from mutation.mutants import Mutant, sample

OUTCOMES = ("killed", "survived", "timeout", "incompetent")


@dataclass(frozen=True)
class Part:
    """Files with the tests that must notice a change of them.

    Attributes:
        files: pattern below the root.
        share: of the places to be tried.
        tests: arguments of pytest, the quickest first.
        then: slower tests, of those who use the part; only what the others let pass meets them.
        without: a file that the pattern fits but the part leaves out.
    """

    files: str
    share: float
    tests: tuple[str, ...]
    then: tuple[str, ...] = ()
    without: str = ""


MANY = "tests/torture/test_many_at_once.py"
FILTERS = ("globs", "filter_docs", "filter_parsing", "filters")
STORE = ("known", "paths", "store", "salvage", "format_1", "opening")
VECTORS = ("vector_file", "rows_in_place", "plans", "local_search", "recall")
DAMAGE = ("tests/collection/test_maintenance.py", "tests/torture/test_rot.py")
STORE_USERS = (*DAMAGE, "tests/upgrades", "tests/collection/test_index.py", "tests/collection/test_calibrating.py")
VECTORS_USERS = (*DAMAGE, "tests/collection/test_index_type.py", "tests/collection/test_query.py")
PARTS = (
    Part("dinosearch/evaluation/measures.py", 1.0, ("tests/evaluation/test_measures.py",)),
    Part("dinosearch/evaluation/statistics.py", 0.5, ("tests/evaluation/test_statistics.py",)),
    Part("dinosearch/evaluation/recognition.py", 0.35, ("tests/evaluation/test_recognition.py",)),
    Part(
        "dinosearch/home.py",
        1.0,
        ("tests/test_home.py", "tests/collection/test_index.py", MANY, "-k", "not every_answer and not fork"),
    ),
    Part("dinosearch/store/filters/*.py", 0.15, tuple(f"tests/store/test_{name}.py" for name in FILTERS)),
    Part("dinosearch/store/*.py", 0.2, tuple(f"tests/store/test_{name}.py" for name in STORE), then=STORE_USERS),
    Part(
        "dinosearch/vectors/*.py",
        0.08,
        tuple(f"tests/vectors/test_{name}.py" for name in VECTORS),
        then=VECTORS_USERS,
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


def judged(bench: Bench, todo: Sequence[Mutant], part: Part) -> Iterator[tuple[Mutant, str, str]]:
    """Mutant, outcome and killing test, as they end."""
    passed = []
    for mutant, outcome, by in bench.run(todo, part.tests, bench.limit(part.tests)):
        if outcome == "survived" and part.then:
            passed.append(mutant)
        else:
            yield mutant, outcome, by
    if passed:
        yield from bench.run(passed, part.then, bench.limit(part.then))


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
            for mutant, outcome, by in judged(bench, todo, part):
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
