"""What the routes of one server share, and how a route gets at it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Path, Request

from dinosearch.server.catalogue import Catalogue, Served
from dinosearch.server.guards.fetching import Fetcher
from dinosearch.server.guards.sessions import Sessions
from dinosearch.server.settings import Settings
from dinosearch.server.watching.metrics import Metrics
from dinosearch.server.wire.cursors import Cursors
from dinosearch.server.wire.problems import Refused
from dinosearch.server.wire.shown import Shown
from dinosearch.server.work.background import Background
from dinosearch.server.work.jobs import Jobs
from dinosearch.server.work.picture_cache import PictureCache
from dinosearch.server.work.threads import Work


@dataclass(frozen=True)
class Context:
    """The parts of one server."""

    settings: Settings
    catalogue: Catalogue
    work: Work
    cursors: Cursors
    fetcher: Fetcher
    shown: Shown
    pictures: PictureCache
    sessions: Sessions
    background: Background
    jobs: Jobs
    metrics: Metrics


def _of(request: Request) -> Context:
    context: Context = request.app.state.context
    return context


# Coroutines, though they wait for nothing: FastAPI runs a plain function in a thread, and each hand-over costs more
# than all that these do.
async def _context(request: Request) -> Context:
    return _of(request)


async def _served(
    request: Request,
    name: Annotated[str, Path(min_length=1, max_length=100, description="Name of a collection.")],
) -> Served:
    try:
        return _of(request).catalogue[name]
    except KeyError:
        raise Refused(404, "NoSuchCollection", "there is no collection of that name") from None


async def _writable(request: Request) -> Context:
    context = _of(request)
    if not context.settings.writable:
        raise Refused(403, "ReadOnly", "this server changes nothing; its owner can start it with: --writable")
    return context


Shared = Annotated[Context, Depends(_context)]
Writable = Annotated[Context, Depends(_writable)]
Asked = Annotated[Served, Depends(_served)]
