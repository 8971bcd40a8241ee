"""Pictures of the collection's images for display, by id only: small, upright, without metadata, and kept once made."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BeforeValidator
from starlette.responses import Response

from dinosearch.errors import ImageUnreadableError
from dinosearch.server.catalogue import Served
from dinosearch.server.context import Asked, Context, Shared
from dinosearch.server.routes.collections import files_of
from dinosearch.server.wire.problems import Refused
from dinosearch.server.wire.replies import problems
from dinosearch.server.wire.schemas import PathId, digits

routes = APIRouter(prefix="/v1/collections/{name}/images/{id}", tags=["pictures"])
Size = Literal[160, 320, 640, 1280, 2048]
_FRESH = "private, max-age=3600"
"""An id never gets another content; the hour bounds how long a removed image is seen."""


async def picture(
    context: Shared,
    served: Asked,
    request: Request,
    id: PathId,
    size: Annotated[Size, BeforeValidator(digits), Query(description="Longest side in pixels.")] = 320,
) -> Response:
    """Give a picture of the image as JPEG: upright, sRGB, without metadata, not enlarged."""
    wanted = request.headers.get("if-none-match", "")
    return await context.work.run(lambda: _made(context, served, id, size, wanted))


_JPEG: dict[int | str, dict[str, Any]] = {
    200: {"description": "The picture.", "content": {"image/jpeg": {}}},
    304: {"description": "You have it."},
}
routes.add_api_route(
    "/picture",
    picture,
    operation_id="picture",
    summary="Show an image",
    response_class=Response,
    responses={**problems(404), **_JPEG},
)
routes.add_api_route("/picture", picture, methods=["HEAD"], include_in_schema=False)


def _made(context: Context, served: Served, number: int, size: int, wanted: str) -> Response:
    content = files_of(served.collection, number)[0]["sha256"]
    name = f"{content}-{size}"
    headers = {"ETag": f'"{name}"', "Cache-Control": _FRESH}
    if _matches(wanted, headers["ETag"]):
        return Response(None, 304, headers)
    data = context.pictures.get(name)
    if data is None:
        try:
            data = served.collection.picture(number, size)
        except ImageUnreadableError:
            raise Refused(404, "PictureGone", "the file of this image is gone, changed or unreadable") from None
        context.pictures.put(name, data)
    return Response(data, 200, headers, "image/jpeg")


def _matches(wanted: str, etag: str) -> bool:
    """Whether If-None-Match names the tag (RFC 9110, 13.1.2: compared weakly)."""
    tags = [tag.strip().removeprefix("W/") for tag in wanted.split(",")]
    return etag in tags or tags == ["*"]
