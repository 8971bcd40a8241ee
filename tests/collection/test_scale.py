"""A thousand generated images: the second run embeds nothing and is quick; renames, changes and deletions are told
apart."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dinosearch import Collection
from tests.conftest import FakeEmbedder, write_photo


@pytest.mark.slow
def test_thousand_images(tmp_path: Path) -> None:
    folder = tmp_path / "thousand"
    for i in range(1000):
        write_photo(folder / f"{i % 10}" / f"{i:04}.png", seed=i)
    first = FakeEmbedder(batch_size=64)
    with Collection.open(tmp_path / "home", create=True, embedder=first) as collection:
        assert collection.index(folder).added == 1000
        assert first.images == 1000
    started = time.process_time()  # other tests share the cores
    second = FakeEmbedder()
    with Collection.open(tmp_path / "home", embedder=second) as collection:
        assert collection.index(folder).unchanged == 1000
    assert second.images == 0
    assert time.process_time() - started < 2.0
    files = sorted(folder.rglob("*.png"))
    for path in files[:100]:
        path.rename(path.with_name("renamed-" + path.name))
    for i, path in enumerate(files[100:110]):
        write_photo(path, seed=5000 + i)
    for path in files[110:160]:
        path.unlink()
    with Collection.open(tmp_path / "home", embedder=second) as collection:
        summary = collection.index(folder)
    assert (summary.moved, summary.changed, summary.embedded, summary.removed) == (100, 10, 10, 50)
    assert (summary.added, summary.failed, summary.unchanged) == (0, 0, 840)


@pytest.mark.slow
def test_a_second_run_of_the_command_loads_no_model_and_is_quick(tmp_path: Path) -> None:
    for i in range(40):
        write_photo(tmp_path / "few" / f"{i}.png", seed=i)
    command = [
        sys.executable,
        "-m",
        "dinosearch",
        "index",
        str(tmp_path / "few"),
        "--home",
        str(tmp_path / "home"),
        "--json",
    ]
    environment = {**os.environ, "DINOSEARCH_OFFLINE": "1"}
    subprocess.run([*command, "--model", "mini"], check=True, capture_output=True, env=environment)
    for _ in range(2):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        summary = json.loads(done.stdout.splitlines()[-1])
        assert (summary["type"], summary["unchanged"], summary["embedded"]) == ("summary", 40, 0)
    # Processor time, since other tests share the cores: loading the model alone would take more.
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 2.0
