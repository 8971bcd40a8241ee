"""`dinosearch embed`: turn sources of any size into files of vectors, on this machine or on a Ray cluster."""

from __future__ import annotations

import time
from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from dinosearch.cli.index import LISTED, PARTIAL
from dinosearch.cli.options import Settings, model_options, verb
from dinosearch.cli.output import counted, emit, notice, rate_text, say, shown

if TYPE_CHECKING:
    from dinosearch.cli.progress import Display
    from dinosearch.jobs import JobState, JobSummary

_EVERY = 1.0  # seconds between two objects of type "progress"


@click.command(short_help="Embed into files, on one machine or on a Ray cluster.")
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@click.option("--out", required=True, metavar="DIR|URL", help="Where the shards go.")
@click.option(
    "--engine",
    type=click.Choice(["local", "ray"]),
    default="local",
    show_default=True,
    help="What runs it; both write the same files.",
)
@click.option("--address", metavar="HOST:PORT", help="A Ray cluster that runs already.  [default: one is started here]")
@click.option(
    "--num-workers", type=click.IntRange(min=1), metavar="N", help="Decoding processes.  [default: one a core]"
)
@click.option(
    "--gpus",
    type=click.IntRange(min=0),
    metavar="N",
    help="Of the Ray cluster; 0 embeds on processors.  [default: all]",
)
@click.option(
    "--shard-size",
    type=click.IntRange(min=1),
    default=4096,
    show_default=True,
    metavar="N",
    help="Images of a shard, on average: what an interruption costs at most.",
)
@click.option("--column", metavar="NAME", help="Of Parquet tables: holds the images, or their paths.  [default: found]")
@click.option("--exclude", multiple=True, metavar="GLOB", help="Leave out files and folders that match; repeatable.")
@click.option("--follow-symlinks", is_flag=True, help="Also walk into symbolic links to folders.")
@click.option("--retry-failed", is_flag=True, help="Make shards with bad files again.")
@model_options
@verb
def embed(
    settings: Settings,
    sources: tuple[str, ...],
    out: str,
    engine: str,
    address: str | None,
    num_workers: int | None,
    gpus: int | None,
    shard_size: int,
    column: str | None,
    exclude: tuple[str, ...],
    follow_symlinks: bool,
    retry_failed: bool,
    **model: Any,
) -> int:
    """Embed the images of each SOURCE into Parquet files in DIR, which `import` takes into any home.

      dinosearch embed /data/photos --out vectors
      dinosearch embed s3://bucket/shards --out s3://bucket/vectors --engine ray --address 10.0.0.1:6379
      dinosearch import vectors --home index

    SOURCE is a folder, an image, a tar archive, a Parquet table with images, or a URL of these. Archives and tables
    inside folders are looked into too. Every DIR/shards/ID.parquet is named by what it is made of: run the same command
    again after an interruption or a change, and only what is not finished is made. Several machines need the sources
    under the same names, and the weights.

    With --json: "progress" about every second, "shard" for each that is finished, "failure" for each bad file, and a
    "job" at the end. The exit code is 3 where files are bad.
    """
    from dinosearch.cli.progress import display
    from dinosearch.collection.models.chosen import ModelChoice
    from dinosearch.jobs import Resources, failures
    from dinosearch.jobs import embed as run
    from dinosearch.records import Preprocessing

    if engine == "local" and (address or gpus is not None):
        raise click.UsageError("--address and --gpus are of Ray: --engine ray; a local GPU is chosen by --device")
    sized = model.pop("preprocessing")
    choice = ModelChoice(
        **model,
        preprocessing=Preprocessing.parse(sized) if sized else None,
        notify=None if settings.quiet else notice,
    )
    with display(settings) as progress:
        summary = run(
            sources,
            out,
            engine=engine,
            model=choice,
            resources=Resources(num_workers, gpus, address),
            shard_size=shard_size,
            exclude=exclude,
            follow_symlinks=follow_symlinks,
            column=column,
            retry_failed=retry_failed,
            on_file=lambda seen: progress("scan", seen, None),
            watch=_View(settings, progress),
        )
    bad = failures(out) if summary.failed else iter(())
    if settings.json:
        for problem in bad:
            emit("failure", {"path": problem.path, "reason": problem.reason})
        emit("job", vars(summary))
    else:
        for problem in islice(bad, LISTED):
            notice(f"{shown(problem.path)}: ", problem.reason)
        if summary.failed > LISTED:
            notice(f"and {summary.failed - LISTED:,} more; see all with --json")
        if not settings.quiet:
            say(_sentence(summary, out))
    return PARTIAL if summary.failed else 0


class _View:
    """Shows a job while it runs: a line or bar for people, objects for programs."""

    def __init__(self, settings: Settings, progress: Display) -> None:
        self._json, self._progress = settings.json and not settings.quiet, progress
        self._started, self._first, self._last = time.monotonic(), -1, 0.0

    def __call__(self, state: JobState) -> None:
        """See `dinosearch.jobs.embed`."""
        if self._first < 0:
            self._started, self._first = time.monotonic(), state.rows
        bad = f", {state.failed:,} bad" if state.failed else ""
        self._progress.note = f", shard {state.shards:,} of {state.all_shards:,}{bad}"
        self._progress("embed", state.rows, state.total)
        if not self._json:
            return
        if state.made is not None:
            emit("shard", {"file": state.made.file, "rows": state.made.rows, "failed": state.made.failed})
        now = time.monotonic()
        if now - self._last >= _EVERY:
            self._last = now
            seconds = now - self._started
            rate = (state.rows - self._first) / seconds if seconds > 0 else 0.0
            left = (state.total - state.rows) / rate if rate and state.total is not None else None
            counts = {"rows": state.rows, "total": state.total, "shards": state.shards, "all_shards": state.all_shards}
            emit(
                "progress",
                {**counts, "failed": state.failed, "rate": round(rate, 1), "seconds_left": left and round(left, 1)},
            )


def _sentence(summary: JobSummary, out: str) -> str:
    """Such as `5,000 images in 12 shards, 3 bad, 2 shards were there: vectors, in 12.3 s (406/s)`."""
    bad = f", {summary.failed:,} bad" if summary.failed else ""
    kept = f", {summary.kept:,} of them from earlier runs" if summary.kept else ""
    rate = f" ({rate_text(summary.embedded / summary.seconds)}/s)" if summary.embedded and summary.seconds else ""
    images, shards = counted(summary.images, "image"), counted(summary.shards, "shard")
    return f"{images}{bad} in {shards}{kept}: {shown(out)}, in {summary.seconds:,.1f} s{rate}"
