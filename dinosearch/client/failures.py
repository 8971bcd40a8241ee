"""The answers of a server that are errors, as the exceptions that the collection raised there."""

from __future__ import annotations

from typing import Any, NoReturn

import httpx

from dinosearch import errors
from dinosearch.errors import CollectionNotFoundError, DinosearchError, ImageUnreadableError, ServerError, SettingError

_URN = "urn:dinosearch:"
_UNREADABLE = "the image cannot be read: "
_OTHERS: dict[str, type[DinosearchError]] = {"NoSuchCollection": CollectionNotFoundError, "Invalid": SettingError}
"""Errors of a server that the library knows by another name."""


def is_busy(answer: httpx.Response) -> bool:
    """Whether asking again may help: the server could not answer now, and not for a fault of the collection."""
    return answer.status_code == 503 and _class(_problem(answer)) is None


def raise_failure(answer: httpx.Response, url: str, named: str = "the image that was sent") -> NoReturn:
    """Raise what went wrong in the server.

    Args:
        answer: of a status that is an error.
        url: of the server.
        named: what an image that cannot be read is called.
    """
    problem = _problem(answer)
    said = str(problem.get("detail") or answer.reason_phrase or "no reason given")
    kind = _class(problem)
    if kind is ImageUnreadableError:
        raise ImageUnreadableError(named, said.removeprefix(_UNREADABLE))
    if kind is not None:
        raise kind(said)
    if answer.status_code == 401:
        raise ServerError(f"{url} asks for another token; give token=, or set DINOSEARCH_TOKEN")
    raise ServerError(f"{url} answered {answer.status_code}: {said}")


def failure_of(problem: dict[str, Any]) -> DinosearchError:
    """The exception for a problem that comes in an event and not as an answer."""
    said = str(problem.get("detail") or "no reason given")
    kind = _class(problem)
    if kind is ImageUnreadableError:
        return ImageUnreadableError("an image", said.removeprefix(_UNREADABLE))
    return (kind or ServerError)(said)


def _class(problem: dict[str, Any]) -> type[DinosearchError] | None:
    """The library's exception that a problem names; None for those of the server itself."""
    name = str(problem.get("type", "")).removeprefix(_URN)
    found = _OTHERS.get(name) or getattr(errors, name, None)
    return found if isinstance(found, type) and issubclass(found, DinosearchError) else None


def _problem(answer: httpx.Response) -> dict[str, Any]:
    try:
        found = answer.json()
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
