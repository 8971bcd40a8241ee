"""Large images take turns: the workers ask before they decode one, and the pool shares the memory among them.

Pixels that nobody holds any longer are no memory of this process.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dinosearch.images import DecodePool, prepare
from dinosearch.images.budget import MemoryBudget
from dinosearch.images.workers import pool
from dinosearch.records import FoundFile, PreparedImage, Preprocessing

SMALL = Preprocessing("squash", 28)
PIXELS = 2400 * 1800


@pytest.fixture
def large(tmp_path: Path) -> list[FoundFile]:
    """Six images of 4 megapixels that take more than a worker may use without asking, and two small ones."""
    files = []
    for number in range(8):
        size = (2400, 1800) if number % 4 else (40, 30)
        path = tmp_path / f"{number}.png"
        Image.new("RGB", size, (30 * number, 10, 20)).save(path, compress_level=1)
        files.append(FoundFile(str(path), path.stat().st_size, 0))
    return files


class Watched(MemoryBudget):
    """Notes what is asked for, and the most leases that hold memory at the same time."""

    def __init__(self, total: int) -> None:
        super().__init__(total)
        self.asked: list[int] = []
        self.inside = self.most = 0
        self.noting = threading.Lock()

    @contextmanager
    def lease(self) -> Iterator[Callable[[int], None]]:
        mine = 0
        with super().lease() as take:

            def noted(count: int) -> None:
                nonlocal mine
                take(count)
                with self.noting:
                    self.asked.append(count)
                    mine = 1
                    self.inside += 1
                    self.most = max(self.most, self.inside)

            try:
                yield noted
            finally:
                with self.noting:
                    self.inside -= mine


@pytest.mark.parametrize("inline", [False, True])
@pytest.mark.parametrize(("memory", "together"), [(0, 1), (1 << 40, 3)])
def test_large_images_take_turns_where_memory_is_short(
    large: list[FoundFile], monkeypatch: pytest.MonkeyPatch, memory: int, together: int, inline: bool
) -> None:
    if not inline:
        monkeypatch.delenv("DINOSEARCH_DECODE")
    monkeypatch.setattr(pool, "MemoryBudget", Watched)
    monkeypatch.setattr(pool, "available_memory", lambda: memory)
    with DecodePool(SMALL, workers=3) as decoders:
        answers = list(decoders.prepare_all(large))
        budget = decoders._budget
    assert isinstance(budget, Watched)
    assert len(budget.asked) == 6 and min(budget.asked) >= 3 * PIXELS
    assert budget.most <= together
    for file, answer in answers:
        assert isinstance(answer, PreparedImage)
        np.testing.assert_array_equal(answer.pixels, prepare(Path(file.path).read_bytes(), "x", SMALL).pixels)


def test_waiting_for_memory_is_not_decoding_too_long(large: list[FoundFile], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DINOSEARCH_DECODE")
    monkeypatch.setattr(pool, "available_memory", lambda: 0)
    with DecodePool(SMALL, workers=1, timeout=1.5) as decoders:
        list(decoders.prepare_all(large[:1]))  # the worker is up
        held, free = threading.Event(), threading.Event()

        def hold() -> None:
            with decoders._budget.lease() as take:
                take(1)
                held.set()
                free.wait(20)

        threading.Thread(target=hold, daemon=True).start()
        assert held.wait(20)
        threading.Timer(2.5, free.set).start()
        [(_, answer)] = decoders.prepare_all(large[1:2])
    assert isinstance(answer, PreparedImage)


def test_a_pool_that_closes_ends_workers_that_wait_for_memory(
    large: list[FoundFile], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DINOSEARCH_DECODE")
    monkeypatch.setattr(pool, "available_memory", lambda: 0)
    with DecodePool(SMALL, workers=2) as decoders, decoders._budget.lease() as take:
        take(1)
        answers = decoders.prepare_all(large)
        next(answers)
        decoders.close()
        with pytest.raises(ValueError, match="closed"):
            list(answers)


def test_fewer_workers_where_memory_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "cores", lambda: 8)
    found = []
    for memory in (0, 1 << 29, 1 << 30, 1 << 40):
        monkeypatch.setattr(pool, "available_memory", lambda memory=memory: memory)
        found.append(DecodePool(SMALL)._workers)
    assert found[0] == 1 and found[-1] == 8 and found == sorted(found) and len(set(found)) == 4


_GIVES_BACK = """
import sys
from pathlib import Path
from dinosearch.images import DecodePool
from dinosearch.records import FoundFile, Preprocessing

def resident():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("RssAnon:"))

files = [FoundFile(str(path), 1, 0) for path in Path(sys.argv[1]).iterdir()]
for _ in range(3):
    with DecodePool(Preprocessing("squash", 224), workers=2) as pool:
        held = [image.pixels for _, image in pool.prepare_all(files)]
    before, size = resident(), sum(pixels.nbytes for pixels in held)
    held.clear()
    print((before - resident()) * 1024 / size)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="asks the system as Linux does")
def test_memory_of_dropped_images_is_the_systems_again(tmp_path: Path) -> None:
    """The C library would keep what the pool's threads allocate and this one frees: a bit more with every run."""
    for number in range(40):
        Image.new("RGB", (8, 8), (number, 0, 0)).save(tmp_path / f"{number}.png")
    env = {key: value for key, value in os.environ.items() if key != "DINOSEARCH_DECODE"}
    command = [sys.executable, "-c", _GIVES_BACK, str(tmp_path)]
    shares = subprocess.run(command, env=env, capture_output=True, text=True, check=True, timeout=100).stdout.split()
    assert len(shares) == 3 and all(float(share) > 0.9 for share in shares)
