"""Questions of many threads: one computes in Python at a time, first come first served, and asks the store once."""

from __future__ import annotations

import os
import signal
import threading
import time
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import event

from dinosearch import Collection
from dinosearch.collection.asking import query_vectors, turns
from dinosearch.errors import ImageUnreadableError
from dinosearch.records import Calibration
from tests.collection.test_rank import brute_force, embedder_of, same, unit, write_export
from tests.conftest import FakeEmbedder, write_photo

LONG = 30.0
IMAGES, D = 60, 32


@pytest.fixture
def rows() -> np.ndarray:
    return unit(np.random.default_rng(5).standard_normal((IMAGES, D)))


@pytest.fixture
def collection(rows: np.ndarray, tmp_path: Path) -> Iterator[Collection]:
    with Collection.open(tmp_path / "home", create=True, embedder=embedder_of(D)) as made:
        made.import_(write_export(tmp_path / "out", rows, [100] * IMAGES))
        yield made


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks")
def test_a_fork_has_turns_of_its_own() -> None:
    with turns.turn().taken(), warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of 3.12: there are threads, which is what this is about
        child = os.fork()
        if not child:
            signal.alarm(int(LONG))  # ends it where it waits for the turn that only its parent has
            with turns.turn().taken():
                os._exit(0)
        assert os.waitpid(child, 0)[1] == 0


def test_answers_of_many_threads_beside_a_writer(collection: Collection, rows: np.ndarray, tmp_path: Path) -> None:
    """Each is the brute force of the images before or after an import, never of something between."""
    more = unit(np.random.default_rng(6).standard_normal((IMAGES, D)))
    export = write_export(tmp_path / "more", more, [100] * IMAGES, first=IMAGES + 1)
    queries = unit(np.random.default_rng(7).standard_normal((8, D)))
    both = np.concatenate([rows, more])
    expected = [brute_force(held, np.arange(1, len(held) + 1), queries, 9) for held in (rows, both)]
    ended, counts = threading.Event(), [0, 0]

    def ask() -> None:
        at = 0
        while not ended.is_set() or at == 0:
            found = collection.rank(queries, 9)
            at = next(i for i, wanted in enumerate(expected) if np.array_equal(wanted[0], found[0]))
            same(found, expected[at])
            counts[at] += 1

    with ThreadPoolExecutor(4) as pool:
        asking = [pool.submit(ask) for _ in range(4)]
        while not counts[0] and not any(one.done() for one in asking):
            time.sleep(0.001)
        collection.import_(export)
        ended.set()
        for one in asking:
            one.result(LONG)
    same(collection.rank(queries, 9), expected[1])
    assert counts[0]


@contextmanager
def told(collection: Collection) -> Iterator[list[str]]:
    """The statements that SQLite is sent meanwhile, by SQLAlchemy or past it."""
    statements: list[str] = []

    def note(driver: Any, *_: object) -> None:
        driver.set_trace_callback(statements.append)

    engine = collection._opened.store._database._engine
    event.listen(engine, "checkout", note)
    try:
        yield statements
    finally:
        event.remove(engine, "checkout", note)
        with engine.connect() as connection:
            connection.connection.dbapi_connection.set_trace_callback(None)


def test_a_question_asks_the_store_no_more_than_it_must(collection: Collection, rows: np.ndarray) -> None:
    for image in (rows[0], 3):  # what is asked for once in each state
        collection.query(image)
    begin = ["BEGIN", "SELECT changes FROM state"]
    with told(collection) as statements:
        collection.rank(rows[:1])
    assert statements == [*begin, "ROLLBACK"]
    for image, records in ((rows[0], 1), (3, 2)):  # the second looks the image up that is asked with
        with told(collection) as statements:
            assert len(collection.query(image, k=10)) == 10
        assert statements[:2] == begin
        assert [statement.partition(",")[0] for statement in statements[2:-1]] == ["SELECT images.id"] * records


def test_what_is_remembered_is_asked_for_once_for_each_state(
    collection: Collection, rows: np.ndarray, tmp_path: Path
) -> None:
    """Another process calibrates, which the next question takes over."""
    assert {hit.confidence for hit in collection.query(rows[0])} == {None}
    with Collection.open(tmp_path / "home", embedder=embedder_of(D)) as other:
        number = other._opened.generation.number
        ends, made = ((-1.0, 1.0),) * 2, datetime(2026, 1, 1, tzinfo=timezone.utc)
        learned = Calibration(*ends, (0.1, 0.9), (0.9, 0.1), IMAGES - 1, 5, 5, 0, 0, 0, number, made)
        other._opened.store.set_setting("calibration", learned.to_dict())
    hits = collection.query(rows[0])
    assert hits and [hit.confidence for hit in hits] == [learned.confidence(hit.score) for hit in hits]


def test_a_question_that_waits_for_the_model_keeps_nobody_out(tmp_path: Path) -> None:
    begun, go = threading.Event(), threading.Event()

    class Slow(FakeEmbedder):
        def embed(self, pixels: Sequence[np.ndarray]) -> np.ndarray:
            if len(pixels) == 1 and not go.is_set():  # the question, and not the run that indexes
                begun.set()
                assert go.wait(LONG)
            return super().embed(pixels)

    for seed in range(4):
        write_photo(tmp_path / "photos" / f"{seed}.png", seed)
    with Collection.open(tmp_path / "home", create=True, embedder=Slow()) as asked, ThreadPoolExecutor(1) as pool:
        asked.index(tmp_path / "photos")
        waiting = pool.submit(asked.query, tmp_path / "photos" / "1.png")
        assert begun.wait(LONG)
        assert len(asked.query(2)) == 3
        go.set()
        assert len(waiting.result(LONG)) == 3


def test_a_picture_is_embedded_by_who_asks_once_all_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in range(4):
        write_photo(tmp_path / "photos" / f"{seed}.png", seed)
    photo, broken = tmp_path / "photos" / "1.png", tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    with Collection.open(tmp_path / "home", create=True, embedder=FakeEmbedder()) as asked:
        asked.index(tmp_path / "photos")
        first = asked.query(photo, include_self=True)
        several = asked.query(photo, tmp_path / "photos" / "2.png")
        with monkeypatch.context() as patched:
            patched.delattr(query_vectors, "_pool")
            assert asked.query(photo, include_self=True) == first
            with pytest.raises(ImageUnreadableError, match="broken"):
                asked.query(broken)
        assert asked.query(photo, tmp_path / "photos" / "2.png") == several
