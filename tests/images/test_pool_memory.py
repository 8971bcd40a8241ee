"""Large images take turns: the workers ask before they decode one, and the pool shares the memory among them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dinosearch.images import DecodePool, pool, prepare
from dinosearch.images.budget import MemoryBudget
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
