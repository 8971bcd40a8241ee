"""A server in a thread of the test, on a free port of 127.0.0.1, that ends with its `with` block."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import uvicorn

from dinosearch import Collection
from dinosearch.server.app import create_app
from dinosearch.server.guards.protocol import GuardedProtocol
from dinosearch.server.settings import Settings


@contextmanager
def served(collections: Mapping[str, Collection], **settings: Any) -> Iterator[str]:
    """The address of a server of open collections."""
    app = create_app(
        Settings(homes=tuple((name, str(c.home)) for name, c in collections.items()), **settings), collections
    )
    config = uvicorn.Config(app, port=0, http=GuardedProtocol, ws="none", log_config=None, access_log=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 30
    while not server.started:
        if time.monotonic() > deadline or not thread.is_alive():
            raise RuntimeError("the server did not start")
        time.sleep(0.005)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(30)
