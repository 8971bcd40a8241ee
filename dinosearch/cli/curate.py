"""`dinosearch curate`: choose images of a collection for training, as LVD-142M was chosen."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dinosearch.cli.index import LISTED, PARTIAL
from dinosearch.cli.options import Settings, checked_sheet, opened, placing_options, verb
from dinosearch.cli.output import counted, emit, notice, say, say_path, shown, table, tell
from dinosearch.cli.query import NOTHING_FOUND

if TYPE_CHECKING:
    from dinosearch.analysis.curation import CurationSummary, Materialised

_WAYS = ("copy", "link", "symlink")
_WORDS = {
    "only": "kept, one of each",
    "retrieved": "kept, retrieved by a seed",
    "sampled": "kept, sampled from a cluster of seeds",
    "duplicate": "copies of another",
    "reference": "too near to a reference",
    "not reached": "not reached by any seed",
    "over cap": "over the cap",
}


@click.command(short_help="Choose images for training: no copies, near to seeds.")
@click.option("--out", required=True, metavar="DIR", help="Folder of the curation: its steps and manifest.jsonl.")
@click.option(
    "--threshold",
    type=click.FloatRange(-1, 1),
    metavar="COSINE",
    help="From which two images are copies.  [default: measured for the model]",
)
@click.option(
    "--neighbours", type=click.IntRange(min=1), default=64, show_default=True, metavar="K", help="Compared with each."
)
@click.option(
    "--keep",
    multiple=True,
    default=("largest",),
    show_default=True,
    metavar="RULE",
    help="Which of several copies stays: largest, oldest, newest or path:PATTERN; repeatable.",
)
@click.option("--against", multiple=True, metavar="HOME|FOLDER", help="Images to stay away from; repeatable.")
@click.option(
    "--against-threshold",
    type=click.FloatRange(-1, 1),
    metavar="COSINE",
    help="From which an image is too near to one of those.  [default: measured for the model]",
)
@click.option("--seeds", multiple=True, metavar="HOME|FOLDER", help="Images whose like is wanted; repeatable.")
@click.option(
    "--method",
    type=click.Choice(["sample", "cluster", "both"]),
    default="sample",
    show_default=True,
    help="Keep the nearest of each seed, or samples of the clusters that seeds lie in.",
)
@click.option(
    "--per-seed", type=click.IntRange(min=1), default=4, show_default=True, metavar="N", help="Nearest of each seed."
)
@click.option(
    "--clusters", type=click.IntRange(min=1), metavar="K", help="Of the k-means.  [default: 4 times the root of images]"
)
@click.option(
    "--seeds-above",
    type=click.IntRange(min=0),
    default=3,
    show_default=True,
    metavar="N",
    help="Sample from clusters with more seeds than this.",
)
@click.option(
    "--per-cluster",
    type=click.IntRange(min=1),
    default=10_000,
    show_default=True,
    metavar="N",
    help="Images sampled from a cluster, at most.",
)
@click.option("--cap", type=click.IntRange(min=1), metavar="N", help="Images kept, at most.")
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, metavar="N", help="Of what chance decides."
)
@click.option("--where", metavar="EXPR", help='Choose only from images that match, such as "width >= 224".')
@click.option("--restart", is_flag=True, help="Do steps again that other settings or changed images concern.")
@click.option("--copy", metavar="DIR", help="Also copy what is kept into DIR.")
@click.option("--link", metavar="DIR", help="Or hard-link it there.")
@click.option("--symlink", metavar="DIR", help="Or link it there symbolically.")
@click.option("--paths", is_flag=True, help="Write only the paths of what is kept, one a line.")
@click.option("-0", "--null", is_flag=True, help="Write only these paths, each ended by a NUL byte, for xargs -0.")
@click.option(
    "--sheet",
    metavar="FILE",
    callback=checked_sheet,
    help="Also draw what went at each step, with examples: .png, or .html in one file.",
)
@placing_options
@verb
def curate(
    settings: Settings,
    out: str,
    against: tuple[str, ...],
    seeds: tuple[str, ...],
    restart: bool,
    paths: bool,
    null: bool,
    sheet: str | None,
    **given: Any,
) -> int:
    """Choose images of a collection for training, in the way in which LVD-142M was chosen for DINOv2.

      dinosearch curate --out curated
      dinosearch curate --out curated --against testset/ --seeds my-best/ --per-seed 4 --sheet curated.html
      dinosearch curate --out curated --seeds my-best.index --method cluster --copy chosen/

    Copies go first: of images that a chain of near pairs joins, one stays. Whatever is near to an image of --against
    goes with all its copies. Of the rest each of --seeds keeps its nearest, or samples of the clusters are kept in
    which several seeds lie; without seeds all the rest is kept. The collection itself is only read.

    DIR/manifest.jsonl says for every image whether it is kept and why. Interrupt at any moment and run the same command
    again: it goes on. Folders are embedded with the model of the collection, into DIR. The exit code is 1 when nothing
    is kept, and 3 when an image of a folder could not be read or one that is kept could not be put into DIR.
    """
    from dinosearch.analysis.curation import CurationRecipe, kept, materialise
    from dinosearch.analysis.curation import curate as run

    ways = {way: given.pop(way) for way in _WAYS}
    places = {way: folder for way, folder in ways.items() if folder is not None}
    if len(places) > 1:
        raise click.UsageError("--copy, --link and --symlink put the same images somewhere: choose one")
    if settings.json and (paths or null):
        raise click.UsageError("--json cannot be combined with --paths or --null")
    placed = {name: given.pop(name) for name in ("runtime", "device", "dtype")}
    recipe = CurationRecipe(**given)
    put = None
    with opened(settings, read_only=True, **placed) as (collection, progress):
        summary = run(collection, out, recipe, against=against, seeds=seeds, restart=restart, progress=progress)
        for way, folder in places.items():
            put = materialise(out, folder, way, progress)
        if sheet is not None:
            from dinosearch.analysis.curation.sheet import draw

            draw(out, summary, Path(sheet))
    unread = put.failures if put else ()
    for problem in islice(unread, LISTED):
        notice(f"{shown(problem.path)}: ", problem.reason)
    if len(unread) > LISTED:
        notice(f"and {len(unread) - LISTED:,} more")
    if summary.failed:
        notice(f"{counted(summary.failed, 'file')} of the folders given could not be read and did not count")
    if paths or null:
        for row in kept(out):
            say_path(row["path"], b"\0" if null else b"\n")
    elif settings.json:
        for problem in unread:
            emit("failure", {"path": problem.path, "reason": problem.reason})
        told = None if put is None else {"folder": put.folder, "written": put.written, "there": put.there}
        emit("curation", {**summary.to_dict(), "put": told})
    elif not settings.quiet:
        _write(summary, put, out)
    if sheet is not None and not settings.quiet:
        tell(f"picture: {sheet}")
    return PARTIAL if unread or summary.failed else 0 if summary.kept else NOTHING_FOUND


def _write(summary: CurationSummary, put: Materialised | None, out: str) -> None:
    width = len(f"{summary.images:,}")
    table([[f"{count:>{width},}", _WORDS[reason]] for reason, count in summary.reasons.items()])
    kept = f"{summary.kept:,} of {counted(summary.images, 'image')} kept"
    say(f"{kept}; each with its reason in {shown(out)}/manifest.jsonl")
    if put is not None:
        say(
            f"{counted(put.written, 'file')} put into {shown(put.folder)}"
            + (f", {put.there:,} were there" if put.there else "")
        )
