"""The routes of verdicts, a person's word on whether results are right: given, listed, taken back.

Writing is a matter of milliseconds, as for labels, so that it is no job; the calibration follows at once.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import BeforeValidator, Field
from starlette.responses import Response

from dinosearch.records import Calibration
from dinosearch.server.context import Asked, Shared, Writable
from dinosearch.server.wire.bodies import body_of, json_body
from dinosearch.server.wire.cursors import digest
from dinosearch.server.wire.problems import invalid
from dinosearch.server.wire.replies import json_reply, problems
from dinosearch.server.wire.schemas import LARGEST_ID, Cursor, QueryCount, digits
from dinosearch.server.wire.verdicts import (
    LISTED,
    Judged,
    Sha256,
    TakenBack,
    VerdictsForgotten,
    VerdictsGiven,
    VerdictsSaid,
)

routes = APIRouter(prefix="/v1/collections/{name}/verdicts", tags=["said"])
_WRITE = problems(400, 404, 409, 415)
_QueryId = Annotated[int, BeforeValidator(digits), Field(ge=0, le=LARGEST_ID)]


@routes.get(
    "",
    operation_id="verdicts",
    summary="What was said of results",
    response_model=VerdictsSaid,
    responses=problems(404),
)
async def verdicts(
    context: Shared,
    served: Asked,
    query: Annotated[_QueryId | None, Query(description="Of this query, by its id; of all without it.")] = None,
    query_sha256: Annotated[Sha256, Query()] = None,
    results: Annotated[list[_QueryId] | None, Query(max_length=LISTED, description="On these images.")] = None,
    limit: Annotated[QueryCount, Query(description="Verdicts of a page.")] = 100,
    cursor: Annotated[Cursor, Query()] = None,
) -> Response:
    """List verdicts, each with its query, its result, the score when it was given, and when that was."""
    asked = _named(query, query_sha256)

    def read() -> Response:
        found = served.collection.verdicts(asked, results)
        bound = digest("verdicts", served.name, asked, results)
        part, more = context.cursors.page(bound, cursor, limit, found, lambda one: [one.query_sha256, one.image_id])
        shown = [
            {
                "query": one.query_id,
                "query_sha256": one.query_sha256,
                "id": one.image_id,
                "same": one.same,
                "score": one.score,
                "generation": one.generation,
                "made": one.made.isoformat(),
            }
            for one in part
        ]
        return json_reply({"verdicts": shown, "total": len(found), "next": more})

    return await context.work.run(read)


@routes.post(
    "",
    operation_id="judge",
    summary="Say whether results are right",
    response_model=Judged,
    responses=_WRITE,
    openapi_extra=body_of(VerdictsGiven),
)
async def judge(
    context: Writable, served: Asked, verdicts: Annotated[VerdictsGiven, Depends(json_body(VerdictsGiven))]
) -> Response:
    """Record that results show, or do not show, the same thing as an image of the collection."""

    def record() -> Response:
        hear = served.collection.confirm if verdicts.same else served.collection.reject
        return json_reply(_known(hear(verdicts.query, *(f"id:{number}" for number in verdicts.results))))

    return await context.work.run(record)


@routes.post(
    "/forget",
    operation_id="forget_verdicts",
    summary="Take back what was said of results",
    response_model=TakenBack,
    responses=_WRITE,
    openapi_extra=body_of(VerdictsForgotten),
)
async def forget(
    context: Writable, served: Asked, which: Annotated[VerdictsForgotten, Depends(json_body(VerdictsForgotten))]
) -> Response:
    """Forget verdicts, so that the estimates follow those that are left; without anything all of them."""
    asked = _named(which.query, which.query_sha256)

    def take() -> Response:
        count = served.collection.forget_verdicts(asked, which.results)
        return json_reply({**_known(served.collection.calibration), "written": count, "state": served.state()})

    return await context.work.run(take)


def _named(query: int | None, query_sha256: str | None) -> int | str | None:
    """A query as the collection takes it."""
    if query is not None and query_sha256 is not None:
        raise invalid("a query is named by its id or by its digest, not by both", "query_sha256")
    return query if query_sha256 is None else f"sha256:{query_sha256}"


def _known(calibration: Calibration | None) -> dict[str, Any]:
    return {"calibration": calibration.to_dict() if calibration else None}
