"""Jobs: the verbs that change a collection or take long, one at a time for each collection, followed by events.

A job runs in a thread of this process over the collection, opened a second time. It is cancelled by its progress
report, which raises: the library keeps what was committed, and the next run goes on from there.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from dinosearch.protocols import Progress
from dinosearch.records.stages import stage_of
from dinosearch.server.wire.problems import Refused, of_error

_log = logging.getLogger("dinosearch.server")

KEPT = 50
"""Ended jobs that can be asked for."""
_EVENTS = 200
"""Events of a job that are kept for clients that come back."""
_SPACING = 0.25
"""Seconds between two reports of one stage."""
_WINDOW = 10.0
"""Seconds that a rate is of."""

Run = Callable[[Progress], dict[str, Any]]
RUNNING, DONE, FAILED, CANCELLED = "running", "done", "failed", "cancelled"
PROGRESS = "progress"


class _CancelledError(Exception):
    """Somebody cancelled the job, or the server ends."""


@dataclass(frozen=True)
class Event:
    """Something that happened to a job: `progress`, then one of `done`, `failed`, `cancelled`."""

    number: int
    kind: str
    data: Mapping[str, Any]


@dataclass
class Job:
    """One job; `changed` is notified when it has a new event.

    Attributes:
        id: random.
        collection: name of its collection.
        verb: what it does.
        arguments: as they were given.
        status: `running`, `done`, `failed` or `cancelled`.
        begun: when, UTC in ISO 8601.
        ended: the same, None while it runs.
        progress: the last report.
        result: of a job that is done.
        problem: of a job that failed.
    """

    id: str
    collection: str
    verb: str
    arguments: Mapping[str, Any]
    status: str = RUNNING
    begun: str = field(default_factory=lambda: _now())
    ended: str | None = None
    progress: Mapping[str, Any] | None = None
    result: Mapping[str, Any] | None = None
    problem: Mapping[str, Any] | None = None
    events: deque[Event] = field(default_factory=lambda: deque(maxlen=_EVENTS), repr=False)
    changed: set[Callable[[], None]] = field(default_factory=set, repr=False)
    cancelled: threading.Event = field(default_factory=threading.Event, repr=False)
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form, without the events."""
        names = ("id", "collection", "verb", "arguments", "status", "begun", "ended", "progress", "result", "problem")
        return {name: getattr(self, name) for name in names}

    def since(self, number: int) -> list[Event]:
        """The kept events after that one."""
        with self.lock:
            return [event for event in self.events if event.number > number]

    def follow(self, changed: Callable[[], None]) -> None:
        """Call `changed` at each event, from any thread."""
        with self.lock:
            self.changed.add(changed)

    def leave(self, changed: Callable[[], None]) -> None:
        """No longer."""
        with self.lock:
            self.changed.discard(changed)

    def tell(self, kind: str, data: Mapping[str, Any]) -> None:
        """Add an event; any but `progress` ends the job."""
        with self.lock:
            if kind != PROGRESS:
                self.status, self.ended = kind, _now()
            number = self.events[-1].number + 1 if self.events else 1
            self.events.append(Event(number, kind, data))
            followers = list(self.changed)
        for changed in followers:
            changed()


