"""The routes of what is said of images: labels, and pairs that are no duplicates.

Each is read by a POST, as ids do not fit an address, and written by another below it, where the server is writable.
Writing is a matter of milliseconds, so that it is no job; while one runs in the collection it is refused with 409.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.responses import Response

from dinosearch.server.context import Asked, Shared, Writable
from dinosearch.server.wire.bodies import body_of, json_body
from dinosearch.server.wire.cursors import digest
from dinosearch.server.wire.replies import json_reply, problems
from dinosearch.server.wire.said import (
    LabelsForgotten,
    LabelsGiven,
    LabelsSaid,
    PairsGiven,
    PairsSaid,
    SaidWanted,
    Written,
)

routes = APIRouter(prefix="/v1/collections/{name}", tags=["said"])
_READ, _WRITE = problems(400, 404, 415), problems(400, 404, 409, 415)


@routes.post(
    "/labels",
    operation_id="labels",
    summary="What images are called",
    response_model=LabelsSaid,
    responses=_READ,
    openapi_extra=body_of(SaidWanted),
)
async def labels(
    context: Shared, served: Asked, wanted: Annotated[SaidWanted, Depends(json_body(SaidWanted))]
) -> Response:
    """Give labels, those that people gave and those that were voted."""

    def read() -> Response:
        found = list(served.collection.tags(wanted.ids).values())
        bound = digest("labels", served.name, wanted.ids)
        part, more = context.cursors.page(bound, wanted.cursor, wanted.limit, found, lambda one: one.image_id)
        shown = [
            {
                "id": one.image_id,
                "label": one.label,
                "confidence": one.confidence,
                "given": one.given,
                "made": one.made.isoformat(),
            }
            for one in part
        ]
        return json_reply({"labels": shown, "next": more})

    return await context.work.run(read)


@routes.post(
    "/labels/say",
    operation_id="say_labels",
    summary="Say what images are called",
    response_model=Written,
    responses=_WRITE,
    openapi_extra=body_of(LabelsGiven),
)
async def say_labels(
    context: Writable, served: Asked, said: Annotated[LabelsGiven, Depends(json_body(LabelsGiven))]
) -> Response:
    """Record one label for each image; nothing is recorded where one of them is not in the collection."""
    ids, names = [one.id for one in said.labels], [one.label for one in said.labels]
    shares = [one.confidence for one in said.labels]
    return await context.work.run(lambda: _written(served, served.collection.tag(ids, names, shares, given=said.given)))


@routes.post(
    "/labels/forget",
    operation_id="forget_labels",
    summary="Forget what images are called",
    response_model=Written,
    responses=_WRITE,
    openapi_extra=body_of(LabelsForgotten),
)
async def forget_labels(
    context: Writable, served: Asked, whose: Annotated[LabelsForgotten, Depends(json_body(LabelsForgotten))]
) -> Response:
    """Forget labels; without ids those of all images."""
    return await context.work.run(lambda: _written(served, served.collection.untag(whose.ids, given=whose.given)))


@routes.post(
    "/not-duplicates",
    operation_id="not_duplicates",
    summary="Pairs that are no duplicates",
    response_model=PairsSaid,
    responses=_READ,
    openapi_extra=body_of(SaidWanted),
)
async def not_duplicates(
    context: Shared, served: Asked, wanted: Annotated[SaidWanted, Depends(json_body(SaidWanted))]
) -> Response:
    """Give the pairs that were said to be no duplicates, those with at least one of the ids."""

    def read() -> Response:
        found = served.collection.not_duplicates(wanted.ids)
        bound = digest("not-duplicates", served.name, wanted.ids)
        part, more = context.cursors.page(bound, wanted.cursor, wanted.limit, found, list)
        return json_reply({"pairs": [list(pair) for pair in part], "total": len(found), "next": more})

    return await context.work.run(read)


@routes.post(
    "/not-duplicates/say",
    operation_id="say_not_duplicates",
    summary="Say that pairs are no duplicates",
    response_model=Written,
    responses=_WRITE,
    openapi_extra=body_of(PairsGiven),
)
async def say_not_duplicates(
    context: Writable, served: Asked, said: Annotated[PairsGiven, Depends(json_body(PairsGiven))]
) -> Response:
    """Record it; a group of duplicates all of whose pairs are said to be none is shown no more."""
    return await context.work.run(lambda: _pairs(served, said, forget=False))


@routes.post(
    "/not-duplicates/forget",
    operation_id="forget_not_duplicates",
    summary="Forget that pairs are no duplicates",
    response_model=Written,
    responses=_WRITE,
    openapi_extra=body_of(PairsGiven),
)
async def forget_not_duplicates(
    context: Writable, served: Asked, said: Annotated[PairsGiven, Depends(json_body(PairsGiven))]
) -> Response:
    """Forget it; pairs of which nothing was said stay as they are."""
    return await context.work.run(lambda: _pairs(served, said, forget=True))


def _pairs(served: Asked, said: PairsGiven, *, forget: bool) -> Response:
    pairs = [(one, other) for one, other in said.pairs]
    served.collection.say_not_duplicates(pairs, forget=forget)
    return _written(served, len({frozenset(pair) for pair in pairs}))


def _written(served: Asked, count: int) -> Response:
    return json_reply({"written": count, "state": served.state()})
