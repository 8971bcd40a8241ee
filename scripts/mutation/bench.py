"""Runs tests in copies of the tree, each run in a process forked from one that has loaded the large libraries."""

from __future__ import annotations

import compileall
import contextlib
import importlib
import multiprocessing
import os
import py_compile
import shutil
import signal
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from mutation.mutants import ROOT, Mutant

COPIED = ("dinosearch", "tests", "scripts", "docs", "sample_images", "README.md", "CHANGELOG.md", "pyproject.toml")
LOADED = (
    *("numpy", "faiss", "sqlalchemy.dialects.sqlite", "sqlalchemy.dialects.postgresql", "torch", "PIL.Image"),
    *("filelock", "click", "hypothesis", "pytest", "coverage"),
)
"""What every process of tests would spend seconds on loading."""
OPTIONS = (
    *("-x", "-q", "-rfE", "-p", "no:cacheprovider", "-m", "not slow", "--hypothesis-seed=0"),
    *("-W", "ignore:Module already imported:pytest.PytestAssertRewriteWarning"),
)
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "DINOSEARCH_OFFLINE": "1", "HF_HUB_OFFLINE": "1", "DINOSEARCH_RUNTIME": "torch"}


@dataclass(frozen=True)
class Job:
    """One run of tests.

    Attributes:
        files: of tests, below the root.
        plugin: of pytest: what is to be done with them.
        limit: seconds after which the run is ended.
        mutant: what the tree is spoilt with.
    """

    files: Sequence[str]
    plugin: object
    limit: float
    mutant: Mutant | None = None


@dataclass(frozen=True)
class Ended:
    """How a run of tests ended: the code of pytest, whether it was late, what it printed."""

    job: Job
    code: int
    late: bool
    told: str


class Bench:
    """Copies of the tree, one for each process that runs at a time.

    Attributes:
        until: no run starts after this moment of the monotonic clock.
    """

    def __init__(self, folder: Path, processes: int, until: float) -> None:
        self.until = until
        self._context = multiprocessing.get_context("fork")
        self.copies = [folder / str(number) for number in range(processes)]
        os.environ.update(ENVIRONMENT)  # OpenMP reads the number of its threads when it is loaded
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

    def run(self, jobs: Iterable[Job]) -> Iterator[Ended]:
        """Run all, one in each copy at a time; they come as they end."""
        waiting, free = iter(jobs), list(self.copies)
        running: dict[int, tuple[BaseProcess, Path, Job, float]] = {}
        while True:
            while free and time.monotonic() < self.until and (job := next(waiting, None)) is not None:
                copy = free.pop()
                if job.mutant is not None:
                    (copy / job.mutant.file).write_text(job.mutant.code, encoding="utf-8")
                process = self._context.Process(target=_test, args=(copy, job))
                process.start()
                running[process.sentinel] = (process, copy, job, time.monotonic() + job.limit)
            if not running:
                return
            wait(list(running), timeout=0.2)
            for sentinel, (process, copy, job, end) in list(running.items()):
                late = process.is_alive() and time.monotonic() > end
                if process.is_alive() and not late:
                    continue
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid or 0, signal.SIGKILL)  # with what the tests have started
                process.join()
                if job.mutant is not None:
                    shutil.copy(ROOT / job.mutant.file, copy / job.mutant.file)
                del running[sentinel]
                free.append(copy)
                told = (copy / "told.txt").read_text(encoding="utf-8", errors="replace")
                yield Ended(job, process.exitcode or 0, late, told)


def _test(copy: Path, job: Job) -> None:
    """Run the tests in a copy; the body of a forked process."""
    os.setsid()
    os.chdir(copy)
    told = os.open("told.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(told, 1)
    os.dup2(told, 2)
    data = os.environ.get("DINOSEARCH_TEST_DATA", str(ROOT.parent / "shared" / "data"))
    os.environ.update(PYTHONPATH=str(copy), DINOSEARCH_TEST_DATA=data)
    sys.path.insert(0, str(copy))
    import pytest

    code = 0
    for file in job.files:  # one after the other: most mutants die in the first, and to load all takes seconds
        code = int(pytest.main([*OPTIONS, f"--basetemp={copy}/temporary", file], plugins=[job.plugin]))
        if code:
            break
    if not str(getattr(sys.modules.get("dinosearch"), "__file__", copy)).startswith(str(copy)):
        print("another dinosearch was imported")
        code = 5
    sys.stdout.flush()
    os._exit(code)
