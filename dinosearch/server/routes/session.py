"""The routes that open and end the session of a browser."""

from __future__ import annotations

import asyncio
from urllib.parse import parse_qs

from fastapi import APIRouter, Request
from starlette.responses import Response

from dinosearch.server.context import Shared
from dinosearch.server.guards.sessions import LASTS, SessionsUnkeptError
from dinosearch.server.routes.pages import login_page
from dinosearch.server.wire.answers import Status
from dinosearch.server.wire.bodies import JSON, body_of, checked
from dinosearch.server.wire.problems import Refused
from dinosearch.server.wire.replies import WITHOUT_TOKEN, json_reply, problems
from dinosearch.server.wire.schemas import Login

COOKIE = "dinosearch"
PATH = "/v1/session"
_FORM = "application/x-www-form-urlencoded"
_UNKEPT = Refused(503, "SessionsUnkept", "the server cannot write down its sessions; try again", {"Retry-After": "5"})

routes = APIRouter(tags=["session"])


@routes.post(
    PATH,
    operation_id="login",
    summary="Open a session",
    response_model=Status,
    responses=problems(400, 415),
    openapi_extra={**body_of(Login), **WITHOUT_TOKEN},
)
async def login(context: Shared, request: Request) -> Response:
    """Set the cookie of a browser that shows the token; a form is sent on to the page."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in (JSON, _FORM):
        raise Refused(415, "UnsupportedMediaType", f"the body must be {JSON}")
    body = await request.body()
    if kind == JSON:
        token = (await checked(Login, body)).token
    else:
        token = _field(body.decode("utf-8", "replace"), "token")
    sessions = context.sessions
    if context.settings.token is not None and not sessions.is_token(token):
        if kind == _FORM:
            return login_page(wrong=True)
        raise Refused(401, "WrongToken", "that is not the token", {"WWW-Authenticate": "Bearer"})
    reply = json_reply({"status": "ok"}) if kind == JSON else Response(None, 303, {"Location": "/"})
    if context.settings.token is not None:
        try:
            value = await asyncio.to_thread(sessions.begin)
        except SessionsUnkeptError:
            raise _UNKEPT from None
        secure = request.url.scheme == "https"
        reply.set_cookie(COOKIE, value, LASTS, path="/", secure=secure, httponly=True, samesite="strict")
    return reply


def _field(form: str, name: str) -> str:
    try:
        return parse_qs(form, max_num_fields=4).get(name, [""])[0].strip()
    except ValueError:
        raise Refused(400, "BadRequest", "the form has too many fields") from None


@routes.get(
    PATH,
    operation_id="session",
    summary="Is there a session?",
    response_model=Status,
    responses=problems(),
    openapi_extra=WITHOUT_TOKEN,
)
async def state(context: Shared, request: Request) -> Response:
    """Say whether the cookie of this browser is of an open session, or there is `none`."""
    is_open = context.sessions.is_session(request.cookies.get(COOKIE, ""))
    return json_reply({"status": "open" if is_open else "none"})


@routes.delete(
    PATH,
    operation_id="logout",
    summary="End the session",
    response_model=Status,
    responses=problems(),
    openapi_extra=WITHOUT_TOKEN,
)
async def logout(context: Shared, request: Request) -> Response:
    """End the session on the server, for all who have its cookie, and take the cookie back."""
    try:
        await asyncio.to_thread(context.sessions.end, request.cookies.get(COOKIE, ""))
    except SessionsUnkeptError:
        raise _UNKEPT from None
    reply = json_reply({"status": "ok"})
    reply.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
    return reply
