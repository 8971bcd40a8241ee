"""The route that searches by words."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.responses import Response

from dinosearch.server.context import Asked, Shared
from dinosearch.server.wire.answers import VectorsAnswer
from dinosearch.server.wire.bodies import body_of, json_body
from dinosearch.server.wire.replies import json_reply, problems
from dinosearch.server.wire.schemas import TextsQuestion

routes = APIRouter(prefix="/v1/collections/{name}", tags=["search"])


@routes.post(
    "/search/text",
    operation_id="search_text",
    summary="Search by words",
    response_model=VectorsAnswer,
    responses=problems(400, 404, 409, 415),
    openapi_extra=body_of(TextsQuestion),
)
async def search_text(
    context: Shared, served: Asked, question: Annotated[TextsQuestion, Depends(json_body(TextsQuestion))]
) -> Response:
    """Find the images that the words describe together, in one list; for collections indexed with `--text`."""
    where = context.shown.where(question.where)

    def ask() -> Response:
        state = served.state()
        hits = served.collection.query_text(
            *question.texts,
            k=question.k,
            where=where,
            threshold=question.threshold,
            exact=question.exact,
            unique=question.unique,
        )
        return json_reply({"answers": [[context.shown.hit(hit) for hit in hits]], "state": state})

    return await context.work.run(ask)
