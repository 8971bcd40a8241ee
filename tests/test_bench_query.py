"""scripts/bench_query.py runs from end to end, and its tables hold what they say."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[1] / "scripts" / "bench_query.py"


def test_quick_run_measures_every_row(tmp_path):
    environ = {**os.environ, "DINOSEARCH_OFFLINE": "1", "PYTHONPATH": str(SCRIPT.parents[1])}
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--quick", "--cache", str(tmp_path)],
        env=environ,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    rows = {cells[0]: cells[1:] for cells in re.findall(r"^\| (.+?) \| ([\d.]+) \| ([\d.]+) \|", done.stdout, re.M)}
    assert {"python -c pass", "dinosearch --help", "dinosearch info", "dinosearch query, 12mp"} <= set(rows)
    assert {"12mp, fast", "12mp, balanced", "0.2mp, fast", "0.2mp, balanced"} <= set(rows)
    # a process that answers has started one first, and a large photo takes longer to decode than a small one
    assert float(rows["python -c pass"][1]) < float(rows["dinosearch query, 12mp"][1])
    parts = {
        row: float(re.search(rf"\| {row} \|[^|]+\|[^|]+\| ([\d.]+)", done.stdout)[1])
        for row in rows
        if "," in row and "fast" in row
    }
    assert parts["12mp, fast"] > parts["0.2mp, fast"]
    assert "Search alone over 500 vectors" in done.stdout
