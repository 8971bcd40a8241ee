"""Embedding while the batch before is committed: order, nothing twice, failures and interruptions in between."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dinosearch import Collection
from dinosearch.collection.indexing.behind import Behind
from dinosearch.collection.indexing.run import IndexRun
from dinosearch.collection.opened import OpenedHome
from dinosearch.images.workers import pool
from tests.collection.test_maintenance import state
from tests.conftest import FakeEmbedder, write_photo

BATCH = 32  # images a commit


def photos(folder: Path, count: int, same: int = 1) -> Path:
    """`count` files, neighbours of which have the same content, `same` files each."""
    for number in range(count):
        write_photo(folder / f"{number:03}.png", seed=number // same)
    return folder


def opened(home: Path, embedder: FakeEmbedder | None = None) -> Collection:
    return Collection.open(home, create=True, embedder=embedder or FakeEmbedder())


def before_commit(monkeypatch: pytest.MonkeyPatch, act: Callable[[int], None]) -> None:
    """Have `act` called, with the number of the batch, in the thread that is about to commit it."""
    commit, number = IndexRun._commit, 0

    def acted(self: IndexRun, *arguments: Any) -> None:
        nonlocal number
        number += 1
        act(number)
        commit(self, *arguments)

    monkeypatch.setattr(IndexRun, "_commit", acted)


def test_the_model_goes_on_while_a_batch_is_committed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    second = threading.Event()

    class Telling(FakeEmbedder):
        def embed(self, pixels: Any) -> np.ndarray:
            if self.images >= BATCH:
                second.set()
            return super().embed(pixels)

    waited = []
    before_commit(monkeypatch, lambda number: waited.append(number > 1 or second.wait(20)))
    with opened(tmp_path / "home", Telling()) as collection:
        assert collection.index(photos(tmp_path / "photos", 3 * BATCH)).embedded == 3 * BATCH
        assert collection.verify().ok
    assert waited == [True] * 3


def test_what_the_store_does_not_know_yet_is_not_embedded_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before_commit(monkeypatch, lambda number: time.sleep(0.05))
    embedder = FakeEmbedder()
    folder = photos(tmp_path / "photos", 5 * BATCH, same=5)  # 32 is no multiple of 5: some are in two batches
    with opened(tmp_path / "home", embedder) as collection:
        summary = collection.index(folder)
        assert (summary.added, summary.embedded, embedder.images) == (5 * BATCH, BATCH, BATCH)
        assert (collection.info().images, collection.info().rows) == (BATCH, BATCH)
        stored = state(collection)
    for path, row in stored.items():
        with opened(tmp_path / "home") as collection:
            [vector] = collection.embed(path)
        np.testing.assert_array_equal(np.frombuffer(row, np.float32), vector)


@pytest.mark.parametrize("step", ["append", "transaction"])
def test_a_store_that_fails_ends_the_run_at_its_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    folder, calls = photos(tmp_path / "photos", 6 * BATCH), 0
    append = OpenedHome.append

    def failing(self: OpenedHome, *arguments: Any) -> None:
        nonlocal calls
        calls += 1
        if step == "transaction" or calls != 3:
            append(self, *arguments)
        if calls == 3:
            raise OSError("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(OpenedHome, "append", failing)
        with opened(tmp_path / "home") as collection, pytest.raises(OSError, match="disk is full"):
            collection.index(folder)
    assert calls == 3, "nothing is committed behind a batch that failed"
    with opened(tmp_path / "home") as collection:
        assert sorted(state(collection)) == sorted(str(path) for path in folder.iterdir())[: 2 * BATCH]
        assert collection.verify().ok
        again = collection.index(folder)
        assert (again.unchanged, again.embedded) == (2 * BATCH, 4 * BATCH)
        assert collection.verify().ok
        got = state(collection)
    with opened(tmp_path / "whole") as whole:
        whole.index(folder)
        assert got == state(whole)


def test_interrupted_between_embedding_and_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, interrupted = photos(tmp_path / "photos", 4 * BATCH), threading.Event()

    class Interrupted(FakeEmbedder):
        def embed(self, pixels: Any) -> np.ndarray:
            if self.images >= 2 * BATCH:
                interrupted.set()
                raise KeyboardInterrupt
            return super().embed(pixels)

    def act(number: int) -> None:
        if number == 2:
            assert interrupted.wait(20)
            time.sleep(0.2)  # the run is being left while this batch is committed

    with monkeypatch.context() as patched:
        before_commit(patched, act)
        with opened(tmp_path / "home", Interrupted()) as collection:
            with pytest.raises(KeyboardInterrupt):
                collection.index(folder)
            # The writer's lock is free only when nobody writes any more: what was being committed is there.
            with collection._opened.home.writer():
                assert len(state(collection)) == 2 * BATCH
    with opened(tmp_path / "home") as collection:
        assert collection.verify().ok
        again = collection.index(folder)
        assert (again.unchanged, again.embedded) == (2 * BATCH, 2 * BATCH)


def test_progress_tells_only_what_is_committed(tmp_path: Path) -> None:
    told = []
    with opened(tmp_path / "home") as collection:

        def progress(stage: str, done: int, total: int | None) -> None:
            if stage == "index":
                with Collection.open(tmp_path / "home", embedder=FakeEmbedder(), read_only=True) as reader:
                    assert reader.info().images >= done
                told.append((done, total))

        collection.index(photos(tmp_path / "photos", 3 * BATCH + 5), progress=progress)
    assert told == sorted(told)
    assert told[-1] == (3 * BATCH + 5, 3 * BATCH + 5)


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_a_worker_that_is_killed_meanwhile_costs_its_own_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DINOSEARCH_DECODE")
    folder, children = photos(tmp_path / "photos", 4 * BATCH), []

    class Noted(pool.Child):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            children.append(self)

    class Killing(FakeEmbedder):
        def embed(self, pixels: Any) -> np.ndarray:
            if not self.images:
                os.kill(children[0]._process.pid, signal.SIGKILL)
            return super().embed(pixels)

    monkeypatch.setattr(pool, "Child", Noted)
    with opened(tmp_path / "home", Killing()) as collection:
        summary = collection.index(folder, workers=2)
        assert summary.added + summary.failed == 4 * BATCH
        assert all("crashed" in problem.reason for problem in summary.failures) and summary.failed <= 1
        assert collection.verify().ok


def test_jobs_run_in_order_and_a_failed_one_lets_none_follow() -> None:
    done = []

    def fail() -> None:
        raise LookupError("third")

    with pytest.raises(LookupError, match="third"), Behind() as behind:
        behind.start(lambda: done.append(1))
        behind.start(lambda: (time.sleep(0.05), done.append(2))[0])
        behind.start(fail)
        behind.start(lambda: done.append(4))
    with pytest.raises(LookupError, match="third"), Behind() as behind:
        behind.start(fail)  # the last one is heard of too
    assert done == [1, 2]


def test_a_thread_of_an_older_moment_costs_no_index_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One reads the moment before an index is published, another the one after it, and then the first looks again."""
    collection = opened(tmp_path / "home")
    home, published = collection._opened, 0
    set_index = home.store.set_index

    def overtaken(*arguments: Any) -> None:
        nonlocal published
        begun, committed = threading.Event(), threading.Event()

        def late() -> None:
            with home.store.one_moment():
                home.store.changes()
                begun.set()
                committed.wait(10)
                home.search()

        reader = threading.Thread(target=late)
        reader.start()
        assert begun.wait(10)
        set_index(*arguments)
        home.search()
        committed.set()
        reader.join()
        published += 1

    monkeypatch.setattr(home.store, "set_index", overtaken)
    collection.index(photos(tmp_path / "photos", 12))
    assert published == 1
    assert collection.verify().problems == ()
    assert collection.query("id:1", k=5)
