"""Progress on stderr: a bar on a terminal, a plain line now and then elsewhere; it never touches stdout."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING

from dinosearch.cli.output import rate_text, size_text, tell
from dinosearch.records.stages import stage_of

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from dinosearch.cli.options import Settings

EVERY = 10.0  # seconds between lines where stderr is no terminal


class Display:
    """Receives the progress of the library and shows nothing: --quiet. Use as a context manager.

    Attributes:
        note: what else is to be said of the stage, behind how far it is.
    """

    note = ""

    def __call__(self, stage: str, done: int, total: int | None) -> None:
        """See `dinosearch.protocols.Progress`."""

    def close(self) -> None:
        """Take down what is drawn."""

    def __enter__(self) -> Display:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def display(settings: Settings) -> Display:
    """The display that suits --quiet and stderr."""
    if settings.quiet:
        return Display()
    return Bar() if sys.stderr.isatty() else Lines()


class Lines(Display):
    """One plain line every ten seconds at most.

    Args:
        every: seconds between two lines.
        clock: gives the seconds; a test brings its own.
    """

    def __init__(self, every: float = EVERY, clock: Callable[[], float] = time.monotonic) -> None:
        self._every, self._clock = every, clock
        self._stage, self._started, self._first, self._last = "", 0.0, 0, 0.0

    def __call__(self, stage: str, done: int, total: int | None) -> None:
        """Tell where the stage is, if the last line is long enough ago."""
        now = self._clock()
        if stage != self._stage:
            self._stage, self._started, self._first = stage, now, done
            self._last = self._last or now
        if now - self._last < self._every:
            return
        self._last = now
        rate = (done - self._first) / (now - self._started) if now > self._started else 0.0
        text = f"{amount(stage, done, total)}{self.note}{pace(stage, rate, done, total)}"
        tell(f"{stage_of(stage).doing}: {text}")


class Bar(Display):
    """One bar for the stage at hand, drawn by rich, which is loaded when there is something to draw."""

    def __init__(self) -> None:
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._stage, self._started, self._first = "", 0.0, 0

    def __call__(self, stage: str, done: int, total: int | None) -> None:
        """Move the bar; another stage takes the place of the one before."""
        if self._progress is None:
            self._progress = _rich_progress()
            self._progress.start()
        if stage != self._stage or self._task is None:
            if self._task is not None:
                self._progress.remove_task(self._task)
            self._stage, self._started, self._first = stage, time.monotonic(), done
            self._task = self._progress.add_task(stage_of(stage).doing, total=total, state="")
        seconds = time.monotonic() - self._started
        rate = (done - self._first) / seconds if seconds > 0.5 else 0.0
        state = amount(stage, done, total) + self.note + pace(stage, rate, done, total)
        self._progress.update(self._task, completed=done, total=total, state=state)

    def close(self) -> None:
        """Take the bar down; the cursor comes back."""
        if self._progress is not None:
            self._progress.stop()
            self._progress, self._task = None, None


def amount(stage: str, done: int, total: int | None) -> str:
    """How much is done, such as `300 of 1,200 images`."""
    unit = stage_of(stage).unit
    if unit == "bytes":
        return size_text(done) + (f" of {size_text(total)}" if total else "")
    return f"{done:,}" + (f" of {total:,}" if total is not None else "") + f" {unit}"


def pace(stage: str, rate: float, done: int, total: int | None) -> str:
    """How fast it goes and how long it still takes, such as `, 84/s, 2 min left`; empty while that is unknown."""
    if rate <= 0:
        return ""
    fetched = stage_of(stage).unit == "bytes"
    speed = f", {size_text(rate) if fetched else rate_text(rate)}/s"
    return speed + (f", {duration((total - done) / rate)} left" if total is not None and total > done else "")


def duration(seconds: float) -> str:
    """Seconds as people say them: `40 s`, `12 min`, `3 h 20 min`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def _rich_progress() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        TextColumn("{task.fields[state]}"),
        console=Console(stderr=True),
        transient=True,
        # Only stderr carries the bar; results on stdout must not pass through rich.
        redirect_stdout=False,
    )
