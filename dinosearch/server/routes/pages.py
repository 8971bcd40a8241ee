"""The files of the page for browsers, and what a browser is shown that has not logged in.

The files stand in the folder `page` of this package; an address is looked up in a table that is made at the start, so
that none leads elsewhere.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Awaitable, Callable, Iterator
from functools import lru_cache
from pathlib import Path

from fastapi import APIRouter, Request
from starlette.responses import Response

from dinosearch.server.guards.request import CSP

FOLDER = Path(__file__).parents[1] / "page"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/vnd.microsoft.icon",
    ".woff2": "font/woff2",
    ".txt": "text/plain; charset=utf-8",
}

# The colours of page/base.css, which a browser gets only with a session.
_STYLE = (
    ":root{color-scheme:light dark;--paper:#faf9f6;--card:#fffefc;--track:#dedbd4;--edge:#8d887f;--ink:#1c1b19;"
    "--muted:#625e57;--accent:#c44d2c;--accent-text:#ad3f20;--on-accent:#fff}"
    "@media(prefers-color-scheme:dark){:root{--paper:#191816;--card:#211f1c;--track:#3a3731;--edge:#7d786f;--ink:#f1efe9;"
    "--muted:#aaa59b;--accent:#e8835f;--accent-text:#f09a79;--on-accent:#191816}}"
    "*{box-sizing:border-box}"
    "body{margin:0;min-height:100vh;display:grid;place-items:center;padding:1.25rem;font:1rem/1.5 system-ui,sans-serif;"
    "background:var(--paper);color:var(--ink)}"
    "main{width:min(24rem,100%);padding:2rem;border:1px solid var(--track);border-radius:1rem;background:var(--card)}"
    "h1{margin:0 0 .25rem;font-size:1.5rem;letter-spacing:-.02em}"
    "p{margin:0 0 1.5rem;color:var(--muted)}"
    "p.wrong{margin:.75rem 0 0;color:var(--accent-text)}"
    "label{display:block;font-size:.875rem}"
    "input,button{font:inherit;width:100%;min-height:2.75rem;padding:.5rem .75rem;border-radius:.5rem}"
    "input{margin:.3rem 0 0;border:1px solid var(--edge);background:var(--paper);color:inherit}"
    "button{margin-top:1rem;border:0;font-weight:600;cursor:pointer;background:var(--accent);color:var(--on-accent)}"
    ":focus-visible{outline:3px solid var(--accent);outline-offset:2px}"
)
# The part of the address behind # stays in the browser; a form that has it gives it to the page it is sent on to.
_SCRIPT = "document.forms[0].action += location.hash"
_WRONG = '<p class="wrong" role="alert">That is not the token of this server.</p>'
_LOGIN = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>dinosearch: token</title><link rel="icon" href="data:,"><style>{_STYLE}</style></head>
<body><main><h1>dinosearch</h1><p>Its owner has given this server a token.</p>
<form method="post" action="/v1/session">
<label for="token">Token</label>
<input id="token" name="token" type="password" autocomplete="current-password" required autofocus>
<!-- wrong --><button>Open</button></form></main><script>{_SCRIPT}</script></body></html>
"""


def page_routes(folder: Path = FOLDER) -> APIRouter:
    """A route for each file of the folder, and `/` for its index.html; none where there is no folder."""
    routes = APIRouter(include_in_schema=False)
    for address, file in _addresses(folder):
        routes.add_api_route(address, _serving(file), methods=["GET", "HEAD"])
    return routes


def login_page(*, wrong: bool = False) -> Response:
    """401 with a form for the token; it works without its script and needs no other file.

    Args:
        wrong: say that the token of the last try was not the right one.
    """
    policy = CSP
    for kind, text in (("style-src", _STYLE), ("script-src", _SCRIPT)):
        tag = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        policy = policy.replace(f"{kind} 'self'", f"{kind} 'sha256-{tag}'")
    headers = {
        "Content-Security-Policy": policy,
        # With no-referrer a browser sends `Origin: null` with a form, which is refused.
        "Referrer-Policy": "same-origin",
        "WWW-Authenticate": "Bearer",
    }
    return Response(_LOGIN.replace("<!-- wrong -->", _WRONG if wrong else ""), 401, headers, TYPES[".html"])


def _addresses(folder: Path) -> Iterator[tuple[str, Path]]:
    for file in sorted(folder.rglob("*")) if folder.is_dir() else ():
        if file.is_file() and file.suffix in TYPES:
            yield f"/{file.relative_to(folder).as_posix()}", file
            if file == folder / "index.html":
                yield "/", file


def _serving(file: Path) -> Callable[[Request], Awaitable[Response]]:
    async def serve(request: Request) -> Response:
        data, etag = _content(file, file.stat().st_mtime_ns)
        headers = {"ETag": etag, "Cache-Control": "no-cache"}
        if etag in request.headers.get("if-none-match", ""):
            return Response(None, 304, headers)
        return Response(data, 200, headers, TYPES[file.suffix])

    return serve


@lru_cache(maxsize=256)
def _content(file: Path, changed: int) -> tuple[bytes, str]:
    """The file and its tag; read again when it has changed."""
    data = file.read_bytes()
    return data, f'"{hashlib.sha256(data).hexdigest()[:32]}"'
