#!/usr/bin/env python
"""Mutation testing: spoil one place of the code at a time and see whether the tests notice.

    pip install cosmic-ray
    scripts/mutation_tests.py --seed 0 --processes 2 --map map --json mutants.jsonl
    scripts/mutation_tests.py --only dinosearch/home.py --share 1
    scripts/mutation_tests.py --again --json mutants.jsonl --tests tests/vectors/test_plans.py

cosmic-ray (no dependency of the project; any 8.x) makes the mutants. Of each place and kind of change one is drawn, of
these a share by the seed; changes of annotations only are left out. First the tests are run once without a mutant, to
see which lines each of them runs. Then every mutant meets the tests that run its statement, those of its own package
and the quickest first, until one fails: in a copy of the tree, in a process forked from one that has loaded the large
libraries: POSIX only. What tests run in other programs that they start is not seen. A mutant is

    killed       a test failed                  timeout      a test took three times as long as without it
    survived     all passed: look at it         incompetent  the tests could not even be collected
    unreached    no test runs its statement

Records are appended to the `--json` file as they come, and mutants that it holds are not run again, so that a run can
be stopped and gone on with; `--again` tries those that no test failed for once more, in the code and with the tests of
today. A survivor is no proof of a hole: docs/reliability.md tells what the last ones were.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from mutation.bench import Bench, Ended, Job
from mutation.cover import Cover
from mutation.mutants import Mutant, sample

OUTCOMES = ("killed", "timeout", "incompetent", "survived", "unreached")
RETRIED = ("survived", "unreached", "timeout")
SHARES = {
    "dinosearch/evaluation/measures.py": 1.0,
    "dinosearch/evaluation/statistics.py": 0.5,
    "dinosearch/evaluation/recognition.py": 0.35,
    "dinosearch/home.py": 1.0,
    "dinosearch/store/filters/*.py": 0.15,
    "dinosearch/store/*.py": 0.2,
    "dinosearch/vectors/*.py": 0.12,
    "dinosearch/server/guards/*.py": 0.25,
}
"""Files, and the share of their places that is tried."""
WITHOUT = ("dinosearch/vectors/on_gpu.py",)
TESTS = (
    *(f"tests/evaluation/test_{name}.py" for name in ("measures", "statistics", "recognition")),
    *("tests/test_home.py", "tests/test_ahead.py", "tests/store", "tests/vectors"),
    *("tests/engines/test_contract_local.py", "tests/engines/test_postgres.py", "tests/upgrades"),
    *(
        f"tests/collection/test_{name}.py"
        for name in ("index", "index_type", "maintenance", "comes_back", "durability")
    ),
    "tests/torture/test_rot.py",
    *(f"tests/server/test_{name}.py" for name in ("guards", "protocol", "sessions", "fetching", "hostile_http", "run")),
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


def key(of: Mutant | Record) -> tuple[str, int, str, str]:
    """What tells a mutant from others."""
    return of.file, of.line, of.kind, of.diff() if isinstance(of, Mutant) else of.diff


def outcome(ended: Ended) -> tuple[str, str]:
    """What became of a mutant, and the test that noticed it."""
    failed = re.search(r"^(?:FAILED|ERROR) (\S+)", ended.told, re.MULTILINE)
    if ended.late or "Failed: Timeout" in ended.told:
        name = "timeout"
    else:
        name = {0: "survived", 2: "incompetent", 4: "incompetent", 5: "incompetent"}.get(ended.code, "killed")
    return name, failed[1] if failed else ""


def judged(bench: Bench, cover: Cover, todo: Sequence[Mutant], most: float) -> Iterator[tuple[Mutant, str, str]]:
    """Mutant, outcome and killing test, as they end."""
    chosen = [(mutant, cover.chosen(mutant, most)) for mutant in todo]
    yield from ((mutant, "unreached", "") for mutant, tests in chosen if not tests.files)
    jobs = [Job(tests.files, tests, tests.limit, mutant) for mutant, tests in chosen if tests.files]
    for ended in bench.run(jobs):
        if ended.job.mutant is not None:
            yield ended.job.mutant, *outcome(ended)


def table(records: Sequence[Record]) -> str:
    """Outcomes by file as a table in Markdown, and what was not noticed with what was changed."""
    lines = ["| File | Mutants | " + " | ".join(OUTCOMES) + " |", "| --- |" + " ---: |" * (1 + len(OUTCOMES))]
    records = sorted(records, key=lambda record: (record.file, record.line))
    files = [*dict.fromkeys(record.file for record in records)]
    for name, those in [*((file, [r for r in records if r.file == file]) for file in files), ("all", records)]:
        outcomes = Counter(record.outcome for record in those)
        lines.append(f"| {name} | {len(those)} | " + " | ".join(str(outcomes[o]) for o in OUTCOMES) + " |")
    for record in records:
        if record.outcome in RETRIED:
            lines += ["", f"{record.outcome}: {record.file}:{record.line} ({record.kind})", record.diff]
    return "\n".join(lines)


def drawn(asked: argparse.Namespace) -> list[Mutant]:
    """The mutants that the seed draws."""
    found = []
    for files, share in SHARES.items():
        chosen = sample(files, asked.share or share, asked.seed, asked.only, WITHOUT)
        if chosen:
            print(f"{files}: {len(chosen)} mutants", file=sys.stderr, flush=True)
        found += chosen
    random.Random(asked.seed).shuffle(found)  # so that a run that is stopped has tried a fair part
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2, help="at a time")
    parser.add_argument("--only", default="", help="regular expression for the names of the files to be tried")
    parser.add_argument("--share", type=float, help="of the places, instead of that of each file")
    parser.add_argument("--tests", nargs="+", default=TESTS, help="files and folders of tests, instead of all that may")
    parser.add_argument("--seconds", type=float, default=math.inf, help="of tests for a mutant, the slowest left out")
    parser.add_argument("--map", type=Path, help="folder that keeps which tests run which lines")
    parser.add_argument("--json", type=Path, help="append a line for each mutant, and go on after those that it holds")
    parser.add_argument("--again", action="store_true", help="those of the --json file that no test failed for")
    parser.add_argument("--minutes", type=float, default=math.inf, help="after which nothing more is begun")
    parser.add_argument("--list", action="store_true", help="only count the mutants")
    asked = parser.parse_args(arguments)
    records: dict[tuple[str, int, str, str], Record] = {}
    if asked.json and asked.json.exists():
        for line in asked.json.read_text(encoding="utf-8").splitlines():
            record = Record(**json.loads(line))
            records[key(record)] = record
    before: dict[tuple[str, int, str, str], Record] = {}
    if asked.again:
        todo = []
        for record in records.values():
            if record.outcome in RETRIED and re.search(asked.only, record.file):
                if mutant := Mutant.from_diff(record.file, record.line, record.kind, record.diff):
                    todo.append(mutant)
                    before[key(mutant)] = record
    else:
        todo = [m for m in drawn(asked) if key(m) not in records]
    print(f"{len(todo)} to be tried", file=sys.stderr, flush=True)
    if todo and not asked.list:
        with tempfile.TemporaryDirectory() as folder:
            bench = Bench(Path(folder), asked.processes, time.monotonic() + 60 * asked.minutes)
            cover = Cover(bench, asked.tests, asked.map or Path(folder, "map"))
            for mutant, became, by in judged(bench, cover, todo, asked.seconds):
                print(f"{became:11} {mutant.file}:{mutant.line} {mutant.kind} {by}", file=sys.stderr, flush=True)
                if key(mutant) in before:
                    if became in RETRIED:
                        continue  # by the tests that were named now: what is known of it stays
                    del records[key(before[key(mutant)])]
                record = Record(mutant.file, mutant.line, mutant.kind, became, by, mutant.diff(), asked.seed)
                records[key(record)] = record
                if asked.json:
                    with asked.json.open("a", encoding="utf-8") as file:
                        file.write(json.dumps(asdict(record)) + "\n")
    if asked.again:
        asked.json.write_text("".join(json.dumps(asdict(r)) + "\n" for r in records.values()), encoding="utf-8")
    print(table([*records.values()]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
