"""Finding and fetching weight files, against a server on this machine that can be slow, broken and wrong."""

from __future__ import annotations

import hashlib
import http.server
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dinosearch.embedding import CHECKPOINTS, fetch, locate, weights_folder
from dinosearch.embedding.checkpoints import Checkpoint
from dinosearch.embedding.weights.files import check_published, file_digest
from dinosearch.errors import DamagedWeightsError, WeightsUnavailableError

CONTENT = bytes(range(256)) * 8000  # 2 MB
NAME = "dinov2_vits14_pretrain.pth"


class Server(http.server.ThreadingHTTPServer):
    """Serves CONTENT at any path; its attributes say how it misbehaves.

    Attributes:
        status: answer with this instead.
        resumes: whether Range is respected.
        breaks_after: bytes after which the connection is cut, once.
        pause: seconds between pieces of 16 KiB.
        ranges: the Range headers received.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status = 200
        self.resumes = True
        self.breaks_after: int | None = None
        self.pause = 0.0
        self.content = CONTENT
        self.ranges: list[str | None] = []

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that gives up is part of the tests."""


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        server = self.server
        wanted = self.headers.get("Range")
        server.ranges.append(wanted)
        if server.status != 200:
            self.send_error(server.status)
            return
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and server.resumes else 0
        if start >= len(server.content):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(server.content) - start))
        self.end_headers()
        end, server.breaks_after = server.breaks_after or len(server.content), None
        for at in range(start, end, 1 << 14):
            self.wfile.write(server.content[at : min(at + (1 << 14), end)])
            time.sleep(server.pause)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.delenv("DINOSEARCH_OFFLINE")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def checkpoint_at(port: int) -> Checkpoint:
    url = f"http://127.0.0.1:{port}/{NAME}"
    return replace(
        CHECKPOINTS["dinov2_vits14"], url=url, sha256=hashlib.sha256(CONTENT).hexdigest(), bytes=len(CONTENT)
    )


@pytest.fixture
def checkpoint(server: Server) -> Checkpoint:
    return checkpoint_at(server.server_address[1])


def test_fetched_file_is_placed_with_progress(checkpoint: Checkpoint) -> None:
    seen: list[tuple[str, int, int | None]] = []
    path = fetch(checkpoint, lambda stage, done, total: seen.append((stage, done, total)))
    assert path == weights_folder() / NAME
    assert path.read_bytes() == CONTENT
    assert locate(checkpoint) == path
    assert seen[-1] == ("fetch", len(CONTENT), len(CONTENT))
    assert [done for _, done, _ in seen] == sorted({done for _, done, _ in seen})
    assert not list(path.parent.glob("*.part"))


def test_interrupted_fetch_goes_on_where_it_stopped(server: Server, checkpoint: Checkpoint) -> None:
    server.breaks_after = 500_000
    with pytest.raises(WeightsUnavailableError, match="500,000 of 2,048,000 bytes"):
        fetch(checkpoint)
    assert locate(checkpoint) is None
    assert fetch(checkpoint).read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=500000-"]


def test_server_that_cannot_resume_is_asked_for_everything(server: Server, checkpoint: Checkpoint) -> None:
    server.breaks_after = 500_000
    with pytest.raises(WeightsUnavailableError):
        fetch(checkpoint)
    server.resumes = False
    assert fetch(checkpoint).read_bytes() == CONTENT


@pytest.mark.parametrize("known_size", [True, False])
def test_part_that_is_already_whole_is_only_checked(server: Server, checkpoint: Checkpoint, known_size: bool) -> None:
    weights_folder().mkdir(parents=True)
    (weights_folder() / f"{NAME}.part").write_bytes(CONTENT)
    assert fetch(checkpoint if known_size else replace(checkpoint, bytes=None)).read_bytes() == CONTENT
    assert len(server.ranges) == (0 if known_size else 1)


def test_wrong_content_is_deleted(server: Server, checkpoint: Checkpoint) -> None:
    server.content = b"x" * len(CONTENT)
    with pytest.raises(DamagedWeightsError, match="does not have the published SHA-256"):
        fetch(checkpoint)
    assert locate(checkpoint) is None
    assert not list(weights_folder().glob("*.part"))
    server.content = CONTENT
    assert fetch(checkpoint).read_bytes() == CONTENT


def test_page_of_another_size_is_not_taken_for_weights(server: Server, checkpoint: Checkpoint) -> None:
    server.content = b"<html>please log in</html>"
    with pytest.raises(WeightsUnavailableError, match="offers 26 bytes, not the published 2,048,000"):
        fetch(checkpoint)


@pytest.mark.parametrize("status", [404, 503])
def test_refusal_names_the_file_and_the_folder(server: Server, checkpoint: Checkpoint, status: int) -> None:
    server.status = status
    with pytest.raises(WeightsUnavailableError) as caught:
        fetch(checkpoint)
    sentence = str(caught.value)
    for part in (str(status), NAME, str(weights_folder()), str(checkpoint.url), "--model mini"):
        assert part in sentence
    assert "\n" not in sentence


