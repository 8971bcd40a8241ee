"""Maps and duplicates are computed once for all who ask, whoever goes away meanwhile, and say how far they are."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from dinosearch.server.routes import maps
from tests.server.conftest import HERE, Serve


class Held:
    """Stands for a computation that waits until it may go on."""

    def __init__(self, result: Callable[..., Any]) -> None:
        self.begun, self.done, self._go, self._whole = 0, 0, threading.Semaphore(0), result
        self.report: Callable[..., None] | None = None

    def __call__(self, collection: Any, *arguments: Any, **more: Any) -> Any:
        self.begun += 1
        self.report = next(one for one in arguments if callable(one))
        assert self._go.acquire(timeout=60)
        found = self._whole(collection, *arguments, **more)
        self.done += 1
        return found

    def go_on(self) -> None:
        count = self.done
        self._go.release()
        until(lambda: self.done > count)


def until(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Held, Held]]:
    found, drawn = Held(maps.find), Held(maps.project)
    monkeypatch.setattr(maps, "find", found)
    monkeypatch.setattr(maps, "project", drawn)
    yield found, drawn


def said(client: TestClient, what: str) -> tuple[int, str | None, float | None]:
    answer = client.get(f"{HERE}/{what}")
    data = answer.json()
    return answer.status_code, data.get("doing"), data.get("progress")


def test_it_says_what_it_does_and_how_far_it_is(serve: Serve, held: tuple[Held, Held]) -> None:
    client, (found, drawn) = serve(), held
    said(client, "duplicates")
    until(lambda: found.begun == 1)
    assert said(client, "duplicates") == (202, "beginning", None)
    assert said(client, "map") == (202, "waiting until another computation is done", None)
    assert found.report is not None
    found.report("duplicates", 1, 4)
    assert said(client, "duplicates") == (202, "looking for duplicates", 0.25)
    found.report("duplicates", 3, None)
    assert said(client, "duplicates") == (202, "looking for duplicates", None)
    found.go_on()
    drawn.go_on()
    assert said(client, "duplicates")[0] == said(client, "map")[0] == 200
    assert (found.begun, drawn.begun) == (1, 1)


def test_who_comes_later_or_comes_back_gets_what_was_begun(serve: Serve, held: tuple[Held, Held]) -> None:
    """Also where others began something else when it was done and nobody had come back for it."""
    client, (found, drawn) = serve(), held
    for _ in range(3):
        assert said(client, "duplicates")[0] == 202
    found.go_on()  # whoever asked is gone
    assert said(client, "map")[0] == 202
    drawn.go_on()
    assert said(client, "duplicates?threshold=0.9")[0] == 202
    found.go_on()
    assert [said(client, what)[0] for what in ("duplicates", "map", "duplicates?threshold=0.9")] == [200] * 3
    assert (found.begun, drawn.begun) == (2, 1)
