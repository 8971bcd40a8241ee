"""Work that is begun before it is asked for, and the glance at a store that says what to begin with."""

from __future__ import annotations

import os
import sqlite3
import threading
from pathlib import Path

import pytest

from dinosearch import ahead
from dinosearch.records import Fingerprint, Generation
from dinosearch.store import MetadataStore, fingerprint_at

FINGERPRINT = Fingerprint("mini", "ab" * 32, "squash-224", "cls", 288, numbers="bfloat16", agreement=0.99995)


def test_the_first_to_ask_waits_and_takes() -> None:
    go = threading.Event()

    def work() -> str:
        go.wait(10)
        return "made"

    ahead.begin("test", work)
    threading.Timer(0.05, go.set).start()
    assert ahead.take("test") == "made"
    assert ahead.take("test") is None
    assert ahead.take("another") is None


def test_what_fails_is_left_to_whoever_asks() -> None:
    def work() -> None:
        raise RuntimeError("not here")

    ahead.begin("test", work)
    assert ahead.take("test") is None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_fork_does_not_wait_for_threads_of_its_parent() -> None:
    never = threading.Event()
    ahead.begin("test", never.wait)
    child = os.fork()
    if not child:
        os._exit(0 if ahead.take("test") is None else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    never.set()
    assert ahead.take("test") is True


def test_a_glance_sees_what_the_store_says(tmp_path: Path) -> None:
    path = tmp_path / "metadata.sqlite"
    assert fingerprint_at(path) is None
    store = MetadataStore.open(path, create=True)
    assert fingerprint_at(path) is None
    store.switch_generation(Generation(store.next_generation(), FINGERPRINT, 0))
    assert fingerprint_at(path) == FINGERPRINT  # beside the open store
    store.close()
    before = path.read_bytes()
    assert fingerprint_at(path) == FINGERPRINT
    assert path.read_bytes() == before


def test_a_glance_at_something_else_sees_nothing(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no database")
    sqlite3.connect(tmp_path / "empty").close()
    with sqlite3.connect(tmp_path / "other") as other:
        other.execute("CREATE TABLE generations (kind, current, fingerprint)")
        other.execute("INSERT INTO generations VALUES ('images', 1, '{\"checkpoint\": \"mini\"}')")
    other.close()
    for name in ("text", "empty", "other", "absent", "."):
        assert fingerprint_at(tmp_path / name) is None
    assert not (tmp_path / "absent").exists()


def _generation(store: MetadataStore, fingerprint: Fingerprint):
    from dinosearch.records import Generation

    return Generation(store.next_generation(), fingerprint, 0)
