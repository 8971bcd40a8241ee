"""The routes of jobs, which change a collection: only where the server is writable."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request
from starlette.responses import Response, StreamingResponse

from dinosearch.protocols import Progress
from dinosearch.server.context import Asked, Context, Shared, Writable
from dinosearch.server.wire.bodies import body_of, json_body
from dinosearch.server.wire.problems import Refused
from dinosearch.server.wire.replies import json_reply, problems
from dinosearch.server.work.job_verbs import VERBS, JobShown, JobsShown, JobWanted, arguments_of
from dinosearch.server.work.jobs import RUNNING, Job, Jobs

routes = APIRouter(tags=["jobs"])
ALIVE = 15.0
"""Seconds between two comments that keep a stream of events open through proxies."""

_Id = Annotated[str, Path(min_length=1, max_length=40, description="Id of a job.")]


@routes.post(
    "/v1/collections/{name}/jobs",
    operation_id="start_job",
    summary="Begin a job",
    response_model=JobShown,
    status_code=202,
    responses=problems(400, 404, 409, 415),
    openapi_extra=body_of(JobWanted),
)
async def start(
    context: Writable, served: Asked, wanted: Annotated[JobWanted, Depends(json_body(JobWanted))]
) -> Response:
    """Change the collection, or check it, in the background; one job at a time."""

    def begin() -> Job:
        given = arguments_of(wanted, served.collection, context.settings.roots)
        work = VERBS[wanted.verb][1]

        def run(progress: Progress) -> dict[str, Any]:
            with served.changing() as collection:
                return _shown(work(collection, given, progress), context)

        return context.jobs.start(served.name, wanted.verb, wanted.arguments, run)

    job = await context.work.run(begin)
    return json_reply(job.to_dict(), 202, {"Location": f"/v1/jobs/{job.id}"})


@routes.get("/v1/jobs", operation_id="jobs", summary="List the jobs", response_model=JobsShown, responses=problems())
async def jobs(context: Shared) -> Response:
    """List what runs and what ended lately, the newest first."""
    return json_reply({"jobs": [job.to_dict() for job in context.jobs.list()]})


@routes.get(
    "/v1/jobs/{id}", operation_id="job", summary="Describe a job", response_model=JobShown, responses=problems(404)
)
async def job(context: Shared, id: _Id) -> Response:
    """Tell how far a job is, or how it ended."""
    return json_reply(_found(context.jobs, id).to_dict())


@routes.delete(
    "/v1/jobs/{id}",
    operation_id="cancel_job",
    summary="Cancel a job",
    response_model=JobShown,
    status_code=202,
    responses=problems(404),
)
async def cancel(context: Shared, id: _Id) -> Response:
    """End a job soon; what it has committed is kept. One that has ended stays as it is."""
    return json_reply(_found(context.jobs, id, context.jobs.cancel).to_dict(), 202)


@routes.get(
    "/v1/jobs/{id}/events",
    operation_id="job_events",
    summary="Follow a job",
    response_class=Response,
    responses={
        200: {
            "description": "Server-sent events: `progress` (see JobProgress), then one of `done` "
            "{result}, `failed` {problem}, `cancelled` {}. `Last-Event-ID` goes on after that event.",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        },
        **problems(404),
    },
)
async def events(context: Shared, id: _Id, request: Request) -> Response:
    """Stream the events of a job until it ends or the server stops."""
    found = _found(context.jobs, id)
    last = request.headers.get("last-event-id", "")
    after = int(last) if last.isascii() and last.isdecimal() and len(last) < 16 else 0
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(_stream(context.jobs, found, after), 200, headers, "text/event-stream")


async def _stream(jobs: Jobs, job: Job, after: int) -> AsyncIterator[str]:
    """The events as text, from that one on; a comment where there is none for a while."""
    news, loop = asyncio.Event(), asyncio.get_running_loop()

    def wake() -> None:
        loop.call_soon_threadsafe(news.set)

    job.follow(wake)
    try:
        yield "retry: 1000\n\n"
        while True:
            news.clear()
            ended = job.status != RUNNING  # asked before the events are read: the last one is among them then
            for event in job.since(after):
                after = event.number
                yield f"id: {event.number}\nevent: {event.kind}\ndata: {json.dumps(event.data)}\n\n"
            if ended or jobs.closed:
                return
            try:
                await asyncio.wait_for(news.wait(), ALIVE)
            except asyncio.TimeoutError:
                yield ": alive\n\n"
    finally:
        job.leave(wake)


def _found(jobs: Jobs, id: str, find: Any = None) -> Job:
    try:
        found: Job = (find or jobs.__getitem__)(id)
    except KeyError:
        raise Refused(404, "NoSuchJob", "there is no such job") from None
    return found


def _shown(result: dict[str, Any], context: Context) -> dict[str, Any]:
    """The result with its paths as clients see them."""
    for name in ("failures", "problems", "lost", "left"):
        if name in result:
            result[name] = [{**one, "path": context.shown.path(one["path"])} for one in result[name]]
    return result
