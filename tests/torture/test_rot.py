"""The small share of the torture runs on damaged files; scripts/torture_rot.py and torture_index_files.py make more."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dinosearch.embedding import open_embedder
from dinosearch.embedding.checkpoints import BUNDLED, find_checkpoint
from dinosearch.embedding.runtimes import graphs
from dinosearch.embedding.runtimes.sums import drop_unsound, keep_sums, quick_sum
from dinosearch.errors import DamagedWeightsError
from dinosearch.home import sha256_file
from dinosearch.records import Pooling

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the trials are made in forks")


@pytest.mark.parametrize(("script", "runs"), [("torture_rot.py", 90), ("torture_index_files.py", 56)])
def test_damage_is_noticed_and_mended_and_nothing_dies(script: str, runs: int) -> None:
    command = [sys.executable, str(ROOT / "scripts" / script), "--runs", str(runs), "--seed", "7"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    told = re.search(r"PASS .*: (\d+) runs, 0 failures", done.stdout)
    assert told is not None and int(told[1]) == runs


def test_the_quick_sum_sees_every_flip_and_blocks_that_change_places(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    content = rng.integers(0, 256, 3 * 4096 + 77, dtype=np.uint8)
    path = tmp_path / "weights"
    path.write_bytes(content.tobytes())
    kept = quick_sum(path)
    for place in rng.integers(0, len(content), 200):
        other = content.copy()
        other[place] ^= 1 << rng.integers(0, 8)
        path.write_bytes(other.tobytes())
        assert quick_sum(path) != kept
    for other in (content[:-1], np.roll(content, 4096), np.concatenate([content, [np.uint8(0)]])):
        path.write_bytes(other.tobytes())
        assert quick_sum(path) != kept
    path.write_bytes(content.tobytes())
    assert quick_sum(path) == kept
    path.write_bytes(b"")
    assert quick_sum(path) == 0


def test_a_damaged_graph_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Path] = []

    def export(module: str, name: str, weights: str, pooling: str, folder: str) -> None:
        made.append(Path(folder))
        (Path(folder) / "graph.onnx").write_bytes(b"g" * 5000)
        (Path(folder) / "graph.onnx.data").write_bytes(bytes(range(256)) * 64)
        facts = '{"patch": 14, "width": 8, "depth": 2, "registers": 0, "interpolation": null}'
        (Path(folder) / "facts.json").write_text(facts)

    weights = tmp_path / "weights.pth"
    weights.write_bytes(b"weights")
    monkeypatch.setenv("DINOSEARCH_GRAPHS", str(tmp_path / "graphs"))
    monkeypatch.setattr(graphs, "run_child", export)

    def opened() -> graphs.GraphFolder:
        return graphs.graph_for(find_checkpoint("mini"), weights, sha256_file(weights), Pooling.parse("cls"))

    folder = opened().path
    assert opened().size == 5000 + 256 * 64 and len(made) == 1
    for name in ("graph.onnx", "graph.onnx.data", "facts.json"):
        content = bytearray((folder / name).read_bytes())
        status = (folder / name).stat()
        for place in (0, len(content) // 2, len(content) - 1):
            (folder / name).write_bytes(content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :])
            os.utime(folder / name, ns=(status.st_atime_ns, status.st_mtime_ns))
            before = len(made)
            assert opened().patch == 14
            assert len(made) == before + 1
            assert (folder / "graph.onnx").read_bytes() == b"g" * 5000


def test_damaged_files_of_a_cache_are_dropped_and_sound_ones_kept(tmp_path: Path) -> None:
    for name in ("a.blob", "b.blob"):
        (tmp_path / name).write_bytes(name.encode() * 3000)
    keep_sums(tmp_path)
    (tmp_path / "a.blob").write_bytes(b"a.bloc" + b"a.blob" * 2999)
    (tmp_path / "unknown.blob").write_bytes(b"half written")
    drop_unsound(tmp_path)
    assert sorted(path.name for path in tmp_path.glob("*.blob")) == ["b.blob"]


def test_weights_that_changed_behind_their_time_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = tmp_path / "weights.safetensors"
    content = BUNDLED.read_bytes()
    path.write_bytes(content)
    os.utime(path, ns=(10**18, 10**18))
    open_embedder("mini", weights=path, runtime="torch", device="cpu")
    for place in (len(content) // 2, len(content) - 1):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        os.utime(path, ns=(10**18, 10**18))
        with pytest.raises(DamagedWeightsError, match="has changed since it was first used"):
            open_embedder("mini", weights=path, runtime="torch", device="cpu")
