"""Web addresses that clients give: what may not be fetched makes no connection at all (R14 of the reliability tables).

The oracle counts: every connection that the program opens, and every one that servers on this machine see.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import anyio
import pytest

from dinosearch.errors import ImageUnreadableError
from dinosearch.server.guards import fetching
from dinosearch.server.guards.addresses import is_public, target
from dinosearch.server.guards.fetching import Fetcher

IMAGE = bytes(range(256)) * 40
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"


class Listener:
    """A server on this machine that answers every connection with one text.

    Attributes:
        heads: what clients sent, one for each connection.
        accepted: connections.
    """

    def __init__(self, answer: bytes | list[bytes], address: str = "127.0.0.1", port: int = 0) -> None:
        self.socket = socket.create_server((address, port))
        self.port: int = self.socket.getsockname()[1]
        self.answers = [answer] if isinstance(answer, bytes) else answer
        self.accepted, self.heads = 0, []
        self.pause = 0.0
        self.context: ssl.SSLContext | None = None
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            answer = self.answers[min(self.accepted, len(self.answers) - 1)]
            self.accepted += 1
            try:
                if self.context:
                    connection = self.context.wrap_socket(connection, server_side=True)
                self.heads.append(connection.recv(1 << 16))
                for piece in (answer[i : i + 1] for i in range(len(answer))) if self.pause else [answer]:
                    connection.sendall(piece)
                    time.sleep(self.pause)
            except OSError:
                pass
            finally:
                connection.close()

    def close(self) -> None:
        self.socket.close()


@pytest.fixture
def listener() -> Iterator[Listener]:
    found = Listener(HEAD % len(IMAGE) + IMAGE)
    yield found
    found.close()


@pytest.fixture
def connected(monkeypatch) -> list[str]:
    """The addresses that the program connects to."""
    seen: list[str] = []
    real = anyio.connect_tcp

    async def connect(remote_host: str, remote_port: int, **named: Any) -> Any:
        seen.append(remote_host)
        return await real(remote_host, remote_port, **named)

    monkeypatch.setattr(anyio, "connect_tcp", connect)
    return seen


class Names:
    """A resolver whose answers are written down; each look-up of a name gives the next of its answers."""

    def __init__(self, **answers: Sequence[Sequence[str]]) -> None:
        self.answers = {name.replace("_", "."): list(found) for name, found in answers.items()}
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        found = self.answers.get(host)
        if not found:
            raise socket.gaierror(socket.EAI_NONAME, "not known")
        return found.pop(0) if len(found) > 1 else found[0]


def fetch(url: str, port: int, **settings: Any) -> bytes:
    ports = {"http": frozenset({80, port}), "https": frozenset({443, port})}
    return asyncio.run(Fetcher(**{"ports": ports, "timeout": 5.0, **settings}).fetch(url))


NOT_PUBLIC = [
    "127.0.0.1",
    "127.8.8.8",
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "100.100.100.200",
    "168.63.129.16",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.7",
    "203.0.113.9",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:0:127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b:1::a00:1",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:a9fe:a9fe::1",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%1",
    "fec0::1",
    "ff02::1",
]
PUBLIC = ["8.8.8.8", "1.1.1.1", "93.184.215.14", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "2a00:1450:4001::8a"]
SPELLINGS = [  # of 127.0.0.1 and 169.254.169.254, as the C library or a browser would read them
    "2130706433",
    "0x7f000001",
    "0x7f.0.0.1",
    "0x7f.1",
    "127.1",
    "127.0.1",
    "0177.0.0.1",
    "017700000001",
    "0177.1",
    "00000177.0.0.01",
    "127.0.0.1.",
    "2852039166",
    "0xA9FEA9FE",
    "%31%32%37.0.0.1",
    "127。0。0。1",
    "１２７.0.0.1",
    "①②⑦.⓪.⓪.①",
    "localhost",
    "LOCALHOST",
    "localhost.",
    "intranet",
    "a.0",
    "a.0x1",
    "a_b",
    "-",
    "*",
    "",
    ".",
]


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_no_connection_to_what_is_not_public(address, listener, connected):
    """The address itself, and a name that leads to it, alone or beside a public one."""
    host = f"[{address}]" if ":" in address else address
    names = Names(one_example=[[address]], both_example=[["8.8.8.8", address]], first_example=[[address, "8.8.8.8"]])
    for named in (host, "one.example", "both.example", "first.example"):
        for scheme in ("http", "https"):
            with pytest.raises(ImageUnreadableError, match="public|no web address"):
                fetch(f"{scheme}://{named}:{listener.port}/x.png", listener.port, resolve=names)
    assert not is_public(address)
    assert connected == []
    assert listener.accepted == 0


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_public(address):
    assert is_public(address)
    assert not is_public(f"{address} ")
    assert not is_public(f"{address}.example")


@pytest.mark.parametrize("host", SPELLINGS)
def test_odd_spellings_of_addresses_are_no_names(host, listener, connected):
    """The system's resolver would understand many of them; it is not even asked."""
    asked = []

    async def resolve(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return ["127.0.0.1"]

    for url in (f"http://{host}:{listener.port}/", f"https://{host}:{listener.port}/"):
        with pytest.raises(ImageUnreadableError):
            fetch(url, listener.port, resolve=resolve)
    assert (asked, connected, listener.accepted) == ([], [], 0)


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org@127.0.0.1:{port}/",
        "http://user:word@public.example:{port}/",
        "http://public.example:{port}\\@127.0.0.1:{port}/",
        "http://public.example:{port}/a\\b",
        "http://public.example:{port}/a b",
        "http://127.0.0.1:{port}#@public.example/",
        "http://127.0.0.1:{port}?@public.example/",
        "http://public.example:22/",
        "http://public.example:443/",
        "https://public.example:80/",
        "http://public.example:6379/",
        "http://public.example:0/",
        "http://public.example:65536/",
        "http://public.example:{port}:80/",
        "http://public.example:{port}/\r\nX: y",
        "http://public.example :{port}/",
        "\thttp://public.example:{port}/",
        "http:\n//public.example:{port}/",
        "http:/127.0.0.1:{port}/",
        "http:127.0.0.1:{port}",
        "//127.0.0.1:{port}/",
        "127.0.0.1:{port}",
        "/etc/passwd",
        "file:///etc/passwd",
        "FILE://localhost/etc/passwd",
        "ftp://public.example/",
        "gopher://127.0.0.1:{port}/_GET%20/",
        "dict://127.0.0.1:{port}/",
        "data:image/png;base64,AAAA",
        "unix:/run/docker.sock",
        "http+unix://x/",
        "jar:http://public.example!/",
        "http://[::1/",
        "http://[127.0.0.1]:{port}/",
        "http://public.example:{port}/\x00",
        "http://public.example/" + "a" * 3000,
        "http://" + "a." * 200 + "example/",
        "",
        "http://",
        "https:///x",
    ],
)
def test_other_addresses_are_refused(url, listener, connected):
    """Also where the name leads to an address that may be asked."""
    names, allowed = Names(public_example=[["127.0.0.9"]]), {"127.0.0.9"}.__contains__
    with pytest.raises(ImageUnreadableError) as refused:
        fetch(url.replace("{port}", str(listener.port)), listener.port, resolve=names, allowed=allowed)
    assert (connected, listener.accepted) == ([], 0)
    assert "public.example" not in refused.value.reason


