"""Connections that are slow, endless or ambiguous, byte by byte against uvicorn with the guarded protocol."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import uvicorn

from dinosearch.server.guards.protocol import ConnectionLimits, GuardedProtocol, guarded
from tests.server.hostile import read

LIMITS = ConnectionLimits(
    head_seconds=0.4, rest_seconds=0.4, reading_seconds=0.4, head_bytes=8 << 10, headers=20, pipelined=4, connections=12
)


@dataclass
class App:
    """Answers with the method, the target and the body's length; `/early` does not wait for the body.

    Attributes:
        seen: method and path of each request.
        headers: of the last one, when its body was read.
        gone: requests whose client left before the answer.
    """

    seen: list[tuple[str, str]] = field(default_factory=list)
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    gone: int = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        path, length, more = scope["path"], 0, scope["path"] != "/early"
        self.seen.append((scope["method"], path))
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.gone += 1
                return
            length += len(message.get("body", b""))
            more = message.get("more_body", False)
        self.headers = list(scope["headers"])
        if path == "/slow":
            await asyncio.sleep(0.8)
        if path == "/until-gone":
            while (await receive())["type"] != "http.disconnect":
                pass
            self.gone += 1
        body = b"x" * (64 << 20) if path == "/large" else f"{scope['method']} {path} {length}".encode()
        head = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        await send({"type": "http.response.body", "body": body})


@dataclass
class Running:
    app: App
    server: uvicorn.Server
    port: int

    @property
    def connections(self) -> int:
        return len(self.server.server_state.connections)

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)

    def ask(self, *pieces: bytes, pause: float = 0.0) -> bytes:
        """Send the pieces and read until the server closes."""
        with self.connect() as connection:
            try:
                for piece in pieces:
                    connection.sendall(piece)
                    time.sleep(pause)
            except OSError:
                pass  # it has closed already
            return read(connection)

    def lives(self) -> bool:
        return self.ask(b"GET /alive HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").endswith(b"GET /alive 0")


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    app = App()
    config = uvicorn.Config(
        app,
        port=0,
        http=guarded(LIMITS),
        ws="none",
        lifespan="off",
        log_config=None,
        timeout_keep_alive=1,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 10
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.01)
    yield Running(app, server, server.servers[0].sockets[0].getsockname()[1])
    server.should_exit = True
    thread.join(20)
    assert not thread.is_alive()


def status(answer: bytes) -> int | None:
    return int(answer.split()[1]) if answer else None


GET = b"GET /a HTTP/1.1\r\nHost: a\r\n"


def test_whole_requests_are_answered(running):
    """One after the other, ahead of their turn, in pieces, with bodies of both kinds, of the older version."""
    post = b"POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
    chunked = b"POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n"
    last = GET + b"Connection: close\r\n\r\n"
    whole = post + chunked + last
    for pieces in ([whole], [post, chunked, last], [whole[i : i + 7] for i in range(0, len(whole), 7)]):
        answer = running.ask(*pieces)
        assert [answer.count(text) for text in (b"200 OK", b"POST /b 5", b"POST /c 7", b"GET /a 0")] == [3, 1, 1, 1]
        assert answer.index(b"POST /b") < answer.index(b"POST /c") < answer.index(b"GET /a")
    assert running.ask(b"GET /old HTTP/1.0\r\n\r\n").endswith(b"GET /old 0")
    assert b"OPTIONS * 0" in running.ask(b"OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    upgrade = GET + b"Connection: Upgrade, close\r\nUpgrade: h2c\r\n\r\n"
    assert b"GET /a 0" in running.ask(upgrade)
    waits = running.ask(
        post.replace(b"\r\n\r\nhello", b"\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n"), b"hello"
    )
    assert b"POST /b 5" in waits


@pytest.mark.parametrize(
    "dribble",
    [
        b"",
        b"\r\n" * 40,
        b"GET /slow-head HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 10,
        b"GET /" + b"a" * 80,
        b"GET /a HTTP/1.1\r\nHost: a\r\nX-Long: " + b"y" * 60,
    ],
    ids=["silence", "empty lines", "headers", "target", "value"],
)
def test_heads_that_dribble_are_closed(running, dribble):
    """A byte every 50 ms; each one is progress, and the deadline is that of the whole head."""
    begun, seen = time.monotonic(), len(running.app.seen)
    with running.connect() as connection:
        try:
            for byte in dribble:
                connection.sendall(bytes([byte]))
                time.sleep(0.05)
        except OSError:
            pass
        answer = read(connection)
    assert time.monotonic() - begun < 6
    assert status(answer) in (None, 408)
    assert (status(answer) == 408) == (b"G" in dribble)
    assert len(running.app.seen) == seen
    assert running.lives()


def test_the_next_head_on_a_connection_has_the_deadline_too(running):
    with running.connect() as connection:
        connection.sendall(GET + b"\r\n")
        assert b"200 OK" in connection.recv(1 << 16)
        for byte in b"GET /b HTTP/1.1\r\nHost":
            try:
                connection.sendall(bytes([byte]))
            except OSError:
                break
            time.sleep(0.06)
        assert status(read(connection)) == 408


def test_empty_lines_behind_an_answer_do_not_keep_the_connection(running):
    begun = time.monotonic()
    with running.connect() as connection:
        connection.sendall(GET + b"\r\n")
        assert b"200 OK" in connection.recv(1 << 16)
        try:
            while time.monotonic() - begun < 5:
                connection.sendall(b"\r\n")
                time.sleep(0.05)
        except OSError:
            pass
    assert time.monotonic() - begun < 2.5


def test_a_head_that_begins_behind_a_large_body_is_not_a_large_head(running):
    """Both come at once, as of a client that asks ahead."""
    body = b"x" * 3 * LIMITS.head_bytes
    first = b"POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    answer = running.ask(first + GET[:20], GET[20:] + b"Connection: close\r\n\r\n", pause=0.1)
    assert answer.count(b"HTTP/1.1 200") == 2
    assert answer.endswith(b"GET /a 0")


def test_a_head_that_dribbles_behind_a_request_waits_for_its_answer(running):
    """The answer in the making is given, and then the connection closes without another one."""
    answer = running.ask(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n", b"GET /b HTTP/1.1\r\nHo", pause=0.1)
    assert answer.endswith(b"GET /slow 0")
    assert answer.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize(
    "request_",
    [
        GET + b"X: " + b"y" * 9000 + b"\r\n\r\n",
        b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
        GET + b"".join(b"X-%d: y\r\n" % i for i in range(30)) + b"\r\n",
        GET + b"X: " + b"y" * 400_000,
        GET + b"Y" * 400_000,
        b"GET /" + b"a" * 400_000,
        b"\r\n" * 20_000,
    ],
    ids=["value", "target", "many", "endless value", "endless name", "endless target", "endless lines"],
)
def test_large_heads_are_431(running, request_):
    seen = len(running.app.seen)
    pieces = [request_[i : i + 4000] for i in range(0, len(request_), 4000)]
    for sent in ([request_], pieces):
        assert status(running.ask(*sent)) in (431, None)  # a client that still writes may find a closed connection
    with running.connect() as connection:
        connection.sendall(request_[:8600])
        assert status(read(connection)) in (408, 431)
    assert len(running.app.seen) == seen
    assert running.lives()


POST, CHUNKED = b"POST /a HTTP/1.1\r\nHost: a\r\n", b"Transfer-Encoding: chunked\r\n"
AMBIGUOUS = {
    "length and chunked": POST + b"Content-Length: 5\r\n" + CHUNKED + b"\r\n0\r\n\r\n",
    "chunked and length": POST + CHUNKED + b"Content-Length: 5\r\n\r\n0\r\n\r\n",
    "two lengths": POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    "one length twice": POST + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    "list of lengths": POST + b"Content-Length: 5, 5\r\n\r\nhello",
    "negative": POST + b"Content-Length: -5\r\n\r\nhello",
    "plus": POST + b"Content-Length: +5\r\n\r\nhello",
    "hexadecimal": POST + b"Content-Length: 0x5\r\n\r\nhello",
    "beyond 64 bits": POST + b"Content-Length: 99999999999999999999\r\n\r\nhello",
    "gzip, chunked": POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "identity": POST + b"Transfer-Encoding: identity\r\n\r\nhello",
    "xchunked": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunked twice": POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "folded": POST + b"Transfer-Encoding:\r\n chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "space before colon": POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "bare line feed": b"GET /a HTTP/1.1\nHost: a\n\n",
    "carriage return alone": GET + b"X: y\rZ: w\r\n\r\n",
    "nul in value": GET + b"X: y\x00z\r\n\r\n",
    "nul in target": b"GET /a\x00b HTTP/1.1\r\nHost: a\r\n\r\n",
    "control in name": GET + b"X\x01: y\r\n\r\n",
    "two hosts": GET + b"Host: b\r\n\r\n",
    "two origins": GET + b"Origin: http://a\r\nOrigin: http://b\r\n\r\n",
    "absolute target": b"GET http://evil/a HTTP/1.1\r\nHost: a\r\n\r\n",
    "authority target": b"CONNECT evil:443 HTTP/1.1\r\nHost: a\r\n\r\n",
    "connect to a path": b"CONNECT /a HTTP/1.1\r\nHost: a\r\n\r\n",
    "no path": b"GET a HTTP/1.1\r\nHost: a\r\n\r\n",
    "star": b"GET * HTTP/1.1\r\nHost: a\r\n\r\n",
    "no version": b"GET /a\r\n\r\n",
    "another version": b"GET /a HTTP/3.7\r\nHost: a\r\n\r\n",
    "http/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "no method": b" /a HTTP/1.1\r\nHost: a\r\n\r\n",
    "unknown method": b"BREW /a HTTP/1.1\r\nHost: a\r\n\r\n",
    "tls": bytes.fromhex("16030100a5010000a1") + b"\x03" * 160,
    "ssh": b"SSH-2.0-OpenSSH_9.6\r\n",
    "bytes": bytes(range(256)) * 8,
}


@pytest.mark.parametrize("name", AMBIGUOUS)
def test_what_can_be_read_in_two_ways_is_refused(running, name):
    """400 and a closed connection, nothing of it reaches the app, nor does what a smuggler put behind it."""
    seen = len(running.app.seen)
    answer = running.ask(AMBIGUOUS[name] + b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")
    assert status(answer) == 400
    assert answer.count(b"HTTP/1.1 ") == 1
    problem = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert problem["status"] == 400 and problem["request_id"] in answer.partition(b"\r\n\r\n")[0].decode()
    assert len(running.app.seen) == seen
    assert running.lives()


@pytest.mark.parametrize("begun", [b"0\r\n", b"0\r\nX: ", b"1;"])
def test_trailers_and_extensions_that_never_end_are_refused(running, begun):
    """Neither is kept: the parser would gather headers behind a body without any limit."""
    endless = b"X: y\r\n" * 1_000 if begun == b"0\r\n" else b"a" * 6_000
    head = POST + CHUNKED + b"\r\n5\r\nhello\r\n" + begun
    assert status(running.ask(head, *[endless] * 20, pause=0.01)) in (431, None)
    assert running.lives()


def test_a_trailer_is_no_header(running):
    """What came behind the body was not checked with the head; the request is answered without it."""
    body = b"".join(b"1\r\na\r\n" for _ in range(4_000)) + b"0\r\nHost: evil\r\nAuthorization: Bearer x\r\n\r\n"
    answer = running.ask(POST + CHUNKED + b"\r\n", *[body[low : low + 3_000] for low in range(0, len(body), 3_000)])
    assert status(answer) == 200 and answer.endswith(b"POST /a 4000")
    assert not any(name in (b"authorization",) for name, _ in running.app.headers)
    assert dict(running.app.headers)[b"host"] == b"a"


def test_a_body_that_turns_into_nonsense_ends_its_request(running):
    gone = running.app.gone
    head = POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
    assert status(running.ask(head, b"zz\r\nGET /smuggled HTTP/1.1\r\n\r\n", pause=0.1)) == 400
    deadline = time.monotonic() + 5
    while running.app.gone == gone and time.monotonic() < deadline:
        time.sleep(0.01)
    assert running.app.gone == gone + 1
    assert ("GET", "/smuggled") not in running.app.seen


def test_nonsense_behind_a_request_is_not_its_answer(running):
    """The answer to the first stays the first answer: a 400 in front of it would be taken for it."""
    answer = running.ask(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n", b"\x00nonsense\r\n\r\n", pause=0.1)
    assert status(answer) == 200
    assert answer.endswith(b"GET /slow 0")
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b"connection: close" in answer.lower()
    # Behind another one that waits for its turn there is no place for an answer to nonsense.
    answer = running.ask(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n" * 2, b"\x00nonsense\r\n\r\n", pause=0.1)
    assert answer.count(b"HTTP/1.1 400") == 0


def test_nothing_behind_a_refusal_is_answered(running):
    """A client that goes on writing, as it may not have read it yet."""
    seen = len(running.app.seen)
    refused = GET + b"no header at all\r\n"
    answer = running.ask(refused, b"\r\n" + GET + b"\r\n", GET + b"\r\n", pause=0.1)
    assert status(answer) == 400
    assert (answer.count(b"HTTP/1.1 "), len(running.app.seen)) == (1, seen)


def test_many_requests_ahead_of_their_turn_close_the_connection(running):
    seen = len(running.app.seen)
    answer = running.ask(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n" + (GET + b"\r\n") * 5000)
    assert answer.count(b"HTTP/1.1 200") <= LIMITS.pipelined + 1
    time.sleep(0.1)
    assert len(running.app.seen) - seen <= LIMITS.pipelined + 1
    assert running.lives()


def test_all_requests_of_a_lost_connection_learn_of_it(running):
    """Also those that others stand behind."""
    gone = running.app.gone
    with running.connect() as connection:
        connection.sendall(b"GET /until-gone HTTP/1.1\r\nHost: a\r\n\r\n" * 3)
        time.sleep(0.1)
    deadline = time.monotonic() + 5
    while running.app.gone == gone and time.monotonic() < deadline:
        time.sleep(0.01)
    assert running.app.gone == gone + 1


def test_a_body_behind_its_answer_is_not_taken_for_ever(running):
    """The app answered without the body: the client reads the answer, and does not keep the connection by dribbling."""
    head = b"POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n"
    begun = time.monotonic()
    with running.connect() as connection:
        connection.sendall(head)
        assert b"POST /early 0" in connection.recv(1 << 16)
        with pytest.raises(OSError):
            while time.monotonic() - begun < 8:
                connection.sendall(b"x")
                time.sleep(0.05)
    whole = b"POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n"
    answer = running.ask(whole, b"hello", GET + b"Connection: close\r\n\r\n", pause=0.05)
    assert answer.endswith(b"GET /a 0")  # whose body does come keeps the connection


@pytest.mark.parametrize("kept", [b"", b"Connection: close\r\n"])
def test_who_still_writes_can_read_the_answer(running, kept):
    """A reset connection would lose it: 20 MB are on their way when the app has answered."""
    head = b"POST /early HTTP/1.1\r\nHost: a\r\n" + kept + b"Content-Length: 20000000\r\n\r\n"
    with running.connect() as connection:
        connection.sendall(head)
        for _ in range(20):
            connection.sendall(b"x" * 1_000_000)
        time.sleep(0.05)
        assert connection.recv(1 << 16).endswith(b"POST /early 0")


@pytest.mark.parametrize("kept", [b"", b"Connection: close\r\n"])
def test_an_answer_that_nobody_reads_is_given_up(running, kept):
    with running.connect() as connection:
        connection.sendall(b"GET /large HTTP/1.1\r\nHost: a\r\n" + kept + b"\r\n")
        time.sleep(1)
        begun, length = time.monotonic(), 0
        connection.settimeout(5)
        try:
            while piece := connection.recv(1 << 20):
                length += len(piece)
        except OSError:
            pass
    assert length < 64 << 20
    assert time.monotonic() - begun < 5
    assert running.lives()


def test_more_connections_than_allowed_are_503(running):
    time.sleep(0.6)  # those of other tests are gone
    opened = [running.connect() for _ in range(LIMITS.connections + 4)]
    try:
        time.sleep(0.2)
        assert running.connections <= LIMITS.connections
        answers = [read(connection) for connection in opened[LIMITS.connections :]]
        assert all(status(answer) == 503 and b"retry-after: 1" in answer for answer in answers)
    finally:
        for connection in opened:
            connection.close()
    deadline = time.monotonic() + 5
    while running.connections and time.monotonic() < deadline:
        time.sleep(0.02)
    assert running.lives()


def test_the_default_limits_let_people_work():
    """A request as browsers send it fits many times."""
    limits = GuardedProtocol.limits
    assert limits.head_bytes >= 16 << 10 and limits.headers >= 60 and limits.head_seconds >= 5
