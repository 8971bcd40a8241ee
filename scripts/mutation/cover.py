"""Which tests run which lines of the code, and how long each takes."""

from __future__ import annotations

import ast
import hashlib
import json
import sys
from collections import defaultdict
from collections.abc import Generator, Iterable, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

import coverage
import pytest

from mutation.bench import Bench, Job
from mutation.mutants import ROOT, Mutant

LIMIT = 900.0
"""Seconds for the tests of one file without a mutant, beside other work."""
LEAST = 60.0
"""Seconds that every test is given; less would call a busy machine a timeout."""


class Recorder:
    """A plugin of pytest that writes the seconds of every test, and the lines that it runs, into a file.

    What fixtures run counts for all tests of the file: one of them may be made for the first test and used by the last.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seconds: dict[str, float] = defaultdict(float)

    def pytest_sessionstart(self) -> None:
        self._coverage = coverage.Coverage(data_file=None, config_file=False, include=["dinosearch/*"], messages=False)
        self._coverage.start()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None, None, None]:
        self._coverage.switch_context(item.nodeid.partition("::")[0])
        return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, None, None]:
        self._coverage.switch_context(item.nodeid)
        return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None, None, None]:
        self._coverage.switch_context(item.nodeid.partition("::")[0])
        return (yield)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._seconds[report.nodeid] += report.duration

    def pytest_sessionfinish(self) -> None:
        self._coverage.stop()
        data = self._coverage.get_data()
        lines: dict[str, dict[str, list[int]]] = {}
        for file in data.measured_files():
            of: dict[str, list[int]] = defaultdict(list)
            for line, contexts in data.contexts_by_lineno(file).items():
                for context in filter(None, contexts):  # without a name: imported before the first test
                    of[context].append(line)
            lines[Path(file).relative_to(Path.cwd()).as_posix()] = of
        self._path.write_text(json.dumps({"seconds": self._seconds, "lines": lines}), encoding="utf-8")


class Chosen:
    """A plugin of pytest that runs some of the tests only; those that need PostgreSQL, which takes seconds, come last.

    Args:
        tests: those that may be run.
        seconds: what each takes.
        most: seconds for all; the slowest are left out.
        near: folder whose files come first.

    Attributes:
        files: those of the tests, the quickest first.
        limit: seconds for all of them.
    """

    def __init__(self, tests: Iterable[str], seconds: dict[str, float], most: float, near: str) -> None:
        quickest = sorted(tests, key=lambda test: seconds[test])
        sums = accumulate(seconds[test] for test in quickest)
        self._tests = {test for test, total in zip(quickest, sums, strict=True) if total <= most}
        by_file: dict[str, list[float]] = defaultdict(list)
        for test in self._tests:
            by_file[test.partition("::")[0]].append(seconds[test])
        self.files = sorted(by_file, key=lambda file: (not file.startswith(near), sum(by_file[file]), file))
        self._limits = {file: LEAST + 3 * max(by_file[file]) for file in self.files}
        self.limit = LEAST + 3 * sum(map(sum, by_file.values()))

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = [item for item in items if item.nodeid in self._tests]
        items.sort(key=lambda item: "postgres" in item.nodeid)
        for item in items:
            item.add_marker(pytest.mark.timeout(self._limits[item.nodeid.partition("::")[0]]), append=False)


class Cover:
    """The lines that tests run, made by running them once.

    Args:
        bench: where they are run.
        tests: files and folders below the root.
        folder: keeps what was found for each file of tests, as long as neither it nor the code changes.
    """

    def __init__(self, bench: Bench, tests: Sequence[str], folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        code = hashlib.sha256()
        for path in sorted((ROOT / "dinosearch").rglob("*.py")):
            code.update(path.read_bytes())
        found = {}
        for file in _files(tests):
            key = code.copy()
            key.update((ROOT / file).read_bytes())
            found[file] = folder / f"{file.replace('/', '-')}-{key.hexdigest()[:16]}.json"
        jobs = [Job([file], Recorder(path), LIMIT) for file, path in found.items() if not path.exists()]
        for ended in bench.run(jobs):
            print(f"{ended.job.files[0]}: {ended.told.splitlines()[-1]}", file=sys.stderr, flush=True)
            if ended.late or ended.code not in (0, pytest.ExitCode.NO_TESTS_COLLECTED):
                found[ended.job.files[0]].unlink(missing_ok=True)
                sys.exit(f"the tests fail without a mutant:\n{ended.told}")
        if not all(path.exists() for path in found.values()):
            sys.exit("the time is up before all tests were run once; the next run goes on")
        self.seconds: dict[str, float] = {}
        self._lines: dict[str, dict[int, set[str]]] = defaultdict(lambda: defaultdict(set))
        for path in found.values():
            read: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            self.seconds |= read["seconds"]
            for file, contexts in read["lines"].items():
                for context, lines in contexts.items():
                    whole = "::" not in context
                    those = [t for t in read["seconds"] if t.startswith(context + "::")] if whole else [context]
                    for line in lines:
                        self._lines[file][line].update(those)

    def chosen(self, mutant: Mutant, most: float) -> Chosen:
        """The tests that run the statement of a mutant; for one that is run by importing, all that use its file.

        Those that would take longer than `most` seconds together with the quicker ones are left out.
        """
        lines = self._lines[mutant.file]
        statement = _statement((ROOT / mutant.file).read_text(encoding="utf-8"), mutant.line)
        ran = [lines[line] for line in statement or list(lines)]
        if statement is None and not any(ran):
            package = mutant.file.rpartition("/")[0] + "/"
            files = [self._lines[file] for file in self._lines if file.startswith(package)]
            ran = [tests for lines in files for tests in lines.values()]
        near = f"tests/{mutant.file.split('/')[1]}"
        return Chosen(set[str]().union(*ran), self.seconds, most, near)


def _files(tests: Sequence[str]) -> list[str]:
    paths = [path for name in tests for path in sorted((ROOT / name).rglob("test_*.py")) or [ROOT / name]]
    return [path.relative_to(ROOT).as_posix() for path in dict.fromkeys(paths)]


def _statement(source: str, line: int) -> range | None:
    """The lines of the statement at a line, of a compound one its head; None outside of functions."""
    around = [
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.stmt) and node.lineno <= line <= (node.end_lineno or line)
    ]
    functions = (node for node in around if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    if not any(node.body[0].lineno <= line for node in functions):
        return None
    node = max(around, key=lambda node: (node.lineno, -(node.end_lineno or 0)))
    body = getattr(node, "body", None)
    return range(node.lineno, max(body[0].lineno, node.lineno + 1) if body else (node.end_lineno or line) + 1)