@pytest.mark.parametrize(
    ("url", "port"),
    [
        ("http://photos.example/a", 80),
        ("http://photos.example:80/a", 80),
        ("https://photos.example/a", 443),
        ("https://photos.example:443/a", 443),
    ],
)
def test_the_ports_of_the_web(url, port):
    assert target(url).port == port


def test_fetches_from_the_address_that_was_checked_under_its_own_name(listener, connected):
    names = Names(photos_example=[["127.0.0.1"]])
    found = fetch(f"http://Photos.Example:{listener.port}/a/b.png?c=d#e", listener.port, resolve=names, allowed=bool)
    assert found == IMAGE
    assert (names.asked, connected, listener.accepted) == (["photos.example"], ["127.0.0.1"], 1)
    lines = listener.heads[0].decode().split("\r\n")
    assert lines[0] == "GET /a/b.png?c=d HTTP/1.1"
    assert f"Host: photos.example:{listener.port}" in lines


def test_a_second_look_up_would_be_answered_otherwise(listener, connected, monkeypatch):
    """DNS rebinding: the name is looked up once, and the system's resolver never hears of it."""
    other = Listener(HEAD % 0, "127.0.0.2", listener.port)
    asked = []
    real = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *a, **k: (asked.append(host), real(host, *a, **k))[1])
    names = Names(photos_example=[["127.0.0.1"], ["127.0.0.2"]])
    url = f"http://photos.example:{listener.port}/"
    assert fetch(url, listener.port, resolve=names, allowed={"127.0.0.1"}.__contains__) == IMAGE
    assert connected == ["127.0.0.1"]
    assert "photos.example" not in asked
    with pytest.raises(ImageUnreadableError, match="public"):
        fetch(url, listener.port, resolve=names, allowed={"127.0.0.1"}.__contains__)
    assert (listener.accepted, other.accepted) == (1, 0)
    other.close()


