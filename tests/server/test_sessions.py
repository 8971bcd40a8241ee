"""Sessions of browsers end on the server: for every worker, for every copy of the cookie, and beyond a restart."""

from __future__ import annotations

import json
import os
import stat
import sys
import threading
from pathlib import Path

import httpx
import pytest
from starlette.testclient import TestClient

from dinosearch.server.guards import sessions as module
from dinosearch.server.guards.sessions import Sessions, SessionsUnkeptError
from tests.server.conftest import Indexed, Serve, end, start

TOKEN = "a-token-of-many-letters"
AT = "/v1/session"


def login(client: TestClient | httpx.Client) -> dict[str, str]:
    """The header of a new session, which is kept apart from the client."""
    client.cookies.clear()
    answer = client.post(AT, json={"token": TOKEN})
    assert answer.status_code == 200
    value = answer.cookies["dinosearch"]
    client.cookies.clear()
    return {"Cookie": f"dinosearch={value}"}


def may(client: TestClient | httpx.Client, session: dict[str, str]) -> bool:
    status = client.get("/v1/collections", headers=session).status_code
    assert status in (200, 401)
    assert client.get(AT, headers=session).json()["status"] == ("open" if status == 200 else "none")
    return status == 200


def test_who_logs_out_is_out_everywhere_and_stays_so(serve: Serve, tmp_path: Path) -> None:
    first, second = (serve(token=TOKEN, sessions=str(tmp_path)) for _ in range(2))
    mine, other = login(first), login(second)
    assert all(may(client, session) for client in (first, second) for session in (mine, other))
    assert second.delete(AT, headers=mine).status_code == 200
    assert [may(client, mine) for client in (first, second)] == [False, False]
    assert [may(client, other) for client in (first, second)] == [True, True]
    after_a_restart = serve(token=TOKEN, sessions=str(tmp_path))
    assert [may(after_a_restart, session) for session in (mine, other)] == [False, True]
    assert not may(serve(token=TOKEN + "2", sessions=str(tmp_path)), other), "a new token ends all sessions"


def test_without_a_folder_they_live_as_long_as_the_server(serve: Serve) -> None:
    server = serve(token=TOKEN)
    session = login(server)
    assert may(server, session)
    server.delete(AT, headers=session)
    assert not may(server, session)
    assert not may(serve(token=TOKEN), session)


def test_a_server_without_a_token_opens_none(serve: Serve, tmp_path: Path) -> None:
    server = serve(sessions=str(tmp_path))
    assert "set-cookie" not in server.post(AT, json={"token": "any"}).headers
    assert not list(tmp_path.iterdir())


def test_the_file_is_small_and_no_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 5)
    sessions = Sessions(TOKEN, tmp_path / "state")
    values = [sessions.begin() for _ in range(8)]
    assert [sessions.is_session(value) for value in values] == [False] * 3 + [True] * 5
    (file,) = (tmp_path / "state").glob("*.json")
    text = file.read_text()
    assert len(json.loads(text)) == 5
    assert TOKEN not in text and not any(value in text for value in values)
    if sys.platform != "win32":
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    # Nobody has what the file tells: the names in it are no cookies.
    assert not any(sessions.is_session(name) for name in json.loads(text))


@pytest.mark.parametrize("content", [None, b"", b"{", b"[]", b'{"a": "b"}', b"\xff\xfe", b"[" * 100_000])
def test_a_lost_or_damaged_file_lets_nobody_in(tmp_path: Path, content: bytes | None) -> None:
    sessions = Sessions(TOKEN, tmp_path)
    before = sessions.begin()
    (file,) = tmp_path.glob("*.json")
    if content is None:
        file.unlink()
    else:
        file.write_bytes(content)
    assert not sessions.is_session(before)
    assert sessions.is_session(sessions.begin())
    assert not sessions.is_session(before)


def test_changes_of_several_workers_are_all_kept(tmp_path: Path) -> None:
    workers = [Sessions(TOKEN, tmp_path) for _ in range(4)]
    made: list[list[str]] = [[] for _ in workers]

    def work(number: int) -> None:
        for turn in range(10):
            made[number].append(workers[number].begin())
            if turn % 2:
                workers[number].end(made[number][turn])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(workers))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for values in made:
        assert [workers[0].is_session(value) for value in values] == [True, False] * 5


def test_old_sessions_leave_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sessions = Sessions(TOKEN, tmp_path)
    sessions.begin()
    monkeypatch.setattr(module.time, "time", lambda: 4e9)
    sessions.begin()
    (file,) = tmp_path.glob("*.json")
    assert len(json.loads(file.read_text())) == 1


def test_what_cannot_be_written_down_is_said(serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = serve(token=TOKEN, sessions=str(tmp_path))
    session = login(server)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.os, "fsync", full)
    refused = server.post(AT, json={"token": TOKEN})
    assert refused.status_code == 503 and "set-cookie" not in refused.headers and "space" not in refused.text
    assert server.delete(AT, headers=session).status_code == 503
    assert may(server, session), "what was not written down is not said to have ended"
    with pytest.raises(SessionsUnkeptError):
        Sessions(TOKEN, tmp_path / "other").begin()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="workers")
def test_two_processes_and_a_restart(indexed: Indexed, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(TOKEN)

    def answers(address: str, session: dict[str, str]) -> set[bool]:
        found = set()
        for _ in range(12):  # each on a connection of its own, so that both processes are asked
            with httpx.Client(base_url=address, timeout=60) as client:
                found.add(may(client, session))
        return found

    places = {"XDG_STATE_HOME": str(tmp_path / "state"), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    mine: dict[str, str] = {}
    other: dict[str, str] = {}
    for workers in ("2", "1"):
        process = start("--workers", workers, "--token-file", tmp_path / "token", indexed.home, **places)
        try:
            assert process.stdout is not None
            address = process.stdout.readline().strip()
            assert address.startswith("http://127.0.0.1:")
            with httpx.Client(base_url=address, timeout=60) as client:
                if workers == "2":
                    mine, other = login(client), login(client)
                    assert [answers(address, session) for session in (mine, other)] == [{True}, {True}]
                    assert client.delete(AT, headers=mine).status_code == 200
            assert [answers(address, session) for session in (mine, other)] == [{False}, {True}]
        finally:
            end(process)
