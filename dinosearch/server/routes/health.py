"""Whether the server lives and whether it can answer."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from dinosearch.server.context import Shared
from dinosearch.server.wire.answers import Status
from dinosearch.server.wire.problems import Refused
from dinosearch.server.wire.replies import WITHOUT_TOKEN, json_reply, problems

HEALTH = "/v1/health"
routes = APIRouter(tags=["health"])


@routes.get(
    HEALTH,
    operation_id="health",
    summary="Is the server alive?",
    response_model=Status,
    responses=problems(),
    openapi_extra=WITHOUT_TOKEN,
)
async def health() -> Response:
    """Answer while the process lives; no token is needed."""
    return json_reply({"status": "ok"})


@routes.get("/v1/ready", operation_id="ready", summary="Can it answer?", response_model=Status, responses=problems())
async def ready(context: Shared) -> Response:
    """Answer 200 when every collection is open and its model loaded."""
    if not context.catalogue.ready():
        raise Refused(503, "NotReady", "the models are being loaded; try again", {"Retry-After": "1"})
    return json_reply({"status": "ready"})
