"""Kill an index run at random moments, run it again: the same collection as without the kill."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dinosearch import Collection
from tests.collection.test_maintenance import state
from tests.conftest import FakeEmbedder, write_photo

PHOTOS = 160

RUN = """
import sys, time
from dinosearch import Collection
from tests.conftest import FakeEmbedder
class Slow(FakeEmbedder):
    def embed(self, pixels):
        time.sleep(0.02)
        return super().embed(pixels)
print("ready", flush=True)
Collection.open(sys.argv[1], create=True, embedder=Slow()).index(sys.argv[2])
"""


@pytest.mark.skipif(os.name == "nt", reason="kill -9 is POSIX")
def test_kill_9_then_rerun_is_the_same_collection(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    for i in range(PHOTOS):
        write_photo(photos / f"{i % 7}" / f"{i:03}.png", seed=i // 2 * 2)  # every content twice
    with Collection.open(tmp_path / "whole", create=True, embedder=FakeEmbedder()) as whole:
        whole.index(photos)
        want = state(whole)
    rng = random.Random(20261121)
    root = Path(__file__).resolve().parents[2]
    kills = 0
    while kills < 6:
        process = subprocess.Popen(
            [sys.executable, "-c", RUN, str(tmp_path / "killed"), str(photos)],
            cwd=root, stdout=subprocess.PIPE, env={**os.environ, "DINOSEARCH_DECODE": "inline"},
        )  # fmt: skip
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(rng.uniform(0.0, 0.5))
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        kills += 1
        if (tmp_path / "killed" / "metadata.sqlite").exists() and kills % 2:
            with Collection.open(tmp_path / "killed", create=True, embedder=FakeEmbedder()) as partial:
                if partial.info().fingerprint:
                    assert partial.verify().ok
                    found = state(partial)
                    assert found.items() <= want.items()
    with Collection.open(tmp_path / "killed", create=True, embedder=FakeEmbedder()) as again:
        summary = again.index(photos)
        assert summary.added + summary.unchanged == PHOTOS
        assert state(again) == want
        info = again.info()
        assert (info.images, info.files, info.rows) == (PHOTOS // 2, PHOTOS, PHOTOS // 2)
        assert again.verify().ok
