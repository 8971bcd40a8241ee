"""Hostile requests, byte by byte, against a server process as users start it.

Each gets a documented answer or a closed connection; no answer names a path of the machine or shows a trace; at the end
the process lives, has answered everybody else, and has not grown.
"""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.server import hostile
from tests.server.conftest import Indexed, Running, end, make_home, start
from tests.server.hostile import END, HERE, multipart, part, picture, post, read, request

MOST_GROWTH = 300 << 20
"""Bytes that the server's process may grow by over all of it, decoders not counted, which have limits of their own."""
LEAKS = (b"Traceback", b"site-packages", b'.py"', b"/usr/", b"/home/", b"/proc/", b"root:", b"sqlite", b"SELECT")


@dataclass(frozen=True)
class Answer:
    """One answer; `status` is None where the server closed without any."""

    status: int | None
    headers: dict[str, str]
    body: bytes


class Server(Running):
    """The process, asked by raw bytes."""

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=40)

    def send(self, content: bytes, *more: bytes, pause: float = 0.0) -> bytes:
        """Everything that comes back until the server closes."""
        with self.connect() as connection:
            try:
                connection.sendall(content)
                for piece in more:
                    time.sleep(pause)
                    connection.sendall(piece)
            except OSError:
                pass  # it may have answered and closed
            return read(connection)

    def ask(self, content: bytes) -> Answer:
        found = parse(self.send(content), is_head=content.startswith(b"HEAD "))
        self.check(found)
        return found

    def check(self, answer: Answer) -> None:
        """What holds for every answer."""
        folder = str(self.indexed.home.parent).encode()
        text = repr(answer.headers).encode() + answer.body
        assert not any(leak in text for leak in (*LEAKS, folder)), text[:500]
        if answer.status is None:
            return
        assert answer.status < 500, answer
        assert "set-cookie" not in answer.headers, answer
        assert re.fullmatch(r"[A-Za-z0-9._-]{1,64}", answer.headers["x-request-id"]), answer
        if answer.status >= 400 and answer.body:
            assert answer.headers["content-type"] == "application/problem+json", answer
            problem = json.loads(answer.body)
            assert problem["status"] == answer.status
            assert problem["request_id"] == answer.headers["x-request-id"]
            assert problem["type"].startswith("urn:dinosearch:") and problem["detail"] and "\n" not in problem["title"]

    def memory(self) -> int:
        """The most that the process ever had, bytes."""
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(text.partition("VmHWM:")[2].split()[0]) * 1024


def parse(raw: bytes, is_head: bool = False) -> Answer:
    """The only answer in the bytes."""
    if not raw:
        return Answer(None, {}, b"")
    while raw.startswith(b"HTTP/1.1 100 "):
        raw = raw.partition(b"\r\n\r\n")[2]
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    assert first.startswith("HTTP/1.1 "), raw[:200]
    if "content-length" in headers and not is_head:
        assert len(body) == int(headers["content-length"]), raw[:300]
    return Answer(int(first.split()[1]), headers, body)


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("hostile")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DINOSEARCH_OFFLINE", "1")
        indexed = make_home(folder, model="mini")
    options = ("--max-upload", "1", "--hide-paths", "--writable", "--log-level", "error")
    process = start(indexed.home, *options, XDG_CACHE_HOME=str(folder / "cache"))
    logged: list[str] = []
    reading = threading.Thread(target=lambda: logged.extend(process.stderr or ()), daemon=True)
    try:
        assert process.stdout is not None
        address = process.stdout.readline().strip().rstrip("/")
        assert address, end(process)
        reading.start()
        found = Server(process, address, indexed)
        found.ask(multipart("/search/upload", part(picture()) + END))  # its model and decoders are there from now on
        before = found.memory()
        yield found
        lives(found)
        assert process.poll() is None
        assert found.memory() - before < MOST_GROWTH
    finally:
        process.terminate()
        process.wait(30)
        reading.join(10)
        for stream in (process.stdout, process.stderr):
            assert stream is not None
            stream.close()
    assert [line for line in logged if "Traceback" in line] == []


def lives(server: Server) -> None:
    assert server.ask(request("GET", "/v1/health")).status == 200


@pytest.mark.parametrize("target", hostile.TARGETS)
def test_targets(server: Server, target: str):
    answer = server.ask(request("GET", target))
    assert answer.status in {200, 304, 400, 404, 405, 422, 431}
    if answer.status == 200:
        assert b"passwd" not in answer.body or b"where" in target.encode()
    lives(server)


