"""How large the body of a request may be and how long it may take, counted while it arrives."""

from __future__ import annotations

import asyncio

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dinosearch.server.guards.request import refuse
from dinosearch.server.wire.problems import Refused

SLOWEST = 16_384
"""Bytes a second that a body must bring beside the time that it has anyway; a phone with bad reception sends faster."""
CLOSE = {"Connection": "close"}
"""The rest of the body is not waited for."""


class BodyLimits:
    """Refuses bodies that are too large (413) or too slow (408).

    Args:
        app: what is behind.
        upload: bytes of a body with images.
        other: bytes of any other body.
        seconds: that a body has, and one more for each `SLOWEST` bytes of it.
    """

    def __init__(self, app: ASGIApp, upload: int, other: int, seconds: float) -> None:
        self._app, self._upload, self._other, self._seconds = app, upload, min(upload, other), seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        is_upload = headers.get("content-type", "").lower().startswith("multipart/")
        limit = self._upload if is_upload else self._other
        announced = headers.get("content-length", "0")
        if not announced.isdecimal() or not announced.isascii():
            await refuse(Refused(400, "BadRequest", "Content-Length is no number", CLOSE), scope, receive, send)
            return
        if len(announced) > 18 or int(announced) > limit:
            await refuse(_too_large(limit), scope, receive, send)
            return
        if announced == "0" and "transfer-encoding" not in headers:
            await self._app(scope, receive, send)
            return
        arrived, whole = 0, False
        begin = asyncio.get_running_loop().time()

        async def counted() -> Message:
            nonlocal arrived, whole
            if whole:
                return await receive()  # which waits for the client to go
            left = begin + self._seconds + arrived / SLOWEST - asyncio.get_running_loop().time()
            try:
                message = await asyncio.wait_for(receive(), max(left, 0))
            except asyncio.TimeoutError:
                raise Refused(408, "TooSlow", "the body of the request came too slowly", CLOSE) from None
            if message["type"] == "http.request":
                arrived += len(message.get("body", b""))
                whole = not message.get("more_body", False)
                if arrived > limit:
                    raise _too_large(limit)
            return message

        await self._app(scope, counted, send)


def _too_large(limit: int) -> Refused:
    return Refused(413, "TooLarge", f"the body of the request has more than {limit:,} bytes", CLOSE)
