"""What is made while nobody asks: it begins after the first question, gives way to others, and ends with the server."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from dinosearch.errors import SettingError
from dinosearch.server.work import beforehand as module
from dinosearch.server.work.beforehand import Beforehand
from dinosearch.server.work.threads import Work

LONG = 30


class Prepared:
    """A collection that prepares itself in five steps, each told."""

    def __init__(self, *, fails: bool = False) -> None:
        self.steps, self.fails, self.whole = 0, fails, threading.Event()

    def prepare_explaining(self, pause: Callable[[], None]) -> None:
        if self.fails:
            raise SettingError("no tokens here")
        for _ in range(5):
            pause()
            self.steps += 1
        self.whole.set()


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "QUIET", 0.05)
    monkeypatch.setattr(module, "_LOOK", 0.005)


def served(collection: Prepared, *, own: bool = True) -> Any:
    return SimpleNamespace(name="one", is_own=own, collection=collection)


class Catalogue(list[Any]):
    def ready(self) -> bool:
        return True


def ask(work: Work) -> None:
    import asyncio

    asyncio.run(work.run(lambda: None))


@pytest.fixture
def work() -> Iterator[Work]:
    made = Work(2, 2, LONG)
    yield made
    made.close()


def begun(work: Work, *collections: Any) -> Beforehand:
    made = Beforehand(Catalogue(collections), work)  # type: ignore[arg-type]
    made.begin()
    return made


def test_it_begins_after_the_first_question_and_leaves_alone_what_is_not_its_own(work: Work) -> None:
    mine, broken, other = Prepared(), Prepared(fails=True), Prepared()
    running = begun(work, served(broken), served(other, own=False), served(mine))
    time.sleep(0.2)
    assert mine.steps == 0 and work.idle == 0
    ask(work)
    assert mine.whole.wait(LONG), "and an error of one is not that of the next"
    assert other.steps == 0
    running.close()


def test_it_gives_way_and_goes_on(work: Work) -> None:
    ask(work)
    mine, free = Prepared(), threading.Event()
    asking = threading.Thread(target=lambda: __import__("asyncio").run(work.run(lambda: free.wait(LONG))))
    asking.start()
    while not work.inside:
        time.sleep(0.001)
    running = begun(work, served(mine))
    time.sleep(0.2)
    assert mine.steps == 0, "somebody is being answered"
    free.set()
    asking.join()
    assert mine.whole.wait(LONG)
    running.close()


def test_the_server_does_not_wait_for_it(work: Work) -> None:
    mine = Prepared()
    running = begun(work, served(mine))
    running.close()
    ask(work)
    time.sleep(0.1)
    assert mine.steps == 0
    Beforehand(Catalogue(), work).close()  # which never began
