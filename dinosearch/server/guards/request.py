"""What every request passes before a route sees it, as plain ASGI: who it is, what it is called, where it comes from.

    request id > safe headers > Host > Origin > token > limits of the body (`limits`) > routes

A guard refuses with a problem; nothing behind it has run then.
"""

from __future__ import annotations

import hmac
import ipaddress
import re
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dinosearch.server.wire.problems import Refused, answer, of_error

REQUEST_ID = "dinosearch.request_id"
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
SAFE = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""Where a route says nothing else."""


def request_id(scope: Scope) -> str:
    """The id of the request, as its answer and the log have it."""
    return str(scope.get(REQUEST_ID, ""))


async def refuse(refused: Refused, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with a problem."""
    await answer(refused, request_id(scope))(scope, receive, send)


class Named:
    """Gives each request an id, and turns an exception that nobody caught into a problem.

    Args:
        app: what is behind.
        failed: told about such an exception, with the id.
    """

    def __init__(self, app: ASGIApp, failed: Callable[[Exception, str], None]) -> None:
        self._app, self._failed = app, failed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            else:
                await send({"type": "websocket.close", "code": 1000})
            return
        given = Headers(scope=scope).get("x-request-id", "")
        name = scope[REQUEST_ID] = given if _ID.fullmatch(given) else secrets.token_hex(8)
        begun = False

        async def named(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                MutableHeaders(scope=message)["X-Request-Id"] = name
            await send(message)

        try:
            await self._app(scope, receive, named)
        except ClientDisconnect:
            return  # nobody is there to be answered
        except Exception as error:
            self._failed(error, name)
            if begun:
                raise  # the connection is closed, so that half an answer is not taken for a whole one
            await refuse(of_error(error), scope, receive, named)


class SafeHeaders:
    """Headers that tell the browser what the page may do and who may use the answers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def safe(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SAFE.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, safe if scope["type"] == "http" else send)


class HostGuard:
    """Lets pass only requests that call the server by one of its names: against DNS rebinding.

    Args:
        app: what is behind.
        names: lower case, without ports.
        any_address: also by any IP address, which no foreign name can stand for.
    """

    def __init__(self, app: ASGIApp, names: Iterable[str], any_address: bool = False) -> None:
        self._app, self._names, self._any_address = app, frozenset(names), any_address

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            given = [value for name, value in scope["headers"] if name == b"host"]
            if len(given) != 1 or not self._knows(given[0].decode("latin-1")):
                problem = Refused(421, "WrongHost", "this server is not called so; its owner can add a name")
                await refuse(problem, scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _knows(self, given: str) -> bool:
        name = host_of(given)
        return name is not None and (name in self._names or (self._any_address and _is_address(name)))


@dataclass(frozen=True)
class _Cors:
    """What a named origin may do."""

    origin: str

    def headers(self) -> dict[str, str]:
        return {
            "Access-Control-Allow-Origin": self.origin,
            "Access-Control-Expose-Headers": "X-Request-Id, Retry-After, ETag",
            "Vary": "Origin",
        }

    def preflight(self) -> Response:
        allowed = {
            "Access-Control-Allow-Methods": "GET, POST, DELETE",
            "Access-Control-Allow-Headers": "Authorization, Content-Type, If-None-Match",
            "Access-Control-Max-Age": "600",
        }
        return Response(None, 204, {**self.headers(), **allowed})


class OriginGuard:
    """Refuses requests that pages of other origins make, unless those are named.

    Args:
        app: what is behind.
        named: origins such as `https://photos.example`.
    """

    def __init__(self, app: ASGIApp, named: Iterable[str] = ()) -> None:
        self._app, self._named = app, frozenset(origin.lower() for origin in named)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        given = [value.decode("latin-1") for name, value in scope.get("headers", ()) if name == b"origin"]
        if scope["type"] != "http" or not given:
            await self._app(scope, receive, send)
        elif len(given) == 1 and given[0].lower() in self._named:
            cors = _Cors(given[0])
            if scope["method"] == "OPTIONS":
                await cors.preflight()(scope, receive, send)
                return

            async def allowed(message: Message) -> None:
                if message["type"] == "http.response.start":
                    MutableHeaders(scope=message).update(cors.headers())
                await send(message)

            await self._app(scope, receive, allowed)
        elif len(given) == 1 and _same(given[0], Headers(scope=scope).get("host", "")):
            await self._app(scope, receive, send)
        else:
            await refuse(Refused(403, "WrongOrigin", "pages of that origin may not ask here"), scope, receive, send)


class TokenGuard:
    """Asks for the token, or for the cookie of a session, on all but the free paths.

    Args:
        app: what is behind.
        token: the token.
        is_session: whether a cookie's value is of a session.
        cookie: its name.
        free: paths that need no token.
        login: what a browser is shown that asks for a page.
    """

    def __init__(
        self,
        app: ASGIApp,
        token: str,
        is_session: Callable[[str], bool],
        cookie: str,
        free: Iterable[str],
        login: Callable[[], Response],
    ) -> None:
        self._app, self._token, self._is_session, self._cookie = app, token.encode(), is_session, cookie
        self._free, self._login = frozenset(free), login

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in self._free or self._may(Headers(scope=scope)):
            await self._app(scope, receive, send)
        elif scope["path"] == "/" and "text/html" in Headers(scope=scope).get("accept", ""):
            await self._login()(scope, receive, send)
        else:
            said = "a token is needed: Authorization: Bearer TOKEN"
            problem = Refused(401, "TokenNeeded", said, {"WWW-Authenticate": "Bearer"})
            await refuse(problem, scope, receive, send)

    def _may(self, headers: Headers) -> bool:
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode("latin-1"), self._token):
            return True
        for part in headers.get("cookie", "").split(";"):
            name, _, value = part.strip().partition("=")
            if name == self._cookie and self._is_session(value):
                return True
        return False


def host_of(given: str) -> str | None:
    """The name or address in a `Host`, lower case, without the port; None where it is none."""
    found = re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::[0-9]{1,5})?", given)
    return found[1].lower().strip("[]").rstrip(".") if found else None


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _same(origin: str, host: str) -> bool:
    """Whether an origin is that of the address the request was sent to, whichever scheme a proxy speaks."""
    try:
        parts, own = urlsplit(origin), urlsplit(f"//{host}")
        default = {"http": 80, "https": 443}.get(parts.scheme)
        there, here = parts.port or default, own.port or default
    except ValueError:
        return False
    return default is not None and parts.hostname is not None and parts.hostname == host_of(host) and there == here