class Jobs:
    """The jobs of a server, those that ended lately included.

    Args:
        ended: told the verb and the outcome of each job.
    """

    def __init__(self, ended: Callable[[str, str], None] | None = None) -> None:
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._threads: dict[str, threading.Thread] = {}
        self._ended = ended
        self._closed = False
        self._lock = threading.Lock()

    @property
    def closed(self) -> bool:
        """Whether the server ends."""
        return self._closed

    def start(self, collection: str, verb: str, arguments: Mapping[str, Any], run: Run) -> Job:
        """Begin a job.

        Args:
            collection: its name.
            verb: what it is called.
            arguments: as they were given.
            run: does it, reporting its progress; returns the result as JSON.

        Raises:
            Refused: 409, one runs in this collection; 503, the server ends.
        """
        job = Job(secrets.token_hex(8), collection, verb, dict(arguments))
        with self._lock:
            if self._closed:
                raise Refused(503, "Stopping", "the server is being stopped", {"Retry-After": "5"})
            if any(other.collection == collection for other in self._jobs.values() if other.status == RUNNING):
                said = "a job is running in this collection; wait for its end, or cancel it"
                raise Refused(409, "HomeLockedError", said)
            self._jobs[job.id] = job
            ended = [other for other in self._jobs.values() if other.status != RUNNING]
            for other in ended[: max(0, len(ended) - KEPT)]:
                del self._jobs[other.id]
            thread = threading.Thread(target=self._run, args=(job, run), name=f"dinosearch-job-{verb}")
            self._threads[job.id] = thread
        thread.start()
        return job

    def __getitem__(self, job: str) -> Job:
        with self._lock:
            return self._jobs[job]

    def list(self) -> list[Job]:
        """All jobs, the newest first."""
        with self._lock:
            return list(reversed(self._jobs.values()))

    def cancel(self, job: str) -> Job:
        """End a job at its next report; one that has ended stays as it is."""
        found = self[job]
        found.cancelled.set()
        return found

    def close(self) -> None:
        """Cancel what runs, so that streams of events end, and take no more; `join` waits for it."""
        with self._lock:
            self._closed = True
            jobs = list(self._jobs.values())
        for job in jobs:
            job.cancelled.set()
            with job.lock:
                followers = list(job.changed)
            for changed in followers:
                changed()

    def join(self) -> None:
        """Wait for what was cancelled."""
        for thread in list(self._threads.values()):
            thread.join()

    def _run(self, job: Job, run: Run) -> None:
        try:
            job.result = run(_Reports(job))
            self._end(job, DONE, {"result": job.result})
        except _CancelledError:
            self._end(job, CANCELLED, {})
        except Exception as error:
            refused = of_error(error)
            if refused.status_code >= 500:
                _log.error("job failed", exc_info=error, extra={"job": job.id, "verb": job.verb})
            problem = {"type": f"urn:dinosearch:{refused.kind}", "title": "the job failed"}
            job.problem = {**problem, "status": refused.status_code, "detail": refused.detail}
            self._end(job, FAILED, {"problem": job.problem})
        finally:
            with self._lock:
                del self._threads[job.id]

    def _end(self, job: Job, outcome: str, data: Mapping[str, Any]) -> None:
        job.tell(outcome, data)
        _log.info("job ended", extra={"job": job.id, "verb": job.verb, "outcome": outcome})
        if self._ended is not None:
            self._ended(job.verb, outcome)


class _Reports:
    """The progress of a job as events: not too many, with a rate and the seconds left."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._stage: str | None = None
        self._last = 0.0
        self._seen: deque[tuple[float, int]] = deque()

    def __call__(self, stage: str, done: int, total: int | None) -> None:
        if self._job.cancelled.is_set():
            raise _CancelledError
        now = time.monotonic()
        if stage != self._stage:
            self._stage, self._last = stage, 0.0
            self._seen.clear()
        self._seen.append((now, done))
        while len(self._seen) > 2 and now - self._seen[0][0] > _WINDOW:
            self._seen.popleft()
        if now - self._last < _SPACING and done != total:
            return
        self._last = now
        seconds, items = now - self._seen[0][0], done - self._seen[0][1]
        rate = items / seconds if seconds > 0 and items > 0 else None
        left = (total - done) / rate if rate and total is not None else None
        doing, unit = stage_of(stage)
        report = {
            "stage": stage,
            "doing": doing,
            "done": done,
            "total": total,
            "unit": unit,
            "rate": rate and round(rate, 3),
            "eta": left if left is None else round(left, 1),
        }
        self._job.progress = report
        self._job.tell(PROGRESS, report)


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")
