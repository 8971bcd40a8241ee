"""The routes that say why two images match, as numbers or as a picture."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from dinosearch.records.wire import explanation_to_dict
from dinosearch.server.catalogue import Served
from dinosearch.server.context import Asked, Context, Shared
from dinosearch.server.wire.answers import Explained
from dinosearch.server.wire.bodies import body_of, checked, json_body, upload, upload_of
from dinosearch.server.wire.problems import invalid
from dinosearch.server.wire.questions import image_of
from dinosearch.server.wire.replies import json_reply, problems
from dinosearch.server.wire.schemas import ExplainQuestion, Result

routes = APIRouter(prefix="/v1/collections/{name}/explain", tags=["explain"])
PNG = "image/png"
_RESPONSES: dict[int | str, dict[str, Any]] = {
    **problems(400, 404, 415),
    200: {"description": "The comparison; its picture, where that is accepted.", "content": {PNG: {}}},
}


@routes.post(
    "",
    operation_id="explain",
    summary="Explain a match",
    response_model=Explained,
    responses=_RESPONSES,
    openapi_extra=body_of(ExplainQuestion),
)
async def explain(
    context: Shared,
    served: Asked,
    request: Request,
    question: Annotated[ExplainQuestion, Depends(json_body(ExplainQuestion))],
) -> Response:
    """Compare an example with an image patch by patch; `Accept: image/png` gives a picture of it."""
    query = await image_of(question.query, (), context, "query")
    if isinstance(query, np.ndarray):
        raise invalid("a vector has no picture; name an image", "query")
    return await _explained(context, served, request, query, question.result.id)


@routes.post(
    "/upload",
    operation_id="explain_upload",
    summary="Explain a match with an uploaded image",
    response_model=Explained,
    responses=_RESPONSES,
    openapi_extra=upload_of(
        {"image": (1, 1)}, {"result": {"type": "integer", "minimum": 0, "maximum": 2**63 - 1}}, ("image", "result")
    ),
)
async def explain_upload(context: Shared, served: Asked, request: Request) -> Response:
    """Compare an uploaded image with one of the collection, whose id is `result`."""
    parts = await upload(request, files=("image",), fields=("result",))
    for name in ("image", "result"):
        if len(parts[name]) != 1:
            raise invalid("it is needed exactly once", name)
    result = await checked(Result, b'{"id":' + parts["result"][0] + b"}")
    return await _explained(context, served, request, parts["image"][0], result.id)


async def _explained(context: Context, served: Served, request: Request, query: int | bytes, result: int) -> Response:
    drawn = PNG in request.headers.get("accept", "").lower()

    def compare() -> Response:
        if drawn:
            return Response(served.collection.draw_explanation(query, result)[1], 200, media_type=PNG)
        return json_reply(explanation_to_dict(served.collection.explain(query, result)))

    return await context.work.run(compare)