@pytest.mark.parametrize("method", hostile.METHODS)
def test_methods(server: Server, method: str):
    for target in ("/", "/v1/health", f"{HERE}/search", f"{HERE}/images/1/picture", "*"):
        assert server.ask(request(method, target)).status in {200, 202, 204, 400, 404, 405, 422}
    lives(server)


@pytest.mark.parametrize("host", hostile.HOSTS)
def test_hosts(server: Server, host: str):
    for target in ("/", "/v1/health", f"{HERE}"):
        assert server.ask(request("GET", target, host=host)).status in {400, 421}


def test_host_is_needed_once_and_known(server: Server):
    for host in hostile.GOOD_HOSTS:
        assert server.ask(request("GET", "/v1/health", host=host)).status == 200
    assert server.ask(request("GET", "/v1/health", host=None)).status == 421
    assert server.ask(request("GET", "/v1/health", host=None, version="1.0")).status == 421
    assert server.ask(request("GET", "/v1/health", b"", "Host: evil.example")).status == 400
    assert server.ask(request("GET", "http://evil.example/v1/health")).status == 400
    assert server.ask(request("GET", "http://127.0.0.1/v1/health", host="evil.example")).status == 400
    assert server.ask(request("GET", "/v1/health", version="1.0")).status == 200


@pytest.mark.parametrize("origin", hostile.ORIGINS)
def test_origins(server: Server, origin: str):
    for method, target in (("GET", HERE), ("POST", f"{HERE}/search"), ("OPTIONS", f"{HERE}/search")):
        answer = server.ask(request(method, target, b"", f"Origin: {origin}"))
        assert answer.status == 403
        assert not any(name.startswith("access-control") for name in answer.headers)


def test_the_own_origin_may_ask(server: Server):
    own = f"127.0.0.1:{server.port}"
    assert server.ask(request("GET", HERE, b"", f"Origin: http://{own}", host=own)).status == 200
    assert server.ask(request("GET", HERE, b"", f"Origin: http://{own}", "Origin: http://evil", host=own)).status == 400


@pytest.mark.parametrize("wanted", hostile.RANGES)
def test_ranges(server: Server, wanted: str):
    """Answered whole, or refused, and in no time that grows with the number of parts."""
    for target in (f"{HERE}/images/1/picture?size=160", "/"):
        begun = time.monotonic()
        answer = server.ask(request("GET", target, b"", f"Range: {wanted}", "If-Range: x"))
        assert answer.status in {200, 206, 404, 416, 431}
        assert len(answer.body) < 1 << 20
        assert time.monotonic() - begun < 10


@pytest.mark.parametrize("header", hostile.HEADERS)
def test_headers(server: Server, header: str):
    for target in ("/v1/health", f"{HERE}/images/1/picture?size=160"):
        assert server.ask(request("GET", target, b"", header)).status in {200, 304, 400, 431}
    assert server.ask(post("/search", {"examples": [{"id": 1}]}, header)).status in {200, 400, 413, 431}
    lives(server)


@pytest.mark.parametrize("name", hostile.JSON_BOMBS)
def test_json(server: Server, name: str):
    content = hostile.JSON_BOMBS[name]
    for path in ("/search", "/search/vectors", "/rank", "/vectors", "/explain", "/jobs", "/verdicts"):
        answer = server.ask(post(path, content))
        # `null` and `{}` ask for nothing; where a number is only too large, the answer is the last page.
        assert answer.status in {200, 400, 403, 404, 413, 422}
        if path == "/search" and not name.startswith(
            ("weights", "stages", "greedy", "many nots", "sql", "deep filter", "endless box")
        ):
            assert answer.status in {400, 403, 413, 422}
    lives(server)


@pytest.mark.parametrize("case", list(hostile.multiparts()), ids=lambda case: case[0])
def test_multipart(server: Server, case: tuple[str, bytes, frozenset[int]]):
    _, content, allowed = case
    begun = time.monotonic()
    assert server.ask(multipart("/search/upload", content)).status in allowed | {413}
    assert server.ask(multipart("/embed", content)).status in allowed | {200, 413}
    assert time.monotonic() - begun < 25
    lives(server)


@pytest.mark.parametrize("name", hostile.BOUNDARIES)
def test_content_types(server: Server, name: str):
    body = part(picture()) + END
    for path in ("/search", "/search/upload", "/embed", "/jobs"):
        answer = server.ask(request("POST", HERE + path, body, kind=hostile.BOUNDARIES[name]))
        assert answer.status in {200, 400, 403, 415, 422, 431}
    lives(server)


