"""The share of scripts/torture_crash.py and torture_disk.py that runs with every test run; the full runs are longer."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from torture.system_calls import missing

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
MEMORY = Path("/dev/shm")  # a kill loses nothing that was written, so that no real disk is needed


def torture(script: str, *arguments: str) -> int:
    """Run a script in a process of its own, which forks; the number of runs that passed."""
    settings = {"TMPDIR": str(MEMORY)} if os.access(MEMORY, os.W_OK) else {}
    done = subprocess.run(
        [sys.executable, SCRIPTS / script, *arguments],
        env={**os.environ, **settings}, capture_output=True, text=True, timeout=280,
    )  # fmt: skip
    if done.returncode == 0 and done.stdout.startswith("skipped: "):
        pytest.skip(done.stdout.strip())
    verdict = re.search(r"^PASS .*: (\d+) runs, 0 failures", done.stdout, re.M)
    assert done.returncode == 0 and verdict, done.stdout[-3000:] + done.stderr[-2000:]
    return int(verdict[1])


needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="homes are killed in forked processes")
needs_strace = pytest.mark.skipif(os.name == "nt" or missing() is not None, reason="needs strace that may attach")


@needs_fork
@pytest.mark.slow
def test_killed_at_random_moments() -> None:
    assert torture("torture_crash.py", "--runs", "100") == 100


@needs_strace
@pytest.mark.slow
@pytest.mark.parametrize("verbs", [("index", "add", "remove"), ("compact", "refine"), ("repair", "migrate")])
def test_killed_at_write_points(verbs: Sequence[str]) -> None:
    # Every call of every verb on every kind of file once; the full run (--part white) takes each of its times, of three
    # workloads.
    chosen = [word for verb in verbs for word in ("--verb", verb)]
    assert torture("torture_crash.py", "--part", "white", "--runs", "1", "--each", *chosen) > 25


@needs_strace
@pytest.mark.slow
def test_calls_that_fail() -> None:
    assert torture("torture_disk.py", "--every", "1000", "--points", "1") >= 18


@needs_fork
@pytest.mark.slow
@pytest.mark.parametrize("part", ["limit", "vanish", "full", "unmount", "read-only"])
def test_disks_that_end(part: str) -> None:
    assert torture("torture_disk.py", "--part", part, "--runs", "1") == 4
