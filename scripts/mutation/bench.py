"""Tries mutants: the tests of each in a copy of the tree, in a process forked from one with the libraries loaded."""

from __future__ import annotations

import compileall
import contextlib
import importlib
import itertools
import multiprocessing
import os
import py_compile
import re
import shutil
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from multiprocessing.connection import wait
from pathlib import Path

from mutation.mutants import ROOT, Mutant

COPIED = ("dinosearch", "tests", "scripts", "docs", "sample_images", "README.md", "CHANGELOG.md", "pyproject.toml")
LOADED = ("numpy", "faiss", "sqlalchemy", "torch", "PIL.Image", "filelock", "click", "hypothesis", "pytest")
"""What every process of tests would spend seconds on loading."""
OPTIONS = (
    *("-x", "-q", "-rf", "-p", "no:cacheprovider", "-m", "not slow", "--hypothesis-seed=0"),
    *("-W", "ignore:Module already imported:pytest.PytestAssertRewriteWarning"),
)
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "DINOSEARCH_OFFLINE": "1", "HF_HUB_OFFLINE": "1", "DINOSEARCH_RUNTIME": "torch"}
LEAST_LIMIT = 20.0
"""Seconds; a shorter limit would call a busy machine a timeout."""


class Bench:
    """Copies of the tree in which mutants are tried, one for each process that runs at a time."""

    def __init__(self, folder: Path, processes: int) -> None:
        self._context = multiprocessing.get_context("fork")
        self.copies = [folder / str(number) for number in range(processes)]
        for name in LOADED:
            importlib.import_module(name)
        for copy in self.copies:
            for name in COPIED:
                if (ROOT / name).is_dir():
                    shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
                elif (ROOT / name).exists():
                    shutil.copy(ROOT / name, copy / name)
            # By their hash: a mutant of the same second and length would pass for the compiled original.
            mode = py_compile.PycInvalidationMode.CHECKED_HASH
            compileall.compile_dir(copy / "dinosearch", quiet=1, invalidation_mode=mode)

    def limit(self, tests: Sequence[str]) -> float:
        """Seconds that a mutant is given: three times what the tests take, in all copies at once, without any.

        It also compiles the tests there.
        """
        began = time.monotonic()
        processes = [self.start(copy, tests, compiled=True) for copy in self.copies]
        for copy, process in zip(self.copies, processes, strict=True):
            process.join()
            if process.exitcode:
                sys.exit(f"the tests fail without a mutant:\n{_told(copy)}")
        return max(LEAST_LIMIT, 3 * (time.monotonic() - began))

    def start(self, copy: Path, tests: Sequence[str], compiled: bool = False) -> multiprocessing.process.BaseProcess:
        """Start the tests in a copy."""
        process = self._context.Process(target=_test, args=(copy, tests, compiled))
        process.start()
        return process

    def run(self, chosen: Sequence[Mutant], tests: Sequence[str], limit: float) -> Iterator[tuple[Mutant, str, str]]:
        """Mutant, outcome and killing test, as they end."""
        waiting, free = iter(chosen), list(self.copies)
        running: dict[int, tuple[multiprocessing.process.BaseProcess, Path, Mutant, str, float]] = {}
        while True:
            for mutant in itertools.islice(waiting, len(free)):
                copy = free.pop()
                original = (copy / mutant.file).read_text(encoding="utf-8")
                (copy / mutant.file).write_text(mutant.code, encoding="utf-8")
                process = self.start(copy, tests)
                running[process.sentinel] = (process, copy, mutant, original, time.monotonic() + limit)
            if not running:
                return
            wait(list(running), timeout=0.2)
            for sentinel, (process, copy, mutant, original, end) in list(running.items()):
                alive = process.is_alive()
                late = alive and time.monotonic() > end
                if alive and not late:
                    continue
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid or 0, signal.SIGKILL)  # with what the tests have started
                process.join()
                (copy / mutant.file).write_text(original, encoding="utf-8")
                del running[sentinel]
                free.append(copy)
                killer = re.search(r"^FAILED (\S+)", _told(copy), re.MULTILINE)
                outcome = {0: "survived", 2: "incompetent", 4: "incompetent"}.get(process.exitcode or 0, "killed")
                yield mutant, "timeout" if late else outcome, killer[1] if killer else ""


def _test(copy: Path, tests: Sequence[str], compiled: bool) -> None:
    """Run the tests of a copy; the body of a forked process."""
    os.setsid()
    os.chdir(copy)
    told = os.open("told.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(told, 1)
    os.dup2(told, 2)
    data = os.environ.get("DINOSEARCH_TEST_DATA", str(ROOT.parent / "shared" / "data"))
    os.environ.update(ENVIRONMENT, PYTHONPATH=str(copy), DINOSEARCH_TEST_DATA=data)
    if not compiled:
        sys.dont_write_bytecode = True
        os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    sys.path.insert(0, str(copy))
    import pytest

    code = int(pytest.main([*OPTIONS, f"--basetemp={copy}/temporary", *tests]))
    if not str(getattr(sys.modules.get("dinosearch"), "__file__", copy)).startswith(str(copy)):
        print("another dinosearch was imported")
        code = 5
    sys.stdout.flush()
    os._exit(code)


def _told(copy: Path) -> str:
    return (copy / "told.txt").read_text(encoding="utf-8", errors="replace")