def test_oversized_bodies(server: Server):
    """Refused by what is announced, before a byte of it; and by what comes, before it is all there."""
    head = f"POST {HERE}/search/upload HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: multipart/form-data; boundary=b\r\n"
    announced = f"{head}Content-Length: 99999999999\r\n\r\n".encode()
    for content in (announced, announced.replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n")):
        begun = time.monotonic()
        with server.connect() as connection:
            connection.sendall(content)
            assert b" 413 " in connection.recv(1 << 16).split(b"\r\n")[0]
        assert time.monotonic() - begun < 5
    chunked = f"{head}Transfer-Encoding: chunked\r\n\r\n".encode()
    begin = part(b"")
    chunks = [b"%x\r\n" % len(begin) + begin + b"\r\n", *[b"10000\r\n" + bytes(0x10000) + b"\r\n"] * 100]
    assert parse(server.send(chunked, *chunks)).status == 413
    for length in (b"-1", b"1e9", b"0x10", b"99999999999999999999999", b"1,1", b"\xd9\xa1"):
        answer = parse(server.send(f"{head}Content-Length: ".encode() + length + b"\r\nConnection: close\r\n\r\n"))
        assert answer.status in {400, 413}
    lives(server)


def test_chunks_that_are_none(server: Server):
    head = f"POST {HERE}/search HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n".encode()
    head += b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    question = b'{"examples":[{"id":1}]}'
    good = b"%x\r\n" % len(question) + question + b"\r\n0\r\n\r\n"
    assert parse(server.send(head + good)).status == 200
    broken = [
        b"zz\r\n\r\n",
        b"-1\r\n\r\n",
        b"ffffffffffffffff1\r\n",
        b"ffffffffffffffff\r\nx",
        b"17;" + b"a" * 100_000 + b"\r\n",
        b"0\r\n" + b"X-Trailer: a\r\n" * 50_000,
        b"5\r\nhelloX\r\n",
        b"1\r\n{\r\n" * 30_000,
        b"\r\n" * 1000,
        b"17 \r\n" + question,
        b"17\n" + question + b"\n0\n\n",
    ]
    with ThreadPoolExecutor(len(broken)) as pool:  # some wait for more until their time is over
        for raw in pool.map(lambda content: server.send(head, content), broken):
            server.check(answer := parse(raw))
            assert answer.status in {None, 200, 400, 408, 413, 422, 431}
    lives(server)


SMUGGLED = b"GET /v1/jobs HTTP/1.1\r\nHost: evil.example\r\n\r\n"
PAIRS = [
    b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
    b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    b" Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"X: y\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"Content-Length: 0\r\nContent-Length: 44\r\n\r\n",
    b"Content-Length: 0, 44\r\n\r\n",
    b"Content-Length: +0\r\n\r\n",
    b"Content-Length : 0\r\n\r\n",
]


@pytest.mark.parametrize("pair", PAIRS)
def test_smuggling(server: Server, pair: bytes):
    """A head that two programs may end at two places is refused, and the connection closed behind it."""
    raw = server.send(f"POST {HERE}/search HTTP/1.1\r\nHost: 127.0.0.1\r\n".encode() + pair + SMUGGLED)
    assert raw.count(b"HTTP/1.1 ") == 1
    assert parse(raw).status == 400


def test_pipelining(server: Server):
    """Requests ahead of their turn are answered in order; very many of them close the connection."""
    targets = ["/v1/health", HERE, "/v1/nothing", "/v1/health"]
    content = b"".join(f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode() for target in targets)
    raw = server.send(content + request("GET", "/v1/ready"))
    assert re.findall(rb"HTTP/1\.1 (\d+)", raw) == [b"200", b"200", b"404", b"200", b"200"]
    server.send(b"GET /v1/collections HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 20_000)
    lives(server)


def test_line_ends_do_not_get_into_answers(server: Server):
    for target in ("/v1/collections/a%0d%0aX-Evil:%20b", f"{HERE}/files?where=%0d%0aX-Evil:%20b"):
        answer = server.ask(request("GET", target, b"", "X-Request-Id: a%0d%0aX-Evil: b"))
        assert "x-evil" not in answer.headers
    assert server.ask(request("GET", "/v1/health", b"", "X-Request-Id: mine-1")).headers["x-request-id"] == "mine-1"


def slow_head(server: Server) -> float:
    return dribbled(server, b"GET /v1/health HTTP/1.1\r\nHost: 127.0.0.1\r\n" + b"X: y\r\n" * 5000)


def slow_nothing(server: Server) -> float:
    return dribbled(server, b"")


def slow_json(server: Server) -> float:
    head = f"POST {HERE}/search HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    return dribbled(server, b" " * 9999, f"{head}Content-Length: 9999\r\n\r\n".encode())


def slow_chunks(server: Server) -> float:
    head = f"POST {HERE}/search HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    return dribbled(server, b"1\r\n \r\n" * 2000, f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())


def slow_upload(server: Server) -> float:
    head = f"POST {HERE}/embed HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: multipart/form-data; boundary=b\r\n"
    return dribbled(server, part(picture()) * 50, f"{head}Content-Length: 900000\r\n\r\n".encode())


def slow_refused(server: Server) -> float:
    """The body of a request that was refused by its head."""
    head = b"POST /v1/session HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 9999\r\n\r\n"
    return dribbled(server, b" " * 9999, head)


def half_open(server: Server) -> float:
    """A body that is shorter than announced, and nothing more."""
    return dribbled(server, b"", post("/search", b"{}").replace(b"Length: 2", b"Length: 500"))


def idle_behind_a_request(server: Server) -> float:
    return dribbled(server, b"", b"GET /v1/health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")


def dribbled(server: Server, content: bytes, first: bytes = b"") -> float:
    """Seconds until the server closes the connection of who sends two bytes a second."""
    begun = time.monotonic()
    with server.connect() as connection:
        connection.settimeout(0.5)
        connection.sendall(first)
        sent, place = b"", 0
        while time.monotonic() - begun < 60:
            try:
                if place < len(content):
                    connection.sendall(content[place : place + 1])
                    place += 1
                piece = connection.recv(1 << 16)
                if not piece:
                    break
                sent += piece
            except TimeoutError:
                continue
            except OSError:
                break
    if sent:
        server.check(answer := parse(sent))
        assert answer.status in {200, 400, 408, 421}
    return time.monotonic() - begun


SLOW: tuple[Callable[[Server], float], ...] = (
    slow_head,
    slow_nothing,
    slow_json,
    slow_chunks,
    slow_upload,
    slow_refused,
    half_open,
    idle_behind_a_request,
)


def test_slow_clients_are_closed_and_hinder_nobody(server: Server):
    """Forty at once, of eight kinds, while others ask and are answered."""
    with ThreadPoolExecutor(len(SLOW) * 5) as pool:
        waiting = [pool.submit(kind, server) for kind in SLOW for _ in range(5)]
        for _ in range(20):
            assert server.ask(post("/search", {"examples": [{"id": 1}]})).status == 200
            time.sleep(0.05)
        seconds = [future.result() for future in waiting]
    assert max(seconds) < 45
    lives(server)


def test_connections_that_break_off(server: Server):
    """In the head, in the body, before the answer; two hundred of them."""
    whole = multipart("/search/upload", part(picture()) + END)
    for number in range(200):
        with server.connect() as connection:
            connection.sendall(whole[: 1 + number * len(whole) // 200])
    lives(server)


def test_garbage(server: Server, tmp_path: Path):
    for content in (
        hostile.GARBAGE,
        b"\x16\x03\x01" + hostile.GARBAGE,
        b"\0" * 50_000,
        b"GET " * 9000,
        b"\r\n" * 30_000,
    ):
        server.check(answer := parse(server.send(content)))
        assert answer.status in {None, 400, 408, 431}
    lives(server)


def test_jobs_index_known_folders_only(server: Server, tmp_path: Path, indexed: Indexed):
    """Nor what a link inside of a known folder leads to, nor a path that climbs out."""
    outside = tmp_path / "outside"
    outside.mkdir()
    link = server.indexed.photos / "link"
    link.symlink_to(outside)
    for path in (
        outside,
        link,
        server.indexed.photos / ".." / ".." / "x",
        "/",
        "/etc",
        "/proc/self",
        "relative",
        "",
        "\0",
        "id:1",
    ):
        answer = server.ask(post("/jobs", {"verb": "index", "arguments": {"paths": [str(path)]}}))
        assert answer.status in {403, 422}, path
    link.unlink()
    for verb in ("export", "import_", "close", "__init__", "open", "import", "query", "", "index "):
        assert server.ask(post("/jobs", {"verb": verb, "arguments": {}})).status == 422
    for arguments in (
        {"paths": ["/"], "progress": "os.system"},
        {"recall": 2, "paths": ["/"]},
        {"paths": "/"},
        [],
        None,
    ):
        assert server.ask(post("/jobs", {"verb": "index", "arguments": arguments})).status == 422
