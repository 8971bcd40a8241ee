"""`dinosearch index`: look at every image once, and say what a run did."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import click

from dinosearch.advice import run
from dinosearch.cli.options import Settings, model_options, opened, recall_option, verb
from dinosearch.cli.output import counted, emit, notice, rate_text, say, shown

if TYPE_CHECKING:
    from dinosearch.records import IndexSummary

PARTIAL = 3
LISTED = 20  # failures named in plain text; --json names all
COUNTS = ("added", "unchanged", "moved", "changed", "removed", "failed", "offline")


@click.command(short_help="Embed images and make them searchable.")
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option("--exclude", multiple=True, metavar="GLOB", help="Leave out files and folders that match; repeatable.")
@click.option("--follow-symlinks", is_flag=True, help="Also walk into symbolic links to folders.")
@click.option("--retry-failed", is_flag=True, help="Read files again that failed before and have not changed since.")
@recall_option
@click.option(
    "--index-type",
    type=click.Choice(["auto", "ivf-flat", "ivf-sq8", "ivf-pq"]),
    help="What the index stores; auto chooses by the number of images.  [default: the collection's own]",
)
@click.option(
    "--workers", type=click.IntRange(min=1), metavar="N", help="Decoding processes.  [default: one a core, at most 8]"
)
@click.option(
    "--regions/--no-regions",
    default=None,
    help="Keep windows inside each image too, to find parts: query --box, --regions.  [default: as before]",
)
@click.option(
    "--keep-patches/--no-keep-patches",
    default=None,
    help="Keep compressed patch tokens, about 16 KB an image, for --rerank.  [default: as before]",
)
@click.option(
    "--text/--no-text",
    default=None,
    help="Keep each image's place among words too, for query --text.  [default: as before]",
)
@click.option(
    "--text-files",
    type=click.Path(exists=True, file_okay=False),
    metavar="FOLDER",
    help="Where the files lie that --text needs; remembered.  [default: among the weights]",
)
@model_options
@verb
def index(
    settings: Settings,
    paths: tuple[str, ...],
    exclude: tuple[str, ...],
    follow_symlinks: bool,
    retry_failed: bool,
    recall: float,
    index_type: str | None,
    workers: int | None,
    regions: bool | None,
    keep_patches: bool | None,
    text: bool | None,
    text_files: str | None,
    **model: Any,
) -> int:
    """Embed the images under each PATH and make them searchable.

      dinosearch index ~/Pictures --exclude '*thumb*'
      find . -name '*.jpg' -mtime -7 -print0 | dinosearch index -

    PATH is a folder (searched recursively), an image, a tar archive, or - for a list of paths on stdin, separated by
    newlines or NUL bytes. Run it again after changes: what is unchanged costs nothing, moved files keep their vector,
    files that are gone leave the collection; a PATH that is not there at all is offline and keeps its images. Interrupt
    it at any moment and run it again: nothing is lost and nothing is done twice.

    Unreadable files are named on stderr (with --json: one object of type "failure" each) and the exit code is 3.
    """
    if text_files and text is False:
        raise click.UsageError("--text-files names files for --text; leave out --no-text")
    sources = [path for name in paths for path in (_listed() if name == "-" else [name])]
    if not sources:
        raise click.UsageError("the list of paths on stdin is empty")
    _refuse_nothing(settings, sources)
    with opened(settings, create=True, **model) as (collection, progress):
        summary = collection.index(
            *sources,
            exclude=exclude,
            follow_symlinks=follow_symlinks,
            retry_failed=retry_failed,
            recall=recall,
            index_type=index_type,
            workers=workers,
            regions=regions,
            keep_patches=keep_patches,
            text=text_files or text,
            progress=progress,
        )
    return report(summary, settings)


def report(summary: IndexSummary, settings: Settings) -> int:
    """Write what a run did; returns the exit code."""
    if settings.json:
        for problem in summary.failures:
            emit("failure", {"path": problem.path, "reason": problem.reason})
        emit("summary", summary.to_dict())
    else:
        for problem in summary.failures[:LISTED]:
            notice(f"{shown(problem.path)}: ", problem.reason)
        if len(summary.failures) > LISTED:
            notice(f"and {len(summary.failures) - LISTED:,} more; see all with --json")
        if not settings.quiet:
            say(_sentence(summary))
            if summary.offline:
                notice(
                    "offline images were kept, though their folder is not there; drop them with: ",
                    run("remove", "PATH"),
                )
    return PARTIAL if summary.failed else 0


def _refuse_nothing(settings: Settings, sources: list[str]) -> None:
    """A mistyped path must not begin a collection; in one that exists, such a path may be offline or gone."""
    from dinosearch.collection import Collection
    from dinosearch.errors import ImageNotFoundError

    if any(os.path.lexists(os.path.expanduser(path)) for path in sources):
        return
    if not Collection.exists(settings.home, settings.metadata):
        names = f"{shown(sources[0])}{f' and {len(sources) - 1:,} more' if len(sources) > 1 else ''}"
        raise ImageNotFoundError(f"no such file or folder: {names}; nothing was indexed; check the path")


def _sentence(summary: IndexSummary) -> str:
    """Such as `1,204 images: 1,000 added, 204 unchanged, 3 failed in 12.3 s (84/s)`."""
    counts = summary.to_dict()
    images = sum(counts[name] for name in ("added", "unchanged", "moved", "changed"))
    parts = ", ".join(f"{counts[name]:,} {name}" for name in COUNTS if counts[name]) or "nothing to do"
    rate = f" ({rate_text(summary.embedded / summary.seconds)}/s)" if summary.embedded and summary.seconds else ""
    return f"{counted(images, 'image')}: {parts} in {summary.seconds:,.1f} s{rate}"


def _listed() -> list[str]:
    """Paths on stdin: ended by NUL bytes where there is one, else one a line."""
    data = sys.stdin.buffer.read()
    names = data.split(b"\0") if b"\0" in data else [line.rstrip(b"\r") for line in data.split(b"\n")]
    return [os.fsdecode(name) for name in names if name]
