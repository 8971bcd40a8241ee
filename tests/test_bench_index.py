"""The benchmark of indexing: its folders are what they say, and its parts run on tiny sizes."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import bench_index
import pytest

from bench.footprint import empty_files, fill_store, peak, small_photos
from dinosearch.collection.indexing.plan import make_plan
from dinosearch.images import decode
from dinosearch.store import MetadataStore


def test_small_photos_are_pictures_that_all_differ(tmp_path: Path) -> None:
    small_photos(tmp_path, 30)
    contents = [path.read_bytes() for path in tmp_path.rglob("*.jpg")]
    assert len({hashlib.sha256(content).digest() for content in contents}) == 30
    assert {decode(content, "x")[1].format for content in contents} == {"JPEG"}


def test_the_store_of_the_rescan_knows_its_tree(tmp_path: Path) -> None:
    with MetadataStore.open(tmp_path / "metadata.sqlite", create=True) as store:
        fill_store(tmp_path / "metadata.sqlite", tmp_path / "tree", 1500)
        empty_files(tmp_path / "tree", 1501)
        plan = make_plan(store, [str(tmp_path / "tree")])
    assert (plan.unchanged, len(plan.to_read), len(plan.gone)) == (1500, 1, 0)


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="memory is read from /proc")
def test_the_peak_counts_children() -> None:
    child = "import time; held = bytearray(b'x') * (60 << 20); time.sleep(1.2)"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    found = peak([sys.executable, "-c", parent])
    assert found.whole >= found.own >= 60  # which no file is behind
    assert 0 < found.file < 60
    assert found.seconds > 1
    with pytest.raises(RuntimeError, match="exit code 3"):
        peak([sys.executable, "-c", "raise SystemExit(3)"])


def test_the_parts_run(tmp_path: Path) -> None:
    script = Path(bench_index.__file__)
    command = [sys.executable, script, "--quick", "--part", "rate", "--part", "rescan", "--cache", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for words in ("| 0.2mp |", "1,000 unchanged files"):
        assert words in done.stdout