@pytest.mark.parametrize(
    "where",
    [
        "http://127.0.0.1:{port}/secret",
        "http://inside.example:{port}/secret",
        "//inside.example:{port}/secret",
        "https://169.254.169.254/latest/meta-data",
        "http://2130706433:{port}/",
        "file:///etc/passwd",
        "ftp://inside.example/",
        "http://inside.example:22/",
        "http://u:p@outside.example:{port}/",
        "http://[::ffff:127.0.0.1]:{port}/",
        "\\\\inside.example\\x",
    ],
)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_checked_like_first_addresses(where, status, listener, connected):
    """From a server that may be asked to one that may not: here the addresses 127.0.0.3 and 127.0.0.1."""
    where = where.replace("{port}", str(listener.port))
    moved = f"HTTP/1.1 {status} Moved\r\nLocation: {where}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    outside = Listener(moved.encode(), "127.0.0.3", listener.port)
    names = Names(outside_example=[["127.0.0.3"]], inside_example=[["127.0.0.1"]])
    with pytest.raises(ImageUnreadableError):
        fetch(
            f"http://outside.example:{listener.port}/",
            listener.port,
            resolve=names,
            allowed={"127.0.0.3"}.__contains__,
        )
    outside.close()
    assert outside.accepted >= 1
    assert (set(connected), listener.accepted) == ({"127.0.0.3"}, 0)


def test_a_name_that_turns_inwards_between_two_redirects():
    """Each hop is looked up anew, and its answer is checked anew."""
    moved = Listener(b"HTTP/1.1 302 Found\r\nLocation: /again\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    names = Names(photos_example=[["127.0.0.1"], ["10.0.0.1"]])
    with pytest.raises(ImageUnreadableError, match="no public address"):
        fetch(f"http://photos.example:{moved.port}/", moved.port, resolve=names, allowed={"127.0.0.1"}.__contains__)
    moved.close()
    assert (moved.accepted, names.asked) == (1, ["photos.example"] * 2)


@pytest.mark.parametrize("statuses", [(301, 302, 303), (307, 308, 302)])
def test_redirects_are_followed_three_times(statuses):
    moved = b"HTTP/1.1 %d Moved\r\nLocation: next?%d\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    enough = Listener([*(moved % (status, i) for i, status in enumerate(statuses, 1)), HEAD % len(IMAGE) + IMAGE])
    names = Names(photos_example=[["127.0.0.1"]])
    assert fetch(f"http://photos.example:{enough.port}/a/b", enough.port, resolve=names, allowed=bool) == IMAGE
    assert [head.split()[1] for head in enough.heads] == [b"/a/b", b"/a/next?1", b"/a/next?2", b"/a/next?3"]
    endless = Listener(moved % (statuses[0], 1))
    with pytest.raises(ImageUnreadableError, match="more than 3 redirects"):
        fetch(f"http://photos.example:{endless.port}/", endless.port, resolve=names, allowed=bool)
    assert endless.accepted == 4
    enough.close()
    endless.close()


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (HEAD % 2_000_000 + b"x" * 2_000_000, "larger than 1 MiB"),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + b"x" * 2_000_000, "larger than 1 MiB"),
        (b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", "answered 404"),
        (b"HTTP/1.1 206 Part\r\nContent-Length: 0\r\n\r\n", "answered 206"),
        (b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n", "answered 302"),
        (HEAD % 1000 + b"short", "does not answer as it should"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "does not answer as it should"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 500_000 + b"\r\n\r\n", "does not answer as it should"),
        (b"", "does not answer as it should"),
    ],
)
def test_answers_that_are_none(answer, reason):
    server = Listener(answer)
    names = Names(photos_example=[["127.0.0.1"]])
    with pytest.raises(ImageUnreadableError, match=reason):
        fetch(f"http://photos.example:{server.port}/", server.port, resolve=names, allowed=bool, max_bytes=1 << 20)
    server.close()


