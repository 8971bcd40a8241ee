"""Importing and asking for help stay light: no heavy library, little time."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

HEAVY = ("torch", "faiss", "sqlalchemy", "PIL", "click")
LIMIT = 0.15  # seconds over a bare interpreter


def run(code: str, cwd: Path) -> str:
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=cwd, env=environ, capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout


def loaded(code: str, cwd: Path) -> set[str]:
    """The top-level packages in sys.modules of a fresh process after `code`."""
    report = "\nimport sys; print('MODULES', *sorted({m.partition('.')[0] for m in sys.modules}))"
    return set(run(code + report, cwd).rpartition("MODULES")[2].split())


def test_import_loads_nothing_heavy(tmp_path):
    modules = loaded("import dinosearch", tmp_path)
    assert "dinosearch" in modules
    assert modules.isdisjoint(HEAVY)


def test_heavy_import_would_be_seen(tmp_path):
    assert "PIL" in loaded("import dinosearch, PIL.Image", tmp_path)


HELP = """
import runpy, sys
sys.argv = ["dinosearch", "--help"]
try:
    runpy.run_module("dinosearch", run_name="__main__")
except SystemExit as end:
    assert not end.code, end.code
"""


def test_help_loads_no_engine(tmp_path):
    modules = loaded(HELP, tmp_path)
    assert "click" in modules
    assert modules.isdisjoint({"torch", "faiss", "sqlalchemy"})


def test_import_is_quick(tmp_path):
    def seconds(code: str) -> float:
        start = time.perf_counter()
        run(code, tmp_path)
        return time.perf_counter() - start

    seconds("import dinosearch")  # byte code is written once, by whoever comes first
    # The fastest of each: other work on the machine only ever adds time.
    rounds = [(seconds("pass"), seconds("import dinosearch")) for _ in range(7)]
    bare, with_import = map(min, zip(*rounds, strict=True))
    assert with_import - bare < LIMIT
