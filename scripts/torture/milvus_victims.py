"""What `engine_kills` kills of Milvus: a real server in its namespaces, and the process that has a milvus-lite file."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.engines.milvus_server import MilvusServer


class _Server:
    def __init__(self, server: MilvusServer) -> None:
        self._server, self.url = server, f"milvus://127.0.0.1:{server.port}/torture"

    def crash(self, writer: subprocess.Popen[str]) -> None:
        self._server.crash()

    def restart(self) -> None:
        self._server.restart()


class _File:
    def __init__(self, file: Path) -> None:
        self.url = f"milvus://{file}"

    def crash(self, writer: subprocess.Popen[str]) -> None:
        writer.kill()

    def restart(self) -> None:
        pass


@contextmanager
def milvus(folder: Path) -> Iterator[_Server]:
    """A server whose data lie in the folder."""
    with MilvusServer.start(folder) as server:
        yield _Server(server)


@contextmanager
def milvus_lite(folder: Path) -> Iterator[_File]:
    """A file in the folder."""
    yield _File(folder / "torture.db")
