"""The routes that tell which images there are: the ids of those that match, and of those that are named."""

from __future__ import annotations

import os
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Depends
from pydantic import ConfigDict, Field
from starlette.responses import Response

from dinosearch.server.context import Asked as Served
from dinosearch.server.context import Shared
from dinosearch.server.wire.bodies import body_of, json_body
from dinosearch.server.wire.cursors import digest
from dinosearch.server.wire.problems import invalid
from dinosearch.server.wire.replies import json_reply, problems
from dinosearch.server.wire.schemas import Answered, Asked, Count, Cursor, Text, Where

MOST = 100_000
routes = APIRouter(prefix="/v1/collections/{name}", tags=["collections"])
_Name = Annotated[Text, Field(min_length=1, max_length=4_096, pattern=r"^[^\x00]*$")]


class IdsWanted(Asked):
    """Which ids are wanted, page by page."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"where": "width > 1000"}, {"under": "/photos/2020"}]})

    where: Where = None
    under: Annotated[_Name | None, Field(description="A whole path: only images of this folder, archive or file.")] = (
        None
    )
    limit: Annotated[Count, Field(ge=1, le=MOST)] = 10_000
    cursor: Cursor = None


class Ids(Answered):
    """A page of ids, rising."""

    ids: list[int]
    next: str | None


class NamesAsked(Asked):
    """What images are called on the server: whole paths, `id:N`, or `sha256:` and the 64 digits of a content."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"names": ["/photos/a.jpg", "id:12"]}]})

    names: Annotated[list[_Name], Field(max_length=10_000)]


class Named(Answered):
    """The id of each name that names an image."""

    ids: dict[str, int]


@routes.post(
    "/ids",
    operation_id="ids",
    summary="List the ids",
    response_model=Ids,
    responses=problems(400, 404, 415),
    openapi_extra=body_of(IdsWanted),
)
async def ids(context: Shared, served: Served, wanted: Annotated[IdsWanted, Depends(json_body(IdsWanted))]) -> Response:
    """List the ids of the images that can be found, of those that match a filter, or of those in a folder."""
    where, under = wanted.where, wanted.under
    if where and under:
        raise invalid("it goes with no filter; ask with one of them", "under")
    context.shown.where(where)
    _require([under] if under else [], context, "under")
    bound = digest("ids", served.name, where, under)
    after = int(context.cursors.read(bound, wanted.cursor)) if wanted.cursor else -1

    def page() -> Response:
        asked = served.collection
        found = np.array(asked.ids_under(under), np.int64) if under else asked.ids(where)
        part = found[np.searchsorted(found, after, side="right") :][: wanted.limit + 1].tolist()
        more = context.cursors.make(bound, part[wanted.limit - 1]) if len(part) > wanted.limit else None
        return json_reply({"ids": part[: wanted.limit], "next": more})

    return await context.work.run(page)


@routes.post(
    "/ids/named",
    operation_id="ids_named",
    summary="Find images by name",
    response_model=Named,
    responses=problems(400, 404, 415),
    openapi_extra=body_of(NamesAsked),
)
async def named(
    context: Shared, served: Served, asked: Annotated[NamesAsked, Depends(json_body(NamesAsked))]
) -> Response:
    """Give the ids of names; the server's disk is not looked at, only what the collection knows."""
    _require(asked.names, context, "names")
    return await context.work.run(lambda: json_reply({"ids": served.collection.ids_of(asked.names)}))


def _require(names: list[Any], context: Shared, where: str) -> None:
    for name in names:
        if not name.startswith(("id:", "sha256:")):
            if context.shown.hidden:
                raise invalid("this server hides folders, so images have no other names than id:N", where)
            if not os.path.isabs(name):
                raise invalid("it is neither a whole path nor an id such as id:12", where)
