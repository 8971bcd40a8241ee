"""The tests' share of scripts/torture_engines.py: kill -9 of the process that writes to a milvus-lite file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torture_engines
from torture.engine_kills import Operation, vector


def test_nothing_acknowledged_is_lost(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("milvus_lite")
    record = tmp_path / "kills.json"
    status = torture_engines.main(["--engine", "milvus-lite", "--runs", "2", "--json", str(record)])
    told = json.loads(record.read_text())
    assert status == 0 and told["ok"] and sum(told["outcomes"].values()) == 2, capfd.readouterr().out
    assert told["figures"]["operations acknowledged"] > 0 and told["figures"]["rows acknowledged and found, last"] > 0


def test_operations_are_the_same_for_writer_and_judge() -> None:
    one, other = Operation(3, 7), Operation(3, 7)
    assert (one.kind, one.ids) == (other.kind, other.ids)
    assert not (vector(1, 2) == vector(1, 3)).any() and (vector(1, 2) == vector(1, 2)).all()
