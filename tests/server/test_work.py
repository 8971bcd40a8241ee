"""What blocks runs in bounded threads; what is one too many is refused at once, before its body is read."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable

import pytest
from starlette.testclient import TestClient

from dinosearch.server.wire.problems import Refused
from dinosearch.server.work.threads import Admission, Work
from tests.server.conftest import HERE, Indexed, Serve

LONG = 30


def run(test: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(test(), LONG))


async def until(true: Callable[[], bool]) -> None:
    while not true():
        await asyncio.sleep(0.001)


def test_at_most_so_many_run_and_wait() -> None:
    work, gate, seen = Work(2, 3, LONG), threading.Event(), []

    def call() -> int:
        seen.append(work.running)
        gate.wait(LONG)
        return 7

    async def test() -> None:
        tasks = [asyncio.create_task(work.run(call)) for _ in range(5)]
        await until(lambda: work.running == 2)
        assert work.inside == 5
        with pytest.raises(Refused) as refused:
            await work.run(call)
        assert refused.value.status_code == 503
        assert int((refused.value.headers or {})["Retry-After"]) >= 1
        gate.set()
        assert await asyncio.gather(*tasks) == [7] * 5
        assert await work.run(lambda: 8) == 8

    run(test)
    work.close()
    assert max(seen) <= 2 and (work.inside, work.running) == (0, 0)


def test_who_gives_up_while_waiting_is_never_computed() -> None:
    work, gate, ran = Work(1, 5, LONG), threading.Event(), []

    async def test() -> None:
        first = asyncio.create_task(work.run(lambda: gate.wait(LONG)))
        await until(lambda: work.running == 1)
        second = asyncio.create_task(work.run(lambda: ran.append("second")))
        third = asyncio.create_task(work.run(lambda: ran.append("third")))
        await until(lambda: work.inside == 3)
        second.cancel()
        await until(lambda: work.inside == 2)
        gate.set()
        await asyncio.gather(first, third)

    run(test)
    work.close()
    assert ran == ["third"]


def test_a_time_limit_answers_and_keeps_the_place_until_the_end() -> None:
    work, gate = Work(1, 0, 0.05), threading.Event()

    async def test() -> None:
        with pytest.raises(Refused, match="too long"):
            await work.run(lambda: gate.wait(LONG))
        assert work.inside == 1
        with pytest.raises(Refused):
            await work.run(lambda: None)
        gate.set()
        await until(lambda: work.inside == 0)

    run(test)
    work.close()


def test_errors_pass_through_and_free_the_place() -> None:
    work = Work(1, 0, LONG)

    def fail() -> None:
        raise KeyError("mine")

    async def test() -> None:
        for _ in range(3):
            with pytest.raises(KeyError):
                await work.run(fail)

    run(test)
    work.close()
    assert work.inside == 0


def test_the_wait_that_is_named_follows_from_the_time_that_answers_take() -> None:
    work, gate = Work(1, 20, LONG), threading.Event()

    async def test() -> None:
        await work.run(lambda: time.sleep(0.5))
        assert work.retry_after() == 1
        tasks = [asyncio.create_task(work.run(lambda: gate.wait(LONG))) for _ in range(15)]
        await until(lambda: work.inside == 15)
        assert work.retry_after() >= 8  # 16 answers of half a second
        gate.set()
        await asyncio.gather(*tasks)

    run(test)
    work.close()


def test_stages_are_told_once_each_with_the_wait_in_the_queue() -> None:
    from dinosearch.timing import stage

    told: list[str] = []
    work = Work(1, 1, LONG, lambda name, seconds: told.append(name))

    def call() -> None:
        for name in ("decode", "embed", "embed"):
            with stage(name):
                pass

    run(lambda: work.run(call))
    work.close()
    assert sorted(told) == ["decode", "embed", "queue"]


def test_a_full_server_refuses_uploads_before_it_reads_them() -> None:
    work, read, sent = Work(1, 0, LONG), [], []

    async def app(scope: object, receive: object, send: object) -> None:
        raise AssertionError("nothing is behind a refusal")

    async def receive() -> dict[str, object]:
        read.append(1)
        return {"type": "http.request", "body": b"x", "more_body": True}

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    async def test() -> None:
        with work.admission():
            context = {"type": "http", "method": "POST", "path": "/", "headers": []}
            # Another request: it has a context of its own.
            await asyncio.get_running_loop().create_task(_fresh(Admission(app, work)(context, receive, send)))

    async def _fresh(call: Awaitable[None]) -> None:
        from dinosearch.server.work import threads as module

        module._admitted.set(False)
        await call

    run(test)
    work.close()
    assert sent[0]["status"] == 503 and not read


def test_over_http_the_excess_gets_503_and_the_rest_is_answered(serve: Serve, indexed: Indexed) -> None:
    client: TestClient = serve(running=1, waiting=1)
    statuses: list[int] = []

    def ask() -> None:
        answer = client.post(f"{HERE}/search/upload", files={"image": indexed.photo(3)})
        statuses.append(answer.status_code)
        if answer.status_code == 503:
            assert answer.json()["type"] == "urn:dinosearch:Overloaded" and int(answer.headers["Retry-After"]) >= 1

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG)
    assert set(statuses) <= {200, 503} and statuses.count(200) >= 2
    assert client.post(f"{HERE}/search", json={"examples": [{"id": 1}]}).status_code == 200
