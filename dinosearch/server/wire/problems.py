"""Errors as answers: application/problem+json (RFC 9457) with a sentence that names no path of this machine.

The `type` tells a program which error it is: `urn:dinosearch:` and the name of the library's exception where it is one
(`urn:dinosearch:FilterError`), or of the limit that was met (`urn:dinosearch:Overloaded`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from starlette.exceptions import HTTPException
from starlette.responses import Response

from dinosearch.advice import Command, Sentence
from dinosearch.errors import (
    CollectionMismatchError,
    CollectionNotFoundError,
    DamagedHomeError,
    DamagedWeightsError,
    DinosearchError,
    HomeLockedError,
    ImageNotFoundError,
    ImageUnreadableError,
    WeightsUnavailableError,
)

MEDIA_TYPE = "application/problem+json"
URN = "urn:dinosearch:"

STATUS: tuple[tuple[type[DinosearchError], int], ...] = (
    (ImageNotFoundError, 404),
    (HomeLockedError, 409),
    (CollectionNotFoundError, 503),
    (CollectionMismatchError, 503),
    (DamagedHomeError, 503),
    (DamagedWeightsError, 503),
    (WeightsUnavailableError, 503),
    (DinosearchError, 422),
)
"""The first class that fits: what is missing, what is not possible now, and else what was asked wrongly."""

_SENTENCES: tuple[tuple[type[DinosearchError], str], ...] = (
    (CollectionNotFoundError, "the collection is empty or not there any more; ask again when images were indexed"),
    (CollectionMismatchError, "the collection was made with another model or version than this server has"),
    (DamagedHomeError, "the collection is damaged; its owner can mend it with verify --repair"),
    (DamagedWeightsError, "the model of this collection is damaged on the server"),
    (WeightsUnavailableError, "the model of this collection is not on the server"),
    (HomeLockedError, "another process is writing to the collection; try again later"),
)
"""What is said in place of sentences that tell about the server's disk."""

INTERNAL = "something went wrong in the server; its log has more under this request id"
_PATH = re.compile(r"(?<![\w.)\]])(?:[A-Za-z]:\\|~?/|\\\\)[^\s,;:'\"]*")


class Refused(HTTPException):
    """An error that the server itself finds.

    Args:
        status: of the answer.
        kind: what stands behind `urn:dinosearch:`.
        detail: one sentence without paths.
        headers: of the answer.
        more: further members of the JSON.
    """

    def __init__(
        self, status: int, kind: str, detail: str, headers: Mapping[str, str] | None = None, **more: Any
    ) -> None:
        super().__init__(status, detail, dict(headers or {}))
        self.kind = kind
        self.more = more


def overloaded(detail: str = "the server is busy; try again", seconds: int = 1) -> Refused:
    """503 for what is too much at once."""
    return Refused(503, "Overloaded", detail, {"Retry-After": str(seconds)})


def invalid(detail: str, where: str = "") -> Refused:
    """422 for a part of a request that cannot be."""
    return Refused(422, "Invalid", f"{where}: {detail}" if where else detail)


def of_error(error: Exception, homes: Iterable[str] = ()) -> Refused:
    """The answer to what the library raised; `homes` are folders that no sentence may name."""
    if isinstance(error, Refused):
        return error
    if isinstance(error, HTTPException):
        return Refused(error.status_code, _title(error.status_code), str(error.detail), error.headers)
    if isinstance(error, DinosearchError):
        status = next(status for kind, status in STATUS if isinstance(error, kind))
        headers = {"Retry-After": "5"} if status == 503 else {}
        return Refused(status, type(error).__name__, _sentence(error, homes), headers)
    if isinstance(error, (ValueError, TypeError)) and _raised_on_purpose(error):
        return Refused(422, "Invalid", without_paths(str(error), homes))
    return Refused(500, "Internal", INTERNAL)


def answer(refused: Refused, request_id: str) -> Response:
    """The problem as JSON."""
    body = {
        "type": URN + refused.kind,
        "title": HTTPStatus(refused.status_code).phrase,
        "status": refused.status_code,
        "detail": refused.detail,
        "request_id": request_id,
        **refused.more,
    }
    return Response(json.dumps(body), refused.status_code, dict(refused.headers or {}), MEDIA_TYPE)


def without_paths(text: str, homes: Iterable[str] = ()) -> str:
    """The sentence without folders of this machine and without the commands that only its owner can run."""
    sentence = Sentence(text).anonymous()
    first, *others = _clauses(sentence.parts)
    text = "; ".join([first.text, *(clause.text for clause in others if not clause.is_advice)])
    for home in sorted(homes, key=len, reverse=True):
        text = text.replace(home, "the collection")
    return _PATH.sub("...", text)


@dataclass
class _Clause:
    text: str = ""
    is_advice: bool = False

    def take(self, part: str | Command) -> None:
        """Go on with a text or a command."""
        self.text += str(part)
        self.is_advice |= isinstance(part, Command) or any(word.startswith("--") for word in part.split())


def _clauses(parts: Iterable[str | Command]) -> list[_Clause]:
    """What stands between semicolons, each with whether it names a command or an option."""
    found = [_Clause()]
    for part in parts:
        first, *others = [part] if isinstance(part, Command) else part.split("; ")
        found[-1].take(first)
        for other in others:
            found.append(_Clause())
            found[-1].take(other)
    return found


def _sentence(error: DinosearchError, homes: Iterable[str]) -> str:
    if isinstance(error, ImageUnreadableError):
        return f"the image cannot be read: {without_paths(error.reason, homes)}"
    if isinstance(error, ImageNotFoundError):
        if error.is_gone:
            return "the file of this image is gone"
        number = error.image_id
        return "there is no such image" if number is None else f"there is no image id:{number} that can be asked with"
    said = next((sentence for kind, sentence in _SENTENCES if isinstance(error, kind)), None)
    return said or without_paths(error.sentence, homes)


def _raised_on_purpose(error: BaseException) -> bool:
    """Whether a check of dinosearch raised it, and not NumPy or Python in the middle of its work."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and str(trace.tb_frame.f_globals.get("__name__", "")).startswith("dinosearch.")


def _title(status: int) -> str:
    return "".join(word.capitalize() for word in HTTPStatus(status).phrase.replace("-", " ").split())
