"""What a client does when the server is busy, away, slow, of another kind, or wants a token."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from dinosearch import Collection
from dinosearch.client import Client
from dinosearch.errors import CollectionNotFoundError, FilterError, HomeLockedError, ServerError, SettingError
from tests.conftest import FakeEmbedder, write_photo
from tests.serving import served

TOKEN = "0123456789abcdef-token"


class Scripted(ThreadingHTTPServer):
    """A server whose answers to each path are written down; the last one is given again.

    Attributes:
        answers: by method and path: status, headers, body.
        asked: method, path and headers of each request.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: dict[str, list[tuple[int, dict[str, str], Any]]] = {"GET /v1/collections/a": [(200, {}, {})]}
        self.asked: list[tuple[str, dict[str, str]]] = []
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/a"


class _Handler(BaseHTTPRequestHandler):
    server: Scripted
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *arguments: Any) -> None:
        pass

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        asked = f"{self.command} {self.path.partition('?')[0]}"
        self.server.asked.append((asked, dict(self.headers)))
        known = self.server.answers[asked]
        status, headers, body = known.pop(0) if len(known) > 1 else known[0]
        if status == 0:
            time.sleep(1)
            self.close_connection = True
            return
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(data)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)
        self.close_connection = "Content-Length" in headers  # one that is not true

    do_GET = do_POST = do_DELETE = _answer


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    found = Scripted()
    yield found
    found.shutdown()
    found.server_close()


SEARCH = "POST /v1/collections/a/search"
BUSY = (503, {"Retry-After": "0"}, {"type": "urn:dinosearch:Overloaded", "detail": "the server is busy", "status": 503})
EMPTY = (200, {}, {"hits": [], "next": None, "state": 1, "took": {}})


def test_a_busy_server_is_asked_again_so_many_times(scripted: Scripted):
    scripted.answers[SEARCH] = [BUSY, BUSY, BUSY, EMPTY]
    with Client(scripted.url, retries=3) as client:
        assert client.query(1) == []
        assert len([asked for asked, _ in scripted.asked if asked == SEARCH]) == 4
        scripted.answers[SEARCH] = [BUSY]
        with pytest.raises(ServerError, match="503: the server is busy"):
            client.query(1)
    assert len([asked for asked, _ in scripted.asked if asked == SEARCH]) == 8


