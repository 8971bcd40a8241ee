"""The routes that hand out vectors: of uploaded images, and of those of the collection."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from dinosearch.server.context import Asked, Shared
from dinosearch.server.wire.answers import Embedded, VectorsGiven
from dinosearch.server.wire.bodies import MOST_FILES, body_of, json_body, upload, upload_of
from dinosearch.server.wire.cursors import digest
from dinosearch.server.wire.problems import invalid
from dinosearch.server.wire.replies import json_reply, problems
from dinosearch.server.wire.schemas import VectorsWanted

routes = APIRouter(prefix="/v1/collections/{name}", tags=["vectors"])
_WITH_BODY = problems(400, 404, 415)


@routes.post(
    "/embed",
    operation_id="embed",
    summary="Embed images",
    response_model=Embedded,
    responses=_WITH_BODY,
    openapi_extra=upload_of({"image": (1, MOST_FILES)}, {}, ("image",)),
)
async def embed(context: Shared, served: Asked, request: Request) -> Response:
    """Give the vectors of uploaded images, in their order, without storing anything."""
    images = (await upload(request, files=("image",)))["image"]
    if not images:
        raise invalid("at least one file is needed", "image")
    return await context.work.run(lambda: json_reply({"vectors": served.collection.embed(*images).tolist()}))


@routes.post(
    "/vectors",
    operation_id="vectors",
    summary="Hand out stored vectors",
    response_model=VectorsGiven,
    responses=_WITH_BODY,
    openapi_extra=body_of(VectorsWanted),
)
async def vectors(
    context: Shared, served: Asked, wanted: Annotated[VectorsWanted, Depends(json_body(VectorsWanted))]
) -> Response:
    """Give the vectors of ids; without ids, of all images page by page, in the order of their ids."""
    bound = digest("vectors", served.name)
    after = int(context.cursors.read(bound, wanted.cursor)) if wanted.cursor else -1

    def page() -> Response:
        if wanted.ids is not None:
            ids, rows = served.collection.vectors(wanted.ids)
            return json_reply({"ids": ids.tolist(), "vectors": rows.tolist(), "next": None})
        waiting = served.collection.ids()
        part = waiting[np.searchsorted(waiting, after, side="right") :][: wanted.limit + 1]
        ids, rows = served.collection.vectors(part[: wanted.limit])
        more = context.cursors.make(bound, int(ids[-1])) if len(part) > wanted.limit else None
        return json_reply({"ids": ids.tolist(), "vectors": rows.tolist(), "next": more})

    return await context.work.run(page)
