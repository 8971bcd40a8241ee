"""The routes that look at a whole collection: the map of it and its duplicates."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Query
from starlette.responses import Response

from dinosearch.analysis import Group, find, project
from dinosearch.analysis.duplicates import is_judged
from dinosearch.collection import Collection
from dinosearch.errors import ImageNotFoundError
from dinosearch.server.catalogue import Served
from dinosearch.server.context import Asked, Context, Shared
from dinosearch.server.wire.answers import Computing, Groups, Map
from dinosearch.server.wire.cursors import digest
from dinosearch.server.wire.problems import invalid
from dinosearch.server.wire.replies import json_reply, problems
from dinosearch.server.wire.schemas import Cursor, QueryCount, Where
from dinosearch.server.work.background import Answered, Moment, UnderWay

routes = APIRouter(prefix="/v1/collections/{name}", tags=["overview"])
AGAIN = {"Retry-After": "1"}
_FILTERED = 200
"""Ids that one filter names; it takes 250 values."""
_LATER: dict[int | str, dict[str, Any]] = {
    202: {"model": Computing, "description": "It is being made; ask again after Retry-After seconds."}
}
_RESPONSES: dict[int | str, dict[str, Any]] = {**problems(404), **_LATER}


@routes.get("/map", operation_id="map", summary="A map of the collection", response_model=Map, responses=_RESPONSES)
async def map_(context: Shared, served: Asked) -> Response:
    """Place each image in the plane, so that images that look alike lie together."""

    def draw(found: Answered) -> Response:
        made = found.result
        points = zip(made.ids.tolist(), *np.round(made.xy.astype(float), 5).T.tolist(), strict=True)
        return json_reply({"state": found.moment.state, "points": list(points), "method": made.method})

    return await context.work.run(
        lambda: _asked(context, served, "map", lambda progress: project(served.collection, progress), draw)
    )


@routes.get(
    "/duplicates",
    operation_id="duplicates",
    summary="Groups of duplicates",
    response_model=Groups,
    responses=_RESPONSES,
)
async def duplicates(
    context: Shared,
    served: Asked,
    threshold: Annotated[
        float, Query(gt=0, le=1, allow_inf_nan=False, description="Smallest cosine of a pair.")
    ] = 0.95,
    within: Annotated[Where, Query(description="Only groups with a file in this folder.")] = None,
    limit: Annotated[QueryCount, Query(description="Groups of a page.")] = 50,
    cursor: Annotated[Cursor, Query()] = None,
) -> Response:
    """Group files that are equal, and images that are nearly the same and were not said to be none."""
    if within and context.shown.hidden:
        raise invalid("this server hides folders", "within")
    bound = digest("duplicates", served.name, threshold, within)
    begin = int(context.cursors.read(bound, cursor)) if cursor else 0

    def page(found: Answered) -> Response:
        groups: list[dict[str, Any]] = []
        place = begin
        while place < len(found.result) and len(groups) < limit:
            described = [
                one for one in _described(served.collection, found.result[place]) if _inside(one["files"], within)
            ]
            if groups and len(groups) + len(described) > limit:
                break
            groups += described
            place += 1
        for group in groups:
            group["files"] = [context.shown.row(row) for row in group["files"]]
        more = context.cursors.make(bound, place) if place < len(found.result) else None
        return json_reply({"state": found.moment.state, "groups": groups, "next": more})

    threshold = max(round(threshold, 4), 0.0001)
    return await context.work.run(
        lambda: _asked(
            context,
            served,
            f"duplicates {threshold}",
            lambda progress: find(served.collection, threshold, progress, judged=True),
            page,
        )
    )


def _asked(
    context: Context, served: Served, what: str, compute: Callable[..., Any], answer: Callable[[Answered], Response]
) -> Response:
    try:
        # In this order: a commit between the two makes the answer look older than it is, and not newer.
        now = Moment(served.state(), served.collection.images_state)
        found = context.background.ask((served.name, served.identity, what), now, compute)
    except ImageNotFoundError:  # an image left while it was computed: the next who asks begins anew
        found = UnderWay("beginning again", None)
    if isinstance(found, Answered):
        return answer(found)
    return json_reply({"status": "computing", "doing": found.doing, "progress": found.share}, 202, AGAIN)


def _described(collection: Collection, group: Group) -> list[dict[str, Any]]:
    """A group with its files that are still there, each with its cosine to the first image.

    What was said of it counts at once, and needs no new search: of a group that is none its equal files are left.
    """
    parts = (group.ids[low : low + _FILTERED] for low in range(0, len(group.ids), _FILTERED))
    rows = [row for part in parts for row in collection.files(f"id in ({', '.join(map(str, part))})")]
    numbers = list(dict.fromkeys(row["id"] for row in rows))
    if len(numbers) == 1 or is_judged(numbers, collection.not_duplicates(numbers)):
        equal = ([{**row, "score": 1.0} for row in rows if row["id"] == number] for number in numbers)
        return [{"kind": "exact", "score": 1.0, "files": files} for files in equal if len(files) > 1]
    try:
        vectors = collection.vectors(numbers)[1]
    except ImageNotFoundError:  # one has left since
        return []
    scores = dict(zip(numbers, (vectors @ vectors[0]).tolist(), strict=True)) if numbers else {}
    files = [{**row, "score": scores[row["id"]]} for row in rows]
    return [{"kind": group.kind, "score": group.score, "files": files}] if files else []


def _inside(files: list[dict[str, Any]], folder: str | None) -> bool:
    if not folder:
        return True
    start = folder.rstrip("/\\")
    return any(row["path"].startswith((f"{start}/", f"{start}\\", f"{start}::")) for row in files)
