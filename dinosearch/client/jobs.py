"""Long work on a server: begin it, follow its events, end it when the one who waits gives up."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import quote

from dinosearch.client.failures import failure_of
from dinosearch.client.transport import Transport
from dinosearch.errors import DinosearchError, ServerError
from dinosearch.protocols import Progress

_BREAKS = 5  # of the stream of events, without an event between them


def run(
    transport: Transport, path: str, verb: str, arguments: Mapping[str, Any], progress: Progress | None
) -> Mapping[str, Any]:
    """Do the work of a verb and wait for it.

    Args:
        transport: to the server.
        path: of the collection.
        verb: as the server's jobs have it.
        arguments: of the verb; those that are None are left to the server.
        progress: told as `Collection` tells it.

    Returns:
        The result as JSON.

    Raises:
        KeyboardInterrupt: the job is cancelled then, as by any error of `progress`.
        DinosearchError: what went wrong in the job.
    """
    wanted = {name: value for name, value in arguments.items() if value is not None}
    job = quote(str(transport.post(f"{path}/jobs", {"verb": verb, "arguments": wanted})["id"]), safe="")
    try:
        return _result(transport, f"/v1/jobs/{job}", progress)
    except BaseException:
        with suppress(DinosearchError):  # it may have ended meanwhile
            transport.delete(f"/v1/jobs/{job}")
        raise


def _result(transport: Transport, job: str, progress: Progress | None) -> Mapping[str, Any]:
    breaks = 0
    while True:
        try:
            for kind, data in _events(transport, job):
                breaks = 0
                if kind == "done":
                    result: Mapping[str, Any] = data["result"]
                    return result
                if kind == "progress" and progress is not None:
                    progress(data["stage"], data["done"], data["total"])
                elif kind in ("failed", "cancelled"):
                    raise _Ended(failure_of(data.get("problem") or {"detail": "the job was cancelled on the server"}))
        except _Ended as end:
            raise end.error from None
        except ServerError:
            if breaks == _BREAKS:
                raise
        breaks += 1
        time.sleep(min(0.1 * 2**breaks, 5))


def _events(transport: Transport, job: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Server-sent events: kind and data."""
    kind, data = "message", ""
    with transport.lines(f"{job}/events") as lines:
        for line in lines:
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if name == "event":
                kind = value
            elif name == "data":
                data += value
            elif not line and data:
                yield kind, json.loads(data)
                kind, data = "message", ""


class _Ended(Exception):
    """The job did not come to its end; no broken connection."""

    def __init__(self, error: DinosearchError) -> None:
        self.error = error
