"""The verdict of a torture run: what was tried with which seed, how it ended, and how to replay what failed.

    parser = options(__doc__, runs=1000)
    asked = parser.parse_args(arguments)
    verdict = Verdict("crash", asked.seed, "scripts/torture_crash.py")
    for number in asked.numbers():              # all of --runs until --minutes are over, or --only
        rng = asked.random(number)              # of this run alone, so that --only N does the same again
        verdict.count("whole")                  # or: verdict.fail(number, "a row is lost")
    return verdict.end(asked.json)              # prints, appends the record, gives the exit status

The records of --json become the table of docs/reliability.md by scripts/torture/report.py.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path


class Asked(argparse.Namespace):
    """The common options, see `options`."""

    seed: int
    runs: int
    minutes: float | None
    only: int | None
    json: Path | None

    def numbers(self) -> Iterator[int]:
        """Numbers of the runs to make."""
        until = time.monotonic() + 60 * self.minutes if self.minutes else float("inf")
        for number in range(self.runs) if self.only is None else [self.only]:
            if time.monotonic() > until:
                return
            yield number

    def random(self, number: int) -> random.Random:
        """Chance for one run: the same for the same seed and number, whatever ran before."""
        return random.Random(f"{self.seed} {number}")


def try_all(asked: Asked, verdict: Verdict, trial: Callable[[int, random.Random], tuple[str, str | None]]) -> int:
    """Make all the runs: `trial` gives the outcome and what is bad about it, if anything. Returns the exit status."""
    for number in asked.numbers():
        outcome, bad = trial(number, asked.random(number))
        if bad:
            verdict.fail(number, bad)
        else:
            verdict.count(outcome)
    return verdict.end(asked.json)


class Parser(argparse.ArgumentParser):
    """Gives `Asked`."""

    def parse_args(self, args=None, namespace=None) -> Asked:  # type: ignore[no-untyped-def, override]  # noqa: ANN001
        return super().parse_args(args, namespace or Asked())


def options(text: str | None, *, runs: int, seed: int = 20261121) -> Parser:
    """A parser with the options that every torture run has; `text` is the script's docstring."""
    parser = Parser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=seed, help="default: %(default)s")
    parser.add_argument("--runs", type=int, default=runs, help="default: %(default)s")
    parser.add_argument("--minutes", type=float, help="stop after so many")
    parser.add_argument("--only", type=int, metavar="N", help="replay run N")
    parser.add_argument("--json", type=Path, metavar="FILE", help="append the record, for docs/reliability.md")
    return parser


class Verdict:
    """Counts how runs ended.

    Args:
        name: of what was tried, a row of the table of docs/reliability.md.
        seed: gives the same runs again.
        replay: the command without `--seed S --only N`.
    """

    def __init__(self, name: str, seed: int, replay: str) -> None:
        self.name, self.seed, self._replay = name, seed, replay
        self.outcomes: Counter[str] = Counter()
        self.failures: list[str] = []
        self.figures: dict[str, float | str] = {}
        self._started = time.monotonic()

    def count(self, outcome: str, times: int = 1) -> None:
        """A run ended well, in this way."""
        self.outcomes[outcome] += times

    def fail(self, number: int | str | None, reason: str) -> None:
        """Run `number`, None for all as one, ended badly; it is printed at once with the command that does it again."""
        only = "" if number is None else f" --only {number}"
        self.failures.append(f"{reason}; again: {self._replay} --seed {self.seed}{only}")
        print(f"FAIL {self.name}: {self.failures[-1]}", flush=True)

    def figure(self, name: str, value: float | str) -> None:
        """A figure for the table, such as the longest time to reopen."""
        self.figures[name] = value

    @property
    def ok(self) -> bool:
        """Something was tried and nothing failed."""
        return bool(self.outcomes) and not self.failures

    def print(self) -> None:
        """One table and, last, one line: PASS or FAIL."""
        for outcome, times in sorted(self.outcomes.items()):
            print(f"  {outcome:<60} {times:>7}")
        for name, value in self.figures.items():
            print(f"  {name:<60} {value:>7}")
        for failure in self.failures:
            print(f"  FAIL {failure}")
        runs, seconds = self.outcomes.total() + len(self.failures), time.monotonic() - self._started
        told = f"{runs} runs, {len(self.failures)} failures, seed {self.seed}, {seconds:.0f} s"
        print(f"{'PASS' if self.ok else 'FAIL'} {self.name}: {told}", flush=True)

    def end(self, file: Path | None = None) -> int:
        """Print, append the record to a file of JSON lines, and give the exit status: 0, or 1 for FAIL."""
        self.print()
        if file is not None:
            record = {
                "name": self.name,
                "seed": self.seed,
                "date": time.strftime("%Y-%m-%d"),
                "seconds": round(time.monotonic() - self._started, 1),
                "outcomes": dict(self.outcomes),
                "figures": self.figures,
                "failures": self.failures,
                "ok": self.ok,
            }
            file.parent.mkdir(parents=True, exist_ok=True)
            with open(file, "a", encoding="utf-8") as lines:
                lines.write(json.dumps(record) + "\n")
        return 0 if self.ok else 1
