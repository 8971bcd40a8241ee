"""The share of scripts/torture_engines.py that runs with every test run; the whole of it is 50 kills an engine."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from torture.postgres_server import missing

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


@pytest.mark.parametrize("part", ["vectors", "collection"])
def test_a_killed_postgres_loses_nothing_that_it_acknowledged(part: str) -> None:
    if missing() is not None:
        pytest.skip(str(missing()))
    done = subprocess.run(
        [sys.executable, SCRIPTS / "torture_engines.py", "--engine", "postgres", "--part", part, "--runs", "3"],
        capture_output=True, text=True, timeout=250,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    assert re.search(r"^PASS .*: 3 runs, 0 failures", done.stdout, re.M), done.stdout
