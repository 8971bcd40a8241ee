"""Verbs that carry a collection out of its home and into another: export, import."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from dinosearch.advice import run
from dinosearch.cli.advice import told
from dinosearch.cli.options import Settings, opened, recall_option, verb
from dinosearch.cli.output import counted, emit, say, shown
from dinosearch.errors import ExportError

if TYPE_CHECKING:
    from dinosearch.collection.keeping.received import Delivery


@click.command(short_help="Write the collection to a folder, or list it.")
@click.argument("folder", metavar="FOLDER|-")
@click.option("--where", metavar="EXPR", help="Only files that match; for the list on stdout.")
@verb
def export(settings: Settings, folder: str, where: str | None) -> None:
    """Write images and vectors to FOLDER in open formats, or with - list the files on stdout.

      dinosearch export backup-2026
      dinosearch export - --where "format = HEIC" | jq -r .path

    FOLDER gets images.jsonl, vectors.npy and manifest.json; `import` reads them back. With - every file is one JSON
    object: id, path, sha256, width, height, format, size, modified, added, taken, camera, and label, label_confidence,
    label_given where the image has a label.
    """
    if where and folder != "-":
        raise click.UsageError(
            told("--where works with the list on stdout only: ", run("export", "-", "--where", "EXPR"))
        )
    with opened(settings, read_only=True) as (collection, progress):
        if folder == "-":
            for file in collection.files(where):
                emit("file", file)
            return
        count = collection.export(folder, progress=progress)
    if settings.json:
        emit("export", {"files": count, "folder": folder})
    elif not settings.quiet:
        say(f"{counted(count, 'file')} written to {shown(folder)}")


@click.command("import", short_help="Take in what export or embed wrote.")
@click.argument("folder", metavar="FOLDER|URL")
@recall_option
@verb
def import_(settings: Settings, folder: str, recall: float) -> int:
    """Take in what `export` or `embed` wrote, without embedding anything.

      dinosearch import backup-2026 --home other
      dinosearch import s3://bucket/vectors

    Of `embed` it takes what a finished run made, bad files as failures. Run it again at any time: what is there already
    stays as it is.
    """
    from dinosearch.cli.index import report

    delivery = _delivery(folder)
    with opened(settings, create=True) as (collection, progress):
        summary = collection.import_(delivery, recall=recall, progress=progress)
    return report(summary, settings)


def _delivery(folder: str) -> str | Delivery:
    """The shards of a job, or the folder of an export."""
    from dinosearch.jobs import ShardDelivery, is_delivery

    if "://" not in folder and not os.path.isdir(folder):
        raise click.UsageError(f"there is no folder {folder!r}")
    if not is_delivery(folder):
        return folder
    if "://" not in folder:
        from dinosearch.analysis.curation import is_curation

        if is_curation(folder):
            raise ExportError(
                f"{folder} is what `dinosearch curate` wrote: a list of chosen images, without vectors; run that "
                "curate again with --copy CHOSEN, and take in the images with: ",
                run("index", "CHOSEN"),
            )
    return ShardDelivery(folder)
