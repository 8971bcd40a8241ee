"""HTTP as uvicorn reads it, for clients that may be hostile: heads have a deadline and a size, connections a number.

Uvicorn waits for a request's head as long as it takes, keeps any amount of it in memory, and leaves open who writes a
request byte by byte or never reads the answer. Bodies are the business of `limits`, which sees them as they come.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from asyncio import TimerHandle
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from dinosearch.server.wire.problems import MEDIA_TYPE, URN

_ONCE = frozenset({b"host", b"content-length", b"transfer-encoding", b"content-type", b"origin", b"authorization"})
"""Headers that a second one of makes it unclear who was asked for what."""

_AT_ONCE = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.SERVICE_UNAVAILABLE})
"""Answers to those who write nothing, or who are too many to wait for."""
_DETAILS = {
    HTTPStatus.BAD_REQUEST: "this is no HTTP request, or one that can be read in two ways",
    HTTPStatus.REQUEST_TIMEOUT: "the head of the request did not come in time",
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: "the head of the request is too large",
    HTTPStatus.SERVICE_UNAVAILABLE: "too many connections are open; try again",
}


@dataclass(frozen=True)
class ConnectionLimits:
    """What one connection may take.

    Attributes:
        head_seconds: from the first byte of a request, or the connection, to the end of the head.
        rest_seconds: for the rest of a body whose answer is out already, such as 413.
        reading_seconds: that a client may take none of an answer that waits for it.
        last_seconds: for another request to come when the server stops: it may have been sent before that was seen.
        head_bytes: of request line and headers together, and of trailers and what else a chunked body is wrapped in.
        headers: number of header lines.
        pipelined: requests sent ahead of their turn.
        connections: open at once in this process; more are answered 503.
    """

    head_seconds: float = 10.0
    rest_seconds: float = 5.0
    reading_seconds: float = 30.0
    last_seconds: float = 0.5
    head_bytes: int = 32 << 10
    headers: int = 100
    pipelined: int = 8
    connections: int = 512


class GuardedProtocol(HttpToolsProtocol):
    """One connection; `guarded` gives the class for other limits than these."""

    limits = ConnectionLimits()

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self._deadline: TimerHandle | None = None
        self._reading: TimerHandle | None = None
        self._in_head = self._in_message = self._ending = False
        self._head_bytes = self._chunk = self._bodiless = 0
        self._refusal = HTTPStatus.BAD_REQUEST
        self._refused = False
        self._cycles: list[RequestResponseCycle] = []

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self.limits.connections:
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE)
        else:
            self._wait(self.limits.head_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        self._stop_reading()
        super().connection_lost(exc)
        for cycle in self._cycles:  # uvicorn tells the last one only; an earlier one may stream for ever
            cycle.disconnected = True
            cycle.message_event.set()

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        if self._idle() and self._deadline is None:
            self._wait(self.limits.head_seconds)
        self._chunk, of_head = len(data), self._in_head or self._idle()
        super().data_received(data)
        if self._refused:
            return
        # The parser keeps what it has of an unfinished header, so what came counts and not what is read of it.
        of_head = self._in_head or (of_head and self._idle())
        self._head_bytes = self._head_bytes + len(data) if of_head else 0
        if self._in_message and not self._in_head:
            self._bodiless += len(data)
        if max(self._head_bytes, self._bodiless) > self.limits.head_bytes:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head = self._in_message = True
        self._head_bytes = 0 if self.cycle is None else -self._chunk  # it may begin at the end of what came
        if self._deadline is None:
            self._wait(self.limits.head_seconds)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called for headers, and for trailers, which are dropped: nobody has checked them."""
        if self._in_head:
            super().on_header(name, value)

    def on_body(self, body: bytes) -> None:
        """Called for each part of a body."""
        self._bodiless = -self._chunk
        super().on_body(body)

    def on_headers_complete(self) -> None:
        self._check_head()
        self._in_head = False
        self._bodiless = -self._chunk
        self._stop_waiting()
        super().on_headers_complete()
        self.cycle.keep_alive &= not self._ending
        self.cycle.transport = _Answering(self)  # type: ignore[assignment]
        self._cycles = [*(cycle for cycle in self._cycles if not cycle.response_complete), self.cycle]

    def on_message_complete(self) -> None:
        self._in_message = False
        self._stop_waiting()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.is_closing():
            self._wait_for_reader()
        elif self._in_message and not self._in_head and self.cycle.response_complete:
            # The answer is out before the body: a client that only writes now gets time to see it, no more.
            self._wait(self.limits.rest_seconds)

    def shutdown(self) -> None:
        """Called when the server stops: the next answer says that it is the last one here, then the connection closes.

        An answer that has begun cannot say so any more, and one that is out has not: what the client has sent since, or
        is sending, still gets an answer. Closing at once, as uvicorn does, would reset it.
        """
        self._ending = True
        self.timeout_keep_alive = self.limits.last_seconds  # type: ignore[assignment]  # the loop takes any number
        if self.cycle is not None and not self.cycle.response_started:
            self.cycle.keep_alive = False
        elif self._idle() and not self.transport.is_closing():
            self._unset_keepalive_if_required()
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def timeout_keep_alive_handler(self) -> None:
        """Called when no other request came for a while."""
        self._close()

    def pause_writing(self) -> None:
        """Called when much of an answer waits for the client."""
        super().pause_writing()
        self._wait_for_reader()

    def resume_writing(self) -> None:
        """Called when the client has taken most of it."""
        super().resume_writing()
        if not self.transport.is_closing():
            self._stop_reading()

    def send_400_response(self, msg: str) -> None:
        """Called for what is no HTTP, and for what `_check_head` refused."""
        self._refuse(self._refusal)

    def _idle(self) -> bool:
        return not self._in_message and (self.cycle is None or self.cycle.response_complete)

    def _wait(self, seconds: float) -> None:
        self._stop_waiting()
        self._deadline = self.loop.call_later(seconds, self._too_late)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_late(self) -> None:
        self._deadline = None
        if self._in_head and not self._refused:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT)
        else:
            self._close()

    def _wait_for_reader(self) -> None:
        if self._reading is None:
            self._reading = self.loop.call_later(self.limits.reading_seconds, self.transport.abort)

    def _stop_reading(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None

    def _close(self) -> None:
        """Close when the client has what was written, which it may never take."""
        self.transport.close()
        self._wait_for_reader()

    def end(self) -> None:
        """Nothing more is answered; a client that still writes gets time to see what was.

        Closing at once would reset the connection, and the client's system may throw the answer away then.
        """
        self._refused = True
        if self._in_message and not self.transport.is_closing() and self.transport.can_write_eof():
            self.transport.write_eof()
            self._wait(self.limits.rest_seconds)
        else:
            self._close()

    def _check_head(self) -> None:
        """Refuse heads that are too large, or that two programs may read in two ways; raising ends the parsing."""
        names = [name for name, _ in self.headers]
        size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        if size > self.limits.head_bytes or len(names) > self.limits.headers:
            self._refusal = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
            raise ValueError("the head is too large")
        single = [name for name in names if name in _ONCE]
        both = b"content-length" in single and b"transfer-encoding" in single
        coded = [value.strip().lower() for name, value in self.headers if name == b"transfer-encoding"]
        if len(set(single)) != len(single) or both or any(value != b"chunked" for value in coded):
            raise ValueError("a header is there twice, or contradicts another")
        if self.parser.get_method() == b"CONNECT" or self.parser.get_http_version() not in ("1.0", "1.1"):
            raise ValueError("not HTTP/1.1, or a proxy is wanted")
        if not self.url.startswith(b"/") and not (self.url == b"*" and self.parser.get_method() == b"OPTIONS"):
            raise ValueError("the target is no path")
        if len(self.pipeline) >= self.limits.pipelined:
            raise ValueError("too many requests at once")

    def _refuse(self, status: HTTPStatus) -> None:
        """Answer and close, where nobody waits for another answer on this connection; else close behind that."""
        self._refused = True
        self._stop_waiting()
        cycle = self.cycle
        waits = cycle is not None and not cycle.response_complete
        if waits and not self.pipeline and not cycle.more_body:
            cycle.keep_alive = False
        elif waits and (self.pipeline or cycle.response_started):
            self._close()
        else:
            self.transport.write(_answer(status))
            self._close() if status in _AT_ONCE else self.end()


class _Answering:
    """The transport as an answer uses it, which closes in the protocol's way.

    Args:
        protocol: of the connection.
    """

    def __init__(self, protocol: GuardedProtocol) -> None:
        self._transport, self.is_closing = protocol.transport, protocol.transport.is_closing
        self.close = protocol.end

    def write(self, data: bytes) -> None:
        """Write to who is still there; uvloop's transport raises else."""
        if not self.is_closing():
            self._transport.write(data)


def guarded(limits: ConnectionLimits) -> type[GuardedProtocol]:
    """The protocol with these limits, for uvicorn's `http` setting."""
    return type("GuardedProtocol", (GuardedProtocol,), {"limits": limits})


def _answer(status: HTTPStatus) -> bytes:
    request_id = uuid.uuid4().hex
    problem = {
        "type": URN + "".join(word.capitalize() for word in status.phrase.split()),
        "title": status.phrase,
        "status": status.value,
        "detail": _DETAILS[status],
        "request_id": request_id,
    }
    body = json.dumps(problem).encode("ascii")
    retry = "retry-after: 1\r\n" if status is HTTPStatus.SERVICE_UNAVAILABLE else ""
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-type: {MEDIA_TYPE}\r\n"
        f"content-length: {len(body)}\r\nx-request-id: {request_id}\r\n{retry}connection: close\r\n\r\n"
    )
    return head.encode("ascii") + body