def test_slow_server_is_given_up_before_the_deadline(server: Server, checkpoint: Checkpoint) -> None:
    server.pause = 0.05  # 16 KiB each: 2 MB would take 6 s
    started = time.monotonic()
    with pytest.raises(WeightsUnavailableError, match="would take longer than 3 s"):
        fetch(checkpoint, deadline=3.0)
    assert time.monotonic() - started < 2.0
    assert (weights_folder() / f"{NAME}.part").stat().st_size > 0


def test_fast_server_meets_the_deadline(checkpoint: Checkpoint) -> None:
    assert fetch(checkpoint, deadline=20.0).read_bytes() == CONTENT


def test_silent_server_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DINOSEARCH_OFFLINE")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        started = time.monotonic()
        with pytest.raises(WeightsUnavailableError, match="timed out|no answer within"):
            fetch(checkpoint_at(silent.getsockname()[1]), connect_timeout=0.3)
        assert time.monotonic() - started < 2.0


def test_server_that_trickles_its_header_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each byte comes in time, so the socket's own time-out never strikes."""
    monkeypatch.delenv("DINOSEARCH_OFFLINE")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def trickle() -> None:
            connection, _ = listener.accept()
            with connection:
                try:
                    for byte in b"HTTP/1.1 200 OK\r\nServer: slow and steady\r\n":
                        connection.sendall(bytes([byte]))
                        if over.wait(0.1):
                            break
                except OSError:
                    pass

        thread = threading.Thread(target=trickle)
        thread.start()
        started = time.monotonic()
        with pytest.raises(WeightsUnavailableError, match="no answer within"):
            fetch(checkpoint_at(listener.getsockname()[1]), connect_timeout=0.5)
        assert time.monotonic() - started < 2.0
        over.set()
        thread.join()


def test_no_server_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DINOSEARCH_OFFLINE")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(WeightsUnavailableError, match="refused"):
        fetch(checkpoint_at(port))


def test_offline_asks_nobody(server: Server, checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DINOSEARCH_OFFLINE", "1")
    with pytest.raises(WeightsUnavailableError, match="DINOSEARCH_OFFLINE is set"):
        fetch(checkpoint)
    assert server.ranges == []


def test_two_at_once_fetch_once(server: Server, checkpoint: Checkpoint) -> None:
    server.pause = 0.002
    results: list[Path] = []
    threads = [threading.Thread(target=lambda: results.append(fetch(checkpoint))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 3
    assert {path.read_bytes() == CONTENT for path in results} == {True}
    assert server.ranges == [None]


def test_folder_that_cannot_be_made_is_named(weight_places: Path, checkpoint: Checkpoint) -> None:
    (weight_places / "weights").write_text("a file where the folder should be")
    with pytest.raises(WeightsUnavailableError, match="cannot be fetched"):
        fetch(checkpoint)


@pytest.mark.parametrize(
    "place",
    [
        f"weights/{NAME}",
        "weights/dinov2_vits14.safetensors",
        f"cache/dinosearch/checkpoints/{NAME}",
        f"torch/hub/checkpoints/{NAME}",
    ],
)
def test_places_where_weights_are_looked_for(weight_places: Path, place: str) -> None:
    checkpoint = CHECKPOINTS["dinov2_vits14"]
    assert locate(checkpoint) is None
    path = weight_places / place
    path.parent.mkdir(parents=True)
    path.write_bytes(b"weights")
    assert locate(checkpoint) == path
    assert locate(CHECKPOINTS["dinov2_vits14_reg4"]) is None


def test_default_folder_of_torch_hub(weight_places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TORCH_HOME")
    path = weight_places / "cache" / "torch" / "hub" / "checkpoints" / NAME
    path.parent.mkdir(parents=True)
    path.write_bytes(b"weights")
    assert locate(CHECKPOINTS["dinov2_vits14"]) == path


def test_own_folder_comes_before_torch_hub(weight_places: Path) -> None:
    for folder in ("torch/hub/checkpoints", "weights"):
        (weight_places / folder).mkdir(parents=True)
        (weight_places / folder / NAME).write_bytes(b"weights")
    assert locate(CHECKPOINTS["dinov2_vits14"]) == weight_places / "weights" / NAME


def test_digest_follows_the_content(tmp_path: Path) -> None:
    path = tmp_path / "file.pth"
    for content in (b"one", b"three"):
        path.write_bytes(content)
        for _ in range(2):  # the second answer is the remembered one
            assert file_digest(path) == hashlib.sha256(content).hexdigest()


def test_damaged_memory_of_digests_is_ignored(weight_places: Path, tmp_path: Path) -> None:
    memory = weight_places / "cache" / "dinosearch" / "digests.json"
    memory.parent.mkdir(parents=True)
    (tmp_path / "file.pth").write_bytes(b"one")
    for content in ("not json", "[]", "{}"):
        memory.write_text(content)
        assert file_digest(tmp_path / "file.pth") == hashlib.sha256(b"one").hexdigest()


def test_file_with_the_official_name_must_have_the_official_content(weight_places: Path) -> None:
    path = weight_places / "weights" / NAME
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT)
    official = replace(CHECKPOINTS["dinov2_vits14"], sha256=hashlib.sha256(CONTENT).hexdigest())
    check_published(official, path)
    path.write_bytes(CONTENT[:-1])
    with pytest.raises(DamagedWeightsError, match="truncated or another file"):
        check_published(official, path)
