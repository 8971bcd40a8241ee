"""The application: its routes, its guards, its errors."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from dinosearch import __version__
from dinosearch.collection import Collection
from dinosearch.errors import DinosearchError
from dinosearch.server.catalogue import Catalogue
from dinosearch.server.context import Context
from dinosearch.server.guards.fetching import Fetcher
from dinosearch.server.guards.limits import BodyLimits
from dinosearch.server.guards.request import REQUEST_ID, HostGuard, Named, OriginGuard, SafeHeaders, TokenGuard, host_of
from dinosearch.server.guards.sessions import Sessions
from dinosearch.server.routes import (
    collections,
    explain,
    health,
    ids,
    maps,
    pictures,
    said,
    search,
    session,
    vectors,
    verdicts,
    words,
)
from dinosearch.server.routes import jobs as job_routes
from dinosearch.server.routes.pages import login_page, page_routes
from dinosearch.server.routes.session import COOKIE
from dinosearch.server.settings import LOOPBACK, WILDCARDS, Settings
from dinosearch.server.watching.logs import Observed
from dinosearch.server.watching.metrics import Metrics, metric_routes
from dinosearch.server.wire.bodies import refusal
from dinosearch.server.wire.cursors import Cursors
from dinosearch.server.wire.openapi import describe
from dinosearch.server.wire.problems import answer, of_error
from dinosearch.server.wire.replies import json_reply
from dinosearch.server.wire.shown import Shown
from dinosearch.server.work.background import Background
from dinosearch.server.work.beforehand import Beforehand
from dinosearch.server.work.jobs import Jobs
from dinosearch.server.work.picture_cache import PictureCache
from dinosearch.server.work.threads import Admission, Work

OPENAPI = "/v1/openapi.json"
_log = logging.getLogger("dinosearch.server")


def create_app(settings: Settings, collections: Mapping[str, Collection] | None = None) -> FastAPI:
    """The application of a server.

    Args:
        settings: what it serves and what it allows.
        collections: open collections by name, in place of the settings' homes; whoever opened them closes them.

    Raises:
        DinosearchError: a collection cannot be opened.
    """
    context = _context(settings, collections)
    beforehand = Beforehand(context.catalogue, context.work)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        beforehand.begin()
        yield
        beforehand.close()
        context.jobs.close()
        context.background.close()
        context.work.close()
        context.jobs.join()
        context.catalogue.close()
        context.metrics.close()

    app = FastAPI(
        title="dinosearch",
        version=__version__,
        summary="Find the photos of the same thing.",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
    )
    app.state.context = context
    _add_routes(app, context)
    _add_guards(app, context)
    _answer_errors(app, settings, context)
    return app


def _context(settings: Settings, opened: Mapping[str, Collection] | None) -> Context:
    metrics = Metrics()
    return Context(
        settings,
        Catalogue(settings, opened, metrics.forward_pass),
        Work(settings.running_limit, settings.waiting_limit, settings.timeout, metrics.stage, metrics.busy),
        Cursors(settings.secret),
        Fetcher(max_bytes=settings.max_upload),
        Shown(settings.hide_paths),
        PictureCache(settings.cache_bytes, settings.disk_cache, settings.disk_cache_bytes),
        Sessions(settings.token, Path(settings.sessions) if settings.sessions else None),
        Background(),
        Jobs(metrics.job),
        metrics,
    )


def _add_routes(app: FastAPI, context: Context) -> None:
    asking, overviews = (ids, search, words, vectors, explain, pictures), (collections, maps)
    for part in (health, session, *overviews, *asking, said, verdicts, job_routes):
        app.include_router(part.routes)
    app.include_router(page_routes())
    app.include_router(metric_routes(context.metrics))

    async def document() -> Response:
        return json_reply(app.openapi())

    app.add_api_route(OPENAPI, document, methods=["GET"], include_in_schema=False)
    names = [served.name for served in context.catalogue]
    has_token = context.settings.token is not None
    app.openapi = lambda: describe(app, names, has_token=has_token)  # type: ignore[method-assign]


def _add_guards(app: FastAPI, context: Context) -> None:
    """Innermost first, as each is put around the others."""
    settings = context.settings
    app.add_middleware(BodyLimits, upload=settings.max_upload, other=settings.max_json, seconds=settings.body_time)
    places = settings.running_limit + settings.waiting_limit
    app.add_middleware(Admission, work=context.work, most=places * settings.max_upload)
    if settings.token is not None:
        app.add_middleware(
            TokenGuard,
            token=settings.token,
            is_session=context.sessions.is_session,
            cookie=COOKIE,
            free=(health.HEALTH, session.PATH),
            login=login_page,
        )
    app.add_middleware(OriginGuard, named=settings.cors)
    names = {host_of(name) or name for name in (*LOOPBACK, settings.host, *settings.hosts)} | {"::1"}
    app.add_middleware(HostGuard, names=names, any_address=settings.host in WILDCARDS)
    app.add_middleware(SafeHeaders)
    app.add_middleware(Observed, metrics=context.metrics)
    app.add_middleware(Named, failed=_failed)


def _failed(error: Exception, request_id: str) -> None:
    _log.error("request failed", exc_info=error, extra={"request_id": request_id})


def _answer_errors(app: FastAPI, settings: Settings, context: Context) -> None:
    homes = [*(str(served.home) for served in context.catalogue), *settings.roots]

    async def refuse(request: Request, error: Exception) -> Response:
        found = refusal(error) if isinstance(error, RequestValidationError) else of_error(error, homes)
        if found.status_code >= 500 and not isinstance(error, HTTPException):
            _failed(error, str(request.scope.get(REQUEST_ID, "")))
        return answer(found, str(request.scope.get(REQUEST_ID, "")))

    kinds: tuple[Any, ...] = (HTTPException, RequestValidationError, DinosearchError, ValueError, TypeError)
    for kind in kinds:
        app.add_exception_handler(kind, refuse)
