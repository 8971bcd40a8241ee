"""The bodies of requests: JSON and uploads, read with their limits and checked by a model away from the event loop.

FastAPI's own reading is not used: it parses on the event loop, lets NaN pass, and stops at deep nesting with an
exception.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.datastructures import UploadFile
from starlette.requests import Request

from dinosearch.server.wire.problems import Refused, invalid
from dinosearch.server.wire.schemas import MOST_EXAMPLES

M = TypeVar("M", bound=BaseModel)

JSON, MULTIPART = "application/json", "multipart/form-data"
MOST_FILES = 64
_QUICK = 32_768  # bytes that are checked at once; a thread would cost more
_MOST_ERRORS = 5


def json_body(model: type[M]) -> Callable[[Request], Awaitable[M]]:
    """A dependency that reads the body as JSON of a model.

    Raises:
        Refused: 415 for another content type, 422 for what the model refuses.
    """

    async def read(request: Request) -> M:
        _require(request, JSON)
        return await checked(model, await request.body())

    return read


async def checked(model: type[M], data: bytes) -> M:
    """The model that the JSON text describes."""
    if len(data) <= _QUICK:
        return _check(model, data)
    return await asyncio.to_thread(_check, model, data)


async def upload(request: Request, *, files: tuple[str, ...], fields: tuple[str, ...] = ()) -> dict[str, list[bytes]]:
    """The parts of an upload by name: bytes of files, bytes of fields.

    Args:
        request: the request.
        files: names of parts that are files, each given any number of times, together at most 64.
        fields: names of parts that are text.

    Raises:
        Refused: 400 for a broken body, 415 for another content type, 422 for unknown or misplaced parts.
    """
    _require(request, MULTIPART)
    found: dict[str, list[bytes]] = {name: [] for name in (*files, *fields)}
    async with request.form(max_files=MOST_FILES, max_fields=2 * MOST_EXAMPLES, max_part_size=2**20) as form:
        for name, value in form.multi_items():
            if name not in found:
                known = ", ".join(found)
                raise invalid(f"the upload has a part {name[:40]!r}, which is none of: {known}")
            found[name].append(await _content(value))
    return found


async def _content(part: UploadFile | str) -> bytes:
    """A file's bytes; also of text, as a part without a file name is taken for text."""
    return part.encode("utf-8", "surrogateescape") if isinstance(part, str) else await part.read()


def body_of(model: type[BaseModel]) -> dict[str, Any]:
    """The OpenAPI description of a JSON body, for `openapi_extra`."""
    content = {JSON: {"schema": {"$ref": f"#/components/schemas/{model.__name__}"}}}
    return {"requestBody": {"required": True, "content": content}}


def upload_of(
    files: dict[str, tuple[int, int]], fields: dict[str, type[BaseModel] | dict[str, Any]], required: tuple[str, ...]
) -> dict[str, Any]:
    """The OpenAPI description of an upload: names of files with the least and the most of each, and of fields."""
    parts: dict[str, Any] = {}
    for name, (least, most) in files.items():
        one = {"type": "string", "format": "binary"}
        parts[name] = {"type": "array", "items": one, "minItems": least, "maxItems": most}
    for name, form in fields.items():
        parts[name] = form if isinstance(form, dict) else {"$ref": f"#/components/schemas/{form.__name__}"}
    schema = {"type": "object", "properties": parts, "required": list(required), "additionalProperties": False}
    encoding = {name: {"contentType": JSON} for name, form in fields.items() if not isinstance(form, dict)}
    content = {MULTIPART: {"schema": schema, **({"encoding": encoding} if encoding else {})}}
    return {"requestBody": {"required": True, "content": content}}


def _require(request: Request, wanted: str) -> None:
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given != wanted:
        raise Refused(415, "UnsupportedMediaType", f"the body must be {wanted}")


def _check(model: type[M], data: bytes) -> M:
    try:
        return model.model_validate_json(data)
    except ValidationError as error:
        raise refusal(error) from None
    except RecursionError:
        raise invalid("the JSON is nested too deeply") from None


def refusal(error: ValidationError | RequestValidationError) -> Refused:
    """422 that names each wrong part, without repeating what was sent."""
    # What was sent is not copied into the errors: of a large body that would take seconds.
    bare = {"include_input": False, "include_context": False, "include_url": False}
    errors = error.errors(**bare) if isinstance(error, ValidationError) else error.errors()
    found = [
        {"where": ".".join(str(part)[:60] for part in one["loc"]), "what": one["msg"][:200]}
        for one in errors[:_MOST_ERRORS]
    ]
    first = found[0]
    said = f"{first['where']}: {first['what']}" if first["where"] else first["what"]
    return Refused(422, "Invalid", said[0].lower() + said[1:], errors=found)
