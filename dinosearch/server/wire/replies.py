"""Answers: their JSON, and the table of errors that every route documents."""

from __future__ import annotations

import json
from typing import Any

from starlette.responses import Response

from dinosearch.server.wire.problems import MEDIA_TYPE

_SAID = {
    400: "The request is broken.",
    401: "A token is needed.",
    403: "It is not allowed.",
    404: "There is no such collection, image or page.",
    408: "The body came too slowly.",
    409: "Something else is writing.",
    410: "It is gone.",
    413: "The body is too large.",
    415: "The body has another content type.",
    421: "The server is not called so.",
    422: "A part of the request cannot be.",
    429: "Too many requests.",
    431: "The head of the request is too large.",
    500: "Something went wrong in the server.",
    503: "The server cannot answer now; try again.",
}
WITHOUT_TOKEN: dict[str, Any] = {"security": []}
"""For routes that ask for none, as `openapi_extra`."""
ANYWHERE = (400, 401, 403, 408, 413, 421, 422, 431, 500, 503)
"""What the guards may answer to any request."""


def json_reply(data: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """JSON in ASCII: a path that is no UTF-8 has escaped surrogates, which lose nothing."""
    body = json.dumps(data, allow_nan=False, separators=(",", ":"))
    return Response(body, status, {"Cache-Control": "no-store", **(headers or {})}, "application/json")


def problems(*more: int) -> dict[int | str, dict[str, Any]]:
    """The documented errors of a route: those of every route, and more."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        status: {"description": _SAID[status], "content": {MEDIA_TYPE: {"schema": schema}}}
        for status in sorted({*ANYWHERE, *more})
    }
