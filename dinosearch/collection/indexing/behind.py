"""One thread that follows the caller by one job: the disk is written while the next images are embedded."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType


class Behind:
    """A context manager that runs jobs in a thread, one after the other, in the order they are given.

    At its end the last job is over, whatever happened to the caller.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="dinosearch-commit")
        self._job: Future[None] | None = None

    def start(self, job: Callable[[], None]) -> None:
        """Wait for the job before, then start this one; raises what the job before raised, and starts nothing then."""
        self.wait()
        self._job = self._thread.submit(job)

    def wait(self) -> None:
        """Wait until all is done; raises what the last job raised."""
        job, self._job = self._job, None
        if job is not None:
            job.result()

    def __enter__(self) -> Behind:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.shutdown(wait=True)
        if error is None:
            self.wait()
