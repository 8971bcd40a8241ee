"""Index hostile files by the front door, and watch: what became of each, how long it took, how large a worker grew."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

from dinosearch import Collection
from dinosearch.images.decoding import decode as _decode  # noqa: F401  (imports the decoders before anything is timed)
from dinosearch.images.workers.child import Child
from dinosearch.records import IndexSummary
from torture.photos import Colours
from torture.verdict import Verdict

SECONDS = 10.0  # that a file may take beside what its size adds
MOST = 1 << 30  # bytes that a worker may take
KINDS = {
    "crashed": "the decoder crashed",
    "longer than": "took too long",
    **{word: word for word in ("memory", "limit", "truncated", "damaged", "not an image", "empty", "changed")},
}
"""What reasons have in common, and what it is called, the first that is found."""
WORKERS = 4
_TICK = 0.02


class Watch:
    """Times every request to a worker and follows the resident memory of the workers.

    Attributes:
        seconds: of each path that a worker was asked about, without the wait for memory.
        asked: bytes of memory, by path.
        peaks: bytes, by process id.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.asked: dict[str, int] = {}
        self.peaks: dict[int, int] = {}
        self._over = threading.Event()
        self._workers: list[Child] = []

    @contextmanager
    def on(self) -> Iterator[Watch]:
        """Watch what is done inside."""
        ask, begin = Child.ask, Child.__init__

        def timed(child, path, *rest):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN002, ANN202
            started, waited = time.monotonic(), 0.0

            def reserve(count: int) -> None:
                nonlocal waited
                begun = time.monotonic()
                rest[-1](count)
                waited += time.monotonic() - begun
                self.asked[path] = count

            try:
                return ask(child, path, *rest[:-1], reserve)
            finally:
                self.seconds[path] = time.monotonic() - started - waited

        def noted(child, *rest):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN002, ANN202
            begin(child, *rest)
            self._workers.append(child)

        thread = threading.Thread(target=self._follow)
        with patch.object(Child, "ask", timed), patch.object(Child, "__init__", noted):
            thread.start()
            try:
                yield self
            finally:
                self._over.set()
                thread.join()

    @property
    def slowest(self) -> tuple[str, float]:
        return max(self.seconds.items(), key=lambda item: item[1], default=("", 0.0))

    @property
    def highest(self) -> int:
        return max(self.peaks.values(), default=0)

    def _follow(self) -> None:
        while not self._over.wait(_TICK):
            for worker in list(self._workers):
                number = worker._process.pid
                try:
                    lines = Path(f"/proc/{number}/status").read_text().splitlines()
                except OSError:
                    continue
                peak = next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)
                self.peaks[number] = max(peak, self.peaks.get(number, 0))


def open_home(home: Path) -> Collection:
    """A collection by the embedder that costs nothing, so that the decoders are what is tried."""
    return Collection.open(home, create=True, embedder=Colours())


@contextmanager
def by_workers() -> Iterator[None]:
    """Decode in child processes, whatever the environment says."""
    with patch.dict(os.environ):
        os.environ.pop("DINOSEARCH_DECODE", None)
        yield


def index(collection: Collection, *folders: Path, retry: bool = False) -> tuple[IndexSummary, Watch]:
    """One index run, watched."""
    watch = Watch()
    with by_workers(), watch.on():
        summary = collection.index(*folders, workers=WORKERS, retry_failed=retry)
    return summary, watch


def examine(
    collection: Collection,
    summary: IndexSummary,
    watch: Watch,
    files: dict[str, int | str],
    verdict: Verdict,
    *,
    must: bool = True,
) -> None:
    """Every file is indexed, or reported with path and reason; none took too long or too much.

    Args:
        collection: that was indexed.
        summary: of the run.
        watch: of the run.
        files: paths that were offered, with what to call each when it is to be tried again.
        verdict: is told.
        must: a file that is passed over in silence is a failure: its name claims an image.
    """
    found = {str(file["path"]) for file in collection.files()}
    failed = {problem.path: problem.reason for problem in summary.failures}
    for path, number in files.items():
        reason = failed.get(path)
        if path in found and reason is not None:
            verdict.fail(number, f"{path} is indexed and reported")
        elif path in found:
            verdict.count("indexed")
        elif reason is None:
            verdict.fail(number, f"{path} vanished") if must else verdict.count("no image by name and content")
        elif not reason.strip() or "\n" in reason:
            verdict.fail(number, f"{path} is reported without a reason in one line: {reason!r}")
        else:
            verdict.count(f"reported: {kind_of(reason)}")
        if watch.seconds.get(path, 0) > allowed_seconds(path, watch.asked.get(path, 0)):
            verdict.fail(number, f"{path} took {watch.seconds[path]:.1f} s")
    if watch.highest > MOST:
        verdict.fail("N", f"a worker took {watch.highest >> 20} MB")
    name, seconds = watch.slowest
    if seconds > float(str(verdict.figures.get("slowest file, s", 0)).split()[0]):
        verdict.figure("slowest file, s", f"{seconds:.1f} {Path(name).name}")
    peak = max(watch.highest >> 20, int(verdict.figures.get("largest worker, MB", 0)))
    verdict.figure("largest worker, MB", peak)


def allowed_seconds(path: str, asked: int) -> float:
    """What a file may take: more than the limit of a decoder, as the watch over it and a busy machine take time too."""
    size = os.path.getsize(path) if os.path.exists(path) else 0
    return SECONDS + size / (8 << 20) + asked / (256 << 20)


def kind_of(reason: str) -> str:
    """A reason without what differs from file to file."""
    for words, kind in KINDS.items():
        if words in reason:
            return kind
    return reason.split("(")[0].strip()
