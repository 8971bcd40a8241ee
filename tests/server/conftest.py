"""Servers for tests: one in this process over an embedder without weights, and a real one on 127.0.0.1."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from starlette.testclient import TestClient

from dinosearch import Collection
from dinosearch.server.app import create_app
from dinosearch.server.settings import Settings
from tests.conftest import FakeEmbedder, write_photo

ADDRESS = "http://127.0.0.1:8765"
NAME = "photos"
HERE = f"/v1/collections/{NAME}"
Serve = Callable[..., TestClient]


def write_portrait(path: Path) -> Path:
    """A JPEG that lies on its side, with the place and the camera in its EXIF."""
    image = Image.new("RGB", (400, 200), (200, 40, 40))
    image.paste((40, 40, 200), (0, 0, 200, 200))
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned by a quarter
    exif[0x010F], exif[0x0110] = "Secretmaker", "Model 7"
    exif.get_ifd(0x8769)[0x9003] = "2020:05:17 10:11:12"
    exif.get_ifd(0x8825)[1] = "N"
    image.save(path, exif=exif, quality=90)
    return path


@dataclass(frozen=True)
class Indexed:
    """A home and the folder of its photos."""

    home: Path
    photos: Path

    def photo(self, number: int) -> bytes:
        """The bytes of one of the twelve photos."""
        return (self.photos / f"{number:02}.png").read_bytes()


def make_home(folder: Path, **model: Any) -> Indexed:
    """Twelve photos, a copy of one of them, one with EXIF, one whose name is no UTF-8."""
    photos = folder / "photos"
    for number in range(12):
        write_photo(photos / f"{number:02}.png", seed=number)
    (photos / "more").mkdir()
    shutil.copy(photos / "03.png", photos / "more" / "copy.png")
    write_portrait(photos / "more" / "portrait.jpg")
    odd = os.fsencode(photos) + b"/more/caf\xe9.png"
    try:
        os.rename(write_photo(photos / "more" / "odd.png", seed=99), odd)
    except OSError:
        pass  # this file system knows names in UTF-8 only
    home = folder / "home"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DINOSEARCH_DECODE", "inline")
        with Collection.open(home, create=True, **model) as collection:
            collection.index(photos, workers=1)
    return Indexed(home, photos)


@pytest.fixture(scope="session")
def indexed(tmp_path_factory: pytest.TempPathFactory) -> Indexed:
    return make_home(tmp_path_factory.mktemp("served"), embedder=FakeEmbedder())


@pytest.fixture(scope="session")
def collection(indexed: Indexed) -> Iterator[Collection]:
    """The oracle: the same collection without a server."""
    with Collection.open(indexed.home, read_only=True, embedder=FakeEmbedder()) as collection:
        yield collection


@pytest.fixture
def serve(collection: Collection) -> Iterator[Serve]:
    """Make clients of servers with other settings; all are closed at the end."""
    with ExitStack() as stack:

        def make(collections: dict[str, Collection] | None = None, **settings: Any) -> TestClient:
            app = create_app(Settings(**settings), collections or {NAME: collection})
            return stack.enter_context(TestClient(app, base_url=ADDRESS, follow_redirects=False))

        yield make


@pytest.fixture(scope="session")
def served(collection: Collection) -> Iterator[TestClient]:
    """A client of a server with the default settings."""
    with TestClient(create_app(Settings(), {NAME: collection}), base_url=ADDRESS, follow_redirects=False) as client:
        yield client


@dataclass
class Running:
    """A server process.

    Attributes:
        process: the process.
        address: `http://127.0.0.1:PORT`, without a slash at the end.
        indexed: what it serves, by the name `home`.
    """

    process: subprocess.Popen[str]
    address: str
    indexed: Indexed

    @property
    def here(self) -> str:
        return f"{self.address}/v1/collections/home"


def start(*arguments: str | Path, **environment: str) -> subprocess.Popen[str]:
    """Start `dinosearch serve` on a free port; the caller ends it."""
    command = [sys.executable, "-m", "dinosearch", "serve", "--port", "0", *map(os.fspath, arguments)]
    environ = {**os.environ, "DINOSEARCH_OFFLINE": "1", "PYTHONUNBUFFERED": "1", **environment}
    return subprocess.Popen(
        command,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )


def end(process: subprocess.Popen[str]) -> tuple[str, str]:
    """Ask a server to stop, and give what it wrote."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    watchdog = threading.Timer(30, process.kill)
    watchdog.start()
    try:
        return process.communicate()
    finally:
        watchdog.cancel()


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A real server with the bundled model."""
    folder = tmp_path_factory.mktemp("running")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DINOSEARCH_OFFLINE", "1")
        indexed = make_home(folder, model="mini")
    process = start(indexed.home, XDG_CACHE_HOME=str(folder / "cache"))
    try:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert address.startswith("http://127.0.0.1:"), end(process)
        yield Running(process, address.rstrip("/"), indexed)
    finally:
        end(process)