def test_what_is_packed_stays_packed():
    """No decompression: the bytes are the image or they are none."""
    packed = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\nConnection: close\r\n\r\nabcd"
    server = Listener(packed)
    names = Names(photos_example=[["127.0.0.1"]])
    assert fetch(f"http://photos.example:{server.port}/", server.port, resolve=names, allowed=bool) == b"abcd"
    assert b"accept-encoding: identity" in server.heads[0].lower()
    server.close()


@pytest.mark.parametrize("part", ["names", "head"])
def test_the_whole_fetch_has_one_limit_of_time(part, listener):
    """A server that sends a byte now and then, and a resolver that never answers."""
    listener.pause = 0.05

    async def resolve(host: str, port: int) -> Sequence[str]:
        await asyncio.sleep(30 if part == "names" else 0)
        return ["127.0.0.1"]

    with pytest.raises(ImageUnreadableError, match=r"within 0\.4 s"):
        fetch(f"http://photos.example:{listener.port}/", listener.port, resolve=resolve, allowed=bool, timeout=0.4)


def test_nothing_of_the_environment_goes_along(listener, connected, monkeypatch, tmp_path):
    proxy = Listener(HEAD % 5 + b"proxy")
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
    (tmp_path / "netrc").write_text("machine photos.example login me password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    listener.answers = [
        b"HTTP/1.1 302 Found\r\nLocation: /2\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        *listener.answers,
    ]
    names = Names(photos_example=[["127.0.0.1"]])
    assert fetch(f"http://photos.example:{listener.port}/1", listener.port, resolve=names, allowed=bool) == IMAGE
    assert (proxy.accepted, listener.accepted) == (0, 2)
    assert not any(name in head.lower() for head in listener.heads for name in (b"cookie", b"authorization"))
    proxy.close()


def test_names_with_several_addresses_try_the_next(listener, connected):
    closed = socket.create_server(("127.0.0.4", 0))
    closed.close()
    names = Names(photos_example=[["127.0.0.4", "127.0.0.1"]])
    assert fetch(f"http://photos.example:{listener.port}/", listener.port, resolve=names, allowed=bool) == IMAGE
    assert connected == ["127.0.0.4", "127.0.0.1"]


def test_only_who_cannot_be_reached_is_passed_over(listener):
    """What one address of a name answers counts; the next one is not asked for something better."""
    silent = Listener(b"SSH-2.0-OpenSSH_9.6\r\n", "127.0.0.4", listener.port)
    names = Names(photos_example=[["127.0.0.4", "127.0.0.1"]])
    for answer in (b"SSH-2.0-OpenSSH_9.6\r\n", HEAD % 1000 + b"short"):
        silent.answers = [answer]
        with pytest.raises(ImageUnreadableError, match="does not answer as it should"):
            fetch(f"http://photos.example:{listener.port}/", listener.port, resolve=names, allowed=bool)
    silent.close()
    assert (silent.accepted, listener.accepted) == (2, 0)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory) -> Path:
    """A certificate of `photos.example` that signs itself, with its key, in one file."""
    folder = tmp_path_factory.mktemp("certificate")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=photos.example"]
    command += ["-addext", "subjectAltName=DNS:photos.example", "-keyout", "key.pem", "-out", "cert.pem"]
    try:
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no openssl here that makes a certificate")
    both = folder / "both.pem"
    both.write_bytes((folder / "key.pem").read_bytes() + (folder / "cert.pem").read_bytes())
    return both


@pytest.mark.parametrize(("host", "trusted", "good"), [
    ("photos.example", True, True),
    ("other.example", True, False),
    ("photos.example", False, False),
])  # fmt: skip
def test_the_certificate_is_that_of_the_name(host, trusted, good, certificate, listener, monkeypatch):
    """TLS asks for the name, not for the address, and the name must be in the certificate; variables add no trust."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    fetching._usual_trust.cache_clear()
    listener.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    listener.context.load_cert_chain(certificate)
    asked = []
    listener.context.sni_callback = lambda connection, name, context: asked.append(name)
    trust = ssl.create_default_context(cafile=str(certificate)) if trusted else None
    names = Names(photos_example=[["127.0.0.1"]], other_example=[["127.0.0.1"]])
    url = f"https://{host}:{listener.port}/"
    if good:
        assert fetch(url, listener.port, resolve=names, allowed=bool, trust=trust) == IMAGE
    else:
        with pytest.raises(ImageUnreadableError, match="does not answer as it should"):
            fetch(url, listener.port, resolve=names, allowed=bool, trust=trust)
    assert asked == [host]
