"""The log: one line of JSON on stderr for each request and event. Nothing of what is asked or answered is in it."""

from __future__ import annotations

import json
import logging
import sys
import time
from datetime import datetime, timezone
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dinosearch.server.guards.request import request_id
from dinosearch.server.watching.metrics import Metrics

_access = logging.getLogger("dinosearch.server.access")
_QUIET = ("/v1/health", "/v1/ready", "/metrics")
"""Asked every few seconds by machines, and logged at `debug` only."""
_OWN = frozenset(vars(logging.makeLogRecord({})))
_NO_ROUTE = "other"


class JsonLines(logging.Formatter):
    """One JSON object for each record: time, level, message, and what was given as `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        when = datetime.fromtimestamp(record.created, timezone.utc).isoformat(timespec="milliseconds")
        line: dict[str, Any] = {"time": when, "level": record.levelname.lower(), "message": record.getMessage()}
        line.update((name, value) for name, value in vars(record).items() if name not in _OWN)
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def configure(level: str) -> None:
    """Write what dinosearch and uvicorn log to stderr, from this level on: `debug`, `info`, `warning`, `error`."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    # What a broken upload has at which byte concerns its sender only, who is told.
    quiet = ("python_multipart", max(level, "error", key=_number))
    for name, least in (("dinosearch", level), ("uvicorn", max(level, "warning", key=_number)), quiet):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(_number(least))


class Observed:
    """Logs and counts every request; as plain ASGI, inside of what gives it an id.

    Args:
        app: what is behind.
        metrics: where it is counted.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status, received, sent = time.perf_counter(), 0, 0, 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            return message

        async def noted(message: Message) -> None:
            nonlocal status, sent
            if message["type"] == "http.response.start":
                status = message["status"]
            sent += len(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, counted, noted)
        except Exception:
            status = 500
            raise
        finally:
            # Without an answer the client went away before there was one: 499, as others log it.
            self._note(scope, status or 499, time.perf_counter() - began, received, sent)

    def _note(self, scope: Scope, status: int, seconds: float, received: int, sent: int) -> None:
        route = getattr(scope.get("route"), "path", _NO_ROUTE)
        method = scope["method"] if scope["method"] in ("GET", "POST", "DELETE", "HEAD", "OPTIONS") else _NO_ROUTE
        self._metrics.request(route, method, status, seconds, received, sent)
        level = logging.DEBUG if route in _QUIET else logging.INFO
        if _access.isEnabledFor(level):
            fields = {
                "request_id": request_id(scope),
                "route": route,
                "method": method,
                "status": status,
                "ms": round(1000 * seconds, 1),
                "received": received,
                "sent": sent,
                "collection": scope.get("path_params", {}).get("name"),
            }
            _access.log(level, "request", extra=fields)


def _number(level: str) -> int:
    return int(getattr(logging, level.upper()))
