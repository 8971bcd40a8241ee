"""What `engine_kills` kills of PostgreSQL: the server with all its processes, in the middle of COPY and commits."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dinosearch.engines import parse_address
from dinosearch.engines.pgvector import PgVectorEngine
from dinosearch.records import FoundFile, ImageInfo
from dinosearch.store import MetadataStore
from torture.engine_kills import DIMENSION, IDS, NUMBER
from torture.postgres_server import PostgresServer


class _Server:
    def __init__(self, server: PostgresServer) -> None:
        self._server, self.url = server, server.collection("torture")

    def prepare(self) -> None:
        """Let every id be of an image that can be found, or searches, which ask the metadata too, answer none."""
        with MetadataStore.open(self.url, create=True) as store, store.transaction() as tx:
            for number in range(1, IDS + 1):
                image = tx.add_image(hashlib.sha256(str(number).encode()).hexdigest(), ImageInfo(1, 1, "PNG"))
                tx.put_location(FoundFile(f"/{number}", 1, 1), image)

    def crash(self, writer: subprocess.Popen[str]) -> None:
        self._server.kill()

    def restart(self) -> None:
        self._server.start()
        with MetadataStore.open(self.url) as store:  # the index is written to in all the runs but the first
            rows = PgVectorEngine(parse_address(self.url), store).open(NUMBER, DIMENSION, None)
            rows.build_index()


@contextmanager
def postgres(folder: Path) -> Iterator[_Server]:
    """A server whose data lie beside the folder, as the path of a socket must be short."""
    with PostgresServer() as server:
        victim = _Server(server)
        victim.prepare()
        yield victim
