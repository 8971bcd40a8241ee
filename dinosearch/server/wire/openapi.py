"""The OpenAPI document: what FastAPI makes of the routes, with the schemas of the bodies that are read here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from dinosearch.server.wire.answers import Problem
from dinosearch.server.wire.schemas import Asked

REFERENCE = "#/components/schemas/{model}"


def describe(app: FastAPI, names: Sequence[str], *, has_token: bool) -> dict[str, Any]:
    """The document; made once.

    Args:
        app: the application with all its routes.
        names: of the collections.
        has_token: whether a token is asked for.
    """
    if app.openapi_schema is None:
        FastAPI.openapi(app)
        document: dict[str, Any] = app.openapi_schema or {}
        bodies: list[type[BaseModel]] = [Problem, *_asked(Asked)]
        models: list[tuple[type[BaseModel], Any]] = [(model, "validation") for model in bodies]
        _, more = models_json_schema(models, ref_template=REFERENCE)
        components = document.setdefault("components", {})
        known = components.setdefault("schemas", {})
        known.update({name: form for name, form in more.get("$defs", {}).items() if name not in known})
        _name(document, names)
        for unused in ("HTTPValidationError", "ValidationError"):
            known.pop(unused, None)
        if has_token:
            components["securitySchemes"] = {
                "token": {"type": "http", "scheme": "bearer", "description": "The token of the server."}
            }
            document["security"] = [{"token": []}]
    return app.openapi_schema or {}


def _asked(kind: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """All bodies of requests and their parts: the models that are made of one, wherever they stand."""
    for model in kind.__subclasses__():
        yield model
        yield from _asked(model)


def _name(document: dict[str, Any], names: Sequence[str]) -> None:
    """Say what the collections of this server are called."""
    for operations in document.get("paths", {}).values():
        for operation in operations.values():
            for parameter in operation.get("parameters", ()):
                if (parameter["in"], parameter["name"]) == ("path", "name"):
                    parameter["schema"] = {"type": "string", "enum": list(names)}
                    parameter.pop("example", None)
                    parameter.pop("examples", None)
