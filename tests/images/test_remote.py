"""Images from web addresses: whole, or refused with the reason, within limits of size and time."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from dinosearch.errors import ImageUnreadableError
from dinosearch.images import fetch_image

BODY = bytes(range(256)) * 600  # several reads


class Site(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/slow":
            self.send_response(200)
            self.end_headers()
            for _ in range(50):  # never silent for long, and never done
                try:
                    self.wfile.write(b"-")
                    time.sleep(0.05)
                except OSError:
                    return
        elif self.path.startswith("/to/"):
            self.send_response(302)
            self.send_header("Location", self.path.removeprefix("/to/"))
            self.end_headers()
        elif self.path == "/picture":
            self.send_response(200)
            self.send_header("Content-Length", str(len(BODY)))
            self.end_headers()
            self.wfile.write(BODY)
        else:
            self.send_error(404, "Gone fishing")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Site) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def test_every_byte_arrives(site: str) -> None:
    assert fetch_image(f"{site}/picture") == BODY
    assert fetch_image(f"{site}/to//picture") == BODY
    assert fetch_image(f"{site}/picture", max_bytes=len(BODY)) == BODY


def test_what_is_refused_says_why(site: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("not for you")
    with ThreadingHTTPServer(("127.0.0.1", 0), Site) as gone:
        closed = f"http://127.0.0.1:{gone.server_port}/picture"
    for url, reason in (
        (f"{site}/absent", "the server answered 404 Gone fishing"),
        (f"{site}/to/{secret.as_uri()}", "the server answered 302 .* not allowed"),
        (f"{site}/to/ftp://127.0.0.1/secret", "redirect to another scheme"),
        (secret.as_uri(), "only http and https addresses can be fetched"),
        (closed, "cannot be fetched .*refused"),
    ):
        with pytest.raises(ImageUnreadableError, match=reason):
            fetch_image(url)


def test_a_body_over_the_limit_is_not_taken(site: str) -> None:
    with pytest.raises(ImageUnreadableError, match="larger than 0 MiB"):
        fetch_image(f"{site}/picture", max_bytes=len(BODY) - 1)


def test_a_server_that_never_ends_is_left(site: str) -> None:
    began = time.monotonic()
    with pytest.raises(ImageUnreadableError, match=r"no complete answer within 0\.3 s"):
        fetch_image(f"{site}/slow", timeout=0.3)
    assert time.monotonic() - began < 2
