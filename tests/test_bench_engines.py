"""The benches of engines, on tiny sizes: everything runs, and what is printed is what was measured."""

from __future__ import annotations

import json
from pathlib import Path

import bench_cluster
import bench_engines
import pytest


def test_engines_side_by_side(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    words = ["--sizes", "600", "--engines", "local,milvus-lite", "--cache", str(tmp_path), "--queries", "12"]
    results = bench_engines.main([*words, "--rounds", "1", "--seconds", "0.05"])["600"]
    for name in ("local", "milvus-lite"):
        row = results[name]
        if "reason" in row:
            continue
        assert (row["images"], row["recall"], row["exact"], row["filtered"]) == (600, 1, 1, 1)
        assert row["apart"] < 1e-5
        assert 0 < row["p50"] <= row["p99"]
    assert "exact = brute force" in capsys.readouterr().out
    asked = bench_engines.main(
        [*words, "--engines", "local", "--part", "threads", "--seconds", "0.05", "--rounds", "1"]
    )
    assert all(len(rates) == 4 and min(rates) > 0 for rates in asked["600"]["local"]["threads"].values())
    assert "QPS of 8 callers" in capsys.readouterr().out
    again = bench_engines.main([*words, "--part", "load"])["600"]
    assert again == json.loads((tmp_path / "engines.json").read_text())["600"]
    assert again["local"]["load"] == results["local"]["load"]  # what was loaded is not loaded again


def test_a_cluster(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    home = str(tmp_path / "home")
    words = ["--uri", home, "--vectors", "600", "--queries", "12", "--seconds", "0.05", "--threads", "1,2"]
    first = bench_cluster.main([*words, "--json", str(tmp_path / "figures.json")])
    assert (first["recall"], first["exact"], first["filtered"], first["added"]) == (1, 1, 1, 600)
    assert set(first["qps"]) == {1, 2}
    assert json.loads((tmp_path / "figures.json").read_text())["images"] == 600
    assert "exact search equals brute force: True" in capsys.readouterr().out
    assert bench_cluster.main([*words, "--loaded"])["recall"] == 1
    with pytest.raises(RuntimeError, match="does not hold these vectors alone"):
        bench_cluster.main([*[word.replace("600", "500") for word in words], "--loaded"])


def test_a_password_is_not_printed(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(Exception, match="127.0.0.1"):
        bench_cluster.main(["--uri", "postgresql://me:s3cret@127.0.0.1:1/none", "--vectors", "10", "--queries", "2"])
    assert "s3cret" not in capsys.readouterr().out