def test_it_waits_as_long_as_the_server_says(scripted: Scripted, monkeypatch: pytest.MonkeyPatch):
    slept: list[float] = []
    monkeypatch.setattr("dinosearch.client.transport.time.sleep", slept.append)
    said = [{"Retry-After": "3"}, {"Retry-After": "86400"}, {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, {}]
    scripted.answers[SEARCH] = [*((503, headers, {}) for headers in said), EMPTY]
    with Client(scripted.url) as client:
        client.query(1)
    assert slept[:2] == [3.0, 10.0]
    assert all(0 < seconds <= 10 for seconds in slept) and len(slept) == 4


def test_a_fault_of_the_collection_is_not_asked_for_again(scripted: Scripted):
    """It says 503 too, and asking again would not help."""
    problem = {"type": "urn:dinosearch:DamagedHomeError", "detail": "the collection is damaged", "status": 503}
    scripted.answers[SEARCH] = [(503, {"Retry-After": "5"}, problem)]
    with Client(scripted.url) as client, pytest.raises(Exception, match="damaged") as found:
        client.query(1)
    assert type(found.value).__name__ == "DamagedHomeError"
    assert len(scripted.asked) == 2


@pytest.mark.parametrize(
    ("kind", "status", "error"),
    [
        ("FilterError", 422, FilterError),
        ("HomeLockedError", 409, HomeLockedError),
        ("Invalid", 422, SettingError),
        ("NoSuchCollection", 404, CollectionNotFoundError),
        ("TooLarge", 413, ServerError),
        ("Internal", 500, ServerError),
        ("annotations", 422, ServerError),
        ("__builtins__", 422, ServerError),
        ("Exception", 422, ServerError),
    ],
)
def test_problems_become_exceptions_of_the_library(scripted: Scripted, kind: str, status: int, error: type[Exception]):
    problem = {"type": f"urn:dinosearch:{kind}", "detail": "something is wrong", "status": status}
    scripted.answers[SEARCH] = [(status, {}, problem)]
    with Client(scripted.url) as client, pytest.raises(error, match="something is wrong") as found:
        client.query(1)
    assert type(found.value) is error


@pytest.mark.parametrize(
    "answer",
    [
        (200, {}, b"<html>another server</html>"),
        (500, {}, b"<html>broken</html>"),
        (404, {}, b""),
        (302, {"Location": "http://127.0.0.1:1/"}, b""),
        (200, {"Content-Length": "500"}, b"{}"),
    ],
)
def test_other_servers_are_named_in_one_sentence(scripted: Scripted, answer: tuple[int, dict[str, str], bytes]):
    scripted.answers["GET /v1/collections/a"] = [answer]
    with pytest.raises(ServerError) as found:
        Client(scripted.url)
    assert scripted.url.removesuffix("/a") in str(found.value) and "\n" not in str(found.value)


def test_no_server_and_no_answer(scripted: Scripted):
    closed = Scripted()
    closed.shutdown()
    closed.server_close()
    with pytest.raises(ServerError, match="start one with: dinosearch serve"):
        Client(closed.url)
    scripted.answers[SEARCH] = [(0, {}, b"")]
    with Client(scripted.url, timeout=0.2) as client, pytest.raises(ServerError, match=r"within 0\.2 s"):
        client.query(1)


def test_a_token_is_sent_and_not_elsewhere(scripted: Scripted, monkeypatch: pytest.MonkeyPatch):
    """Not to where a redirect leads, and not through a proxy of the environment."""
    monkeypatch.setenv("DINOSEARCH_TOKEN", TOKEN)
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    other = Scripted()
    scripted.answers[SEARCH] = [(307, {"Location": other.url}, b"")]
    with Client(scripted.url) as client, pytest.raises(ServerError, match="307"):
        client.query(1)
    assert {headers["Authorization"] for _, headers in scripted.asked} == {f"Bearer {TOKEN}"}
    assert other.asked == []
    with Client(scripted.url, token="another-token-here"):
        assert scripted.asked[-1][1]["Authorization"] == "Bearer another-token-here"
    with pytest.raises(SettingError, match="token"):
        Client(scripted.url, token="line\nend-0123456789")
    other.shutdown()
    other.server_close()


def test_an_interrupted_stream_of_events_goes_on(scripted: Scripted):
    """The connection breaks twice in the middle of a job; progress and result arrive all the same."""
    begin = b'event: progress\ndata: {"stage": "compact", "done": 1, "total": 2}\n\n: alive\n\n'
    done = b'event: done\ndata: {"result": {"rows_before": 5, "rows_after": 4,\n'
    done += b'data: "bytes_before": 2, "bytes_after": 1}}\n\n'
    scripted.answers["POST /v1/collections/a/jobs"] = [(202, {}, {"id": "j/1"})]
    broken = (200, {"Content-Length": "9999"}, begin)
    scripted.answers["GET /v1/jobs/j%2F1/events"] = [broken, (200, {}, begin), (200, {}, begin + done)]
    seen: list[tuple[str, int, int | None]] = []
    with Client(scripted.url) as client:
        report = client.compact(progress=lambda *state: seen.append(state))
    assert (report.rows_before, report.rows_after) == (5, 4)
    assert set(seen) == {("compact", 1, 2)}
    scripted.answers["GET /v1/jobs/j%2F1/events"] = [(200, {}, b"event: cancelled\ndata: {}\n\n")]
    scripted.answers["DELETE /v1/jobs/j%2F1"] = [(202, {}, {})]
    with Client(scripted.url) as client, pytest.raises(ServerError, match="cancelled"):
        client.compact()


@pytest.fixture(scope="module")
def two(tmp_path_factory) -> Iterator[dict[str, Collection]]:
    folder = tmp_path_factory.mktemp("two")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DINOSEARCH_DECODE", "inline")
        found = {}
        for name in ("first", "a b+c"):
            photo = write_photo(folder / f"{name}.png", len(found))
            found[name] = Collection.open(folder / f"{name}.home", create=True, embedder=FakeEmbedder())
            found[name].index(photo)
        yield found
        for collection in found.values():
            collection.close()


def test_collections_by_name(two: dict[str, Collection]):
    with served(two, token=TOKEN) as url:
        for made in (
            lambda: Client(f"{url}/a%20b+c", token=TOKEN),
            lambda: Client(url, "a b+c", token=TOKEN),
            lambda: Client.open(url, collection="a b+c", token=TOKEN),
            lambda: Client.open(f"{url}/a%20b+c/", token=TOKEN),
        ):
            with made() as client:
                assert client.home == f"{url}/a%20b%2Bc"
                assert [file["path"] for file in client.files()] == [f["path"] for f in two["a b+c"].files()]
        with pytest.raises(SettingError, match="serves 2 collections"):
            Client(url, token=TOKEN)
        with pytest.raises(CollectionNotFoundError):
            Client(f"{url}/third", token=TOKEN)
        for token in (None, "wrong-wrong-wrong-wrong"):
            with pytest.raises(ServerError, match="DINOSEARCH_TOKEN"):
                Client(f"{url}/first", token=token)
    with served({"first": two["first"]}) as url, Client(url) as client:
        assert client.home == f"{url}/first"


@pytest.mark.parametrize(
    "url",
    ["", "index", "/home/me/index", "ftp://host/a", "http://", "http://host:99999999", "http://host/a/b", "http://h?x"],
)
def test_addresses_that_are_none(url: str):
    with pytest.raises(SettingError, match="no address of a server"):
        Client(url)


def test_many_threads_share_a_client(two: dict[str, Collection]):
    with served({"first": two["first"]}) as url, Client(url) as client:
        found: list[Any] = []
        threads = [threading.Thread(target=lambda: found.append(client.query(1, include_self=True))) for _ in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    assert [[hit.id for hit in hits] for hits in found] == [[1]] * 12


def test_web_addresses_are_fetched_by_the_client(two: dict[str, Collection], scripted: Scripted):
    """As `Collection` does it: the server needs no permission to fetch anything."""
    photo = next(two["first"].files())["path"]
    scripted.answers["GET /photo.png"] = [(200, {}, Path(photo).read_bytes())]
    with served({"first": two["first"]}) as url, Client(url) as client:
        hits = client.query(f"{scripted.url.removesuffix('/a')}/photo.png")
    assert [hit.path for hit in hits] == [photo]


def test_a_signature_for_a_signature():
    """Every verb of the client takes the arguments of the collection's verb of that name, in the same order."""
    import inspect

    others = {"open", "exists"}  # of a place, which has other facts there
    verbs = {name for name, _ in inspect.getmembers(Client, inspect.isfunction) if not name.startswith("_")} - others
    compared = 0
    for name in verbs:
        other = getattr(Collection, name)
        mine, theirs = inspect.signature(getattr(Client, name)), inspect.signature(other)
        assert list(mine.parameters) == list(theirs.parameters), name
        assert [p.kind for p in mine.parameters.values()] == [p.kind for p in theirs.parameters.values()], name
        compared += 1
    assert compared >= 35
