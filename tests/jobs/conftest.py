"""The command line in this process with an embedder that needs no weights, and what is read back from shards."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.cli.conftest import Run, embedders, objects, run  # noqa: F401  # fixtures

parquet = pytest.importorskip("pyarrow.parquet", reason="needs pyarrow: pip install 'dinosearch[ray]'")


def rows(out: Path) -> list[dict[str, Any]]:
    """The rows of all shards that the manifest names, read by Arrow alone, each file held against its checksum."""
    head, *notes = [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]
    found = []
    for note in notes:
        assert hashlib.sha256((out / note["file"]).read_bytes()).hexdigest() == note["sha256"]
        found += parquet.read_table(out / note["file"]).to_pylist()
    assert (len(notes), len(found)) == (head["shards"], head["rows"])
    return found


def vectors(out: Path) -> dict[str, np.ndarray]:
    """The vector of each good path."""
    return {row["path"]: np.array(row["vector"], np.float32) for row in rows(out) if row["reason"] is None}


def files(out: Path) -> dict[str, bytes]:
    """Every file of a job's folder by name."""
    return {
        str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*") if path.suffix[1:3] in ("pa", "js")
    }
