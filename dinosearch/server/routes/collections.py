"""The routes that describe collections: the list, one in numbers, what filters can be made of, and its files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import Response

from dinosearch.collection import Collection
from dinosearch.errors import CollectionNotFoundError
from dinosearch.server.catalogue import Served
from dinosearch.server.context import Asked, Context, Shared
from dinosearch.server.wire.answers import Collections, Facets, Files, ImageFacts, Info
from dinosearch.server.wire.cursors import digest
from dinosearch.server.wire.facets import facets_of
from dinosearch.server.wire.problems import Refused, without_paths
from dinosearch.server.wire.replies import json_reply, problems
from dinosearch.server.wire.schemas import Cursor, PathId, QueryCount, Where
from dinosearch.store import parse_filter

routes = APIRouter(prefix="/v1/collections", tags=["collections"])
_ONE = problems(404)
_FILTERED = 10**15
"""Filters know no larger numbers, and collections no larger ids."""


@routes.get(
    "", operation_id="collections", summary="List the collections", response_model=Collections, responses=problems()
)
async def collections(context: Shared) -> Response:
    """Name every collection of this server, with its counts."""
    return await context.work.run(lambda: json_reply({"collections": [*_briefs(context)]}))


@routes.get("/{name}", operation_id="info", summary="Describe a collection", response_model=Info, responses=_ONE)
async def info(context: Shared, served: Asked) -> Response:
    """Count and measure what the collection holds."""

    def describe() -> Response:
        found = {**served.collection.info().to_dict(), "name": served.name, "state": served.state()}
        found["images_state"] = served.collection.images_state
        found["writable"] = context.settings.writable
        calibration = served.collection.calibration
        found["calibration"] = calibration.to_dict() if calibration else None
        found["is_refined"] = served.collection.is_refined
        if found["index_problem"]:
            found["index_problem"] = without_paths(found["index_problem"], [found["home"]])
        found["home"] = context.shown.path(found["home"])
        found["roots"] = [{**root, "path": context.shown.path(root["path"])} for root in found["roots"]]
        return json_reply(found)

    return await context.work.run(describe)


@routes.get(
    "/{name}/facets",
    operation_id="facets",
    summary="What filters can be made of",
    response_model=Facets,
    responses=_ONE,
)
async def facets(context: Shared, served: Asked) -> Response:
    """Count folders, formats and cameras, and give the first and last of dates and sizes."""
    return await context.work.run(lambda: json_reply(facets_of(served, context.shown.hidden)))


@routes.get("/{name}/files", operation_id="files", summary="List the files", response_model=Files, responses=_ONE)
async def files(
    context: Shared,
    served: Asked,
    where: Annotated[Where, Query()] = None,
    limit: Annotated[QueryCount, Query(description="Files of a page.")] = 100,
    cursor: Annotated[Cursor, Query()] = None,
) -> Response:
    """List the files that match a filter, in the order of image id and path."""
    bound = digest("files", served.name, where)
    after = context.cursors.read(bound, cursor) if cursor else None
    context.shown.where(where)

    def page() -> Response:
        found = list(islice(_after(served.collection, where, after), limit + 1))
        more = found[limit - 1] if len(found) > limit else None
        return json_reply(
            {
                "files": [context.shown.row(row) for row in found[:limit]],
                "next": context.cursors.make(bound, [more["id"], more["path"]]) if more else None,
            }
        )

    return await context.work.run(page)


@routes.get(
    "/{name}/images/{id}", operation_id="image", summary="Describe an image", response_model=ImageFacts, responses=_ONE
)
async def image(context: Shared, served: Asked, id: PathId) -> Response:
    """Name the files of one image, which are identical, with their sizes and dates."""

    def describe() -> Response:
        found = files_of(served.collection, id)
        size = {side: found[0][side] for side in ("width", "height")}
        return json_reply({"id": id, **size, "files": [context.shown.row(row) for row in found]})

    return await context.work.run(describe)


def files_of(collection: Collection, number: int) -> list[dict[str, Any]]:
    """The files of an image.

    Raises:
        Refused: 404.
    """
    found = list(collection.files(f"id = {number}")) if number < _FILTERED else []
    if not found:
        raise Refused(404, "ImageNotFoundError", f"there is no image id:{number} in this collection")
    return found


def _after(collection: Collection, where: str | None, after: list[Any] | None) -> Iterator[dict[str, Any]]:
    """The files behind an id and path."""
    if where and where.strip():
        parse_filter(where)  # its errors speak of the client's own text
        where = f"({where})"
    else:
        where = None
    if after is None:
        yield from collection.files(where)
        return
    number, path = after
    behind = f"id >= {int(number)}"
    for row in collection.files(f"{where} and {behind}" if where else behind):
        if (row["id"], row["path"]) > (number, path):
            yield row


def _briefs(context: Context) -> Iterator[dict[str, Any]]:
    """Those whose home is there."""
    for served in context.catalogue:
        with suppress(CollectionNotFoundError):
            yield _brief(served, context)


def _brief(served: Served, context: Context) -> dict[str, Any]:
    found = served.collection.info()
    return {
        "name": served.name,
        "images": found.images,
        "files": found.files,
        "model": found.fingerprint.checkpoint if found.fingerprint else None,
        "dimension": found.fingerprint.dimension if found.fingerprint else None,
        "state": served.state(),
        "images_state": served.collection.images_state,
        "writable": context.settings.writable,
        "calibrated": served.collection.calibration is not None,
        "regions": any(derived.kind == "regions" for derived in found.derived),
    }
