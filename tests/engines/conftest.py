"""Engines to test against: a milvus-lite file, and a Milvus server that runs once a test process."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.engines.milvus_server import MilvusServer, NoServerError

_NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def milvus_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MilvusServer]:
    """A real Milvus server, in a network namespace of its own; skips where the machine gives none."""
    pytest.importorskip("pymilvus")
    try:
        with MilvusServer.start(tmp_path_factory.mktemp("milvus")) as server:
            yield server
    except NoServerError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def milvus_address(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """Gives the address of an empty place in `milvus-lite` or `milvus-server`."""

    def address(kind: str) -> str:
        number = next(_NUMBERS)
        if kind == "milvus-server":
            server: MilvusServer = request.getfixturevalue("milvus_server")
            return f"milvus://127.0.0.1:{server.port}/c{number}"
        pytest.importorskip("pymilvus")
        pytest.importorskip("milvus_lite")
        file: Path = tmp_path_factory.mktemp("lite") / "vectors.db"
        return f"milvus://{file}"

    return address
