"""Run a server until it is told to stop: in this process, or in several that uvicorn looks after."""

from __future__ import annotations

import base64
import dataclasses
import json
import logging
import math
import os
import socket
import sys
import tempfile
from collections.abc import Callable
from typing import Any

import uvicorn
from fastapi import FastAPI
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from dinosearch.capacity import keep_little_memory
from dinosearch.errors import DinosearchError, SettingError
from dinosearch.server.app import create_app
from dinosearch.server.catalogue import Catalogue
from dinosearch.server.guards.protocol import GuardedProtocol
from dinosearch.server.settings import Settings
from dinosearch.server.watching import logs
from dinosearch.server.watching.metrics import SHARED

HANDED_OVER = "DINOSEARCH_SERVER"
"""Environment variable with the settings of workers: it is not seen by other users, as a command line is."""
_BACKLOG = 1024
_OF_QUESTIONS = 8 << 20  # bytes that a thread keeps at the end of its heap
_log = logging.getLogger("dinosearch.server")


def serve(settings: Settings, ready: Callable[[str], None]) -> None:
    """Serve until the process is told to stop (SIGTERM or SIGINT), which lets running requests end.

    Args:
        settings: what is served.
        ready: receives the address once it answers.

    Raises:
        SettingError: the port is taken, or several processes are to write.
        DinosearchError: a collection cannot be opened.
    """
    if settings.workers > 1 and settings.writable:
        raise SettingError("several processes cannot share one writer; leave out --workers, or leave out --writable")
    logs.configure(settings.log_level)
    if settings.token is not None and settings.sessions and not _can_keep(settings.sessions):
        _log.warning("sessions end with this server: their folder cannot be written")
        settings = dataclasses.replace(settings, sessions=None)
    _set_memory(settings)
    with _listening(settings) as listening:
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        address = f"http://{host}:{listening.getsockname()[1]}/"
        if settings.workers > 1:
            _serve_by_workers(settings, listening, lambda: ready(address))
        else:
            app = create_app(settings)
            _Server(_config(app, settings), app, lambda: ready(address)).run([listening])


def from_environment() -> FastAPI:
    """The application of a worker; its settings come from the process that started it."""
    settings = _read(os.environ.pop(HANDED_OVER))  # decoders that it starts need not know them
    logs.configure(settings.log_level)
    _set_memory(settings)
    try:
        return create_app(settings)
    except DinosearchError as error:
        _log.error("the worker cannot start: %s", error)
        sys.exit(STARTUP_FAILURE)


class _Server(uvicorn.Server):
    """One process that answers.

    Args:
        config: uvicorn's.
        app: the application.
        ready: called once it answers.
    """

    def __init__(self, config: uvicorn.Config, app: FastAPI, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._app, self._ready = app, ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer."""
        await super().startup(sockets)
        self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let requests end; streams of events would not by themselves."""
        self._app.state.context.jobs.close()
        await super().shutdown(sockets)
        self._captured_signals.clear()  # it was done what they asked for: the process ends as it should


class _Workers(Multiprocess):
    """The processes that answer, started anew where one dies.

    Args:
        config: uvicorn's.
        listening: the socket that all take connections from.
        ready: called once all of them answer.
    """

    def __init__(self, config: uvicorn.Config, listening: socket.socket, ready: Callable[[], None]) -> None:
        super().__init__(config, [listening])
        self._ready: Callable[[], None] | None = ready

    def keep_subprocess_alive(self) -> None:
        """Look after the workers, twice a second."""
        super().keep_subprocess_alive()
        if self._ready is not None and not self.should_exit.is_set():
            if all(process.is_ready() for process in self.processes):
                self._ready()
                self._ready = None


def _serve_by_workers(settings: Settings, listening: socket.socket, ready: Callable[[], None]) -> None:
    Catalogue(settings, warm=False).close()  # what is wrong with a collection is said here, once
    with tempfile.TemporaryDirectory(prefix="dinosearch-") as shared:
        settings = dataclasses.replace(settings, sessions=settings.sessions or shared)
        os.environ.update({HANDED_OVER: _written(settings), SHARED: shared})
        try:
            config = _config("dinosearch.server.run:from_environment", settings)
            _Workers(config, listening, ready).run()
        finally:
            for name in (HANDED_OVER, SHARED):
                os.environ.pop(name, None)


def _config(app: Any, settings: Settings) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        factory=isinstance(app, str),
        workers=settings.workers,
        http=GuardedProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=_BACKLOG,
        timeout_graceful_shutdown=math.ceil(settings.timeout),
    )


def _set_memory(settings: Settings) -> None:
    """Only changes make memory grow; without them what a question works with is kept for the next."""
    if settings.writable:
        keep_little_memory()
    else:
        keep_little_memory(free=_OF_QUESTIONS)


def _can_keep(folder: str) -> bool:
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _listening(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((settings.host, settings.port))
    except OSError as error:
        listening.close()
        raise SettingError(
            f"port {settings.port} of {settings.host} cannot be had ({error.strerror}); choose another with: --port 0"
        ) from None
    listening.listen(_BACKLOG)
    return listening


def _written(settings: Settings) -> str:
    values = {field.name: getattr(settings, field.name) for field in dataclasses.fields(settings)}
    return json.dumps({**values, "secret": base64.b64encode(settings.secret).decode()})


def _read(text: str) -> Settings:
    values = json.loads(text)
    values["homes"] = tuple((name, home) for name, home in values["homes"])
    for name in ("hosts", "cors", "roots"):
        values[name] = tuple(values[name])
    return Settings(**{**values, "secret": base64.b64decode(values["secret"])})
