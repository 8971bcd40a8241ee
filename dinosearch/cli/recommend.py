"""`dinosearch recommend`: images that liked ones lead to and disliked ones do not."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dinosearch.advice import run
from dinosearch.cli.advice import told
from dinosearch.cli.options import Settings, checked_sheet, model_options, opened, verb
from dinosearch.cli.output import notice, tell

if TYPE_CHECKING:
    from dinosearch.collection import Collection

NOTHING_FOUND = 1


@click.command(short_help="Find images like some and unlike others.")
@click.argument("more", nargs=-1, metavar="[IMAGE...]")
@click.option("--like", multiple=True, metavar="IMAGE", help="A liked image; repeatable, as IMAGE... are.")
@click.option("--dislike", multiple=True, metavar="IMAGE", help="An image that is not liked; repeatable.")
@click.option(
    "-k", "--top", type=click.IntRange(min=1), default=10, show_default=True, metavar="K", help="Images wanted."
)
@click.option(
    "--strategy",
    type=click.Choice(["best", "average"]),
    default="best",
    show_default=True,
    help="best: near to any liked image, nearer than to a disliked one; average: near to what they have in common.",
)
@click.option("--where", metavar="EXPR", help="Only images that match.")
@click.option("--exact", is_flag=True, help="Brute force over all vectors instead of the index.")
@click.option(
    "--sheet", metavar="FILE", callback=checked_sheet, help="Also draw what was given and found: .png or .html."
)
@model_options
@verb
def recommend(
    settings: Settings,
    more: tuple[str, ...],
    like: tuple[str, ...],
    dislike: tuple[str, ...],
    top: int,
    strategy: str,
    where: str | None,
    exact: bool,
    sheet: str | None,
    **model: Any,
) -> int:
    """Find images like several ones, and unlike others.

      dinosearch recommend --like a.jpg --like id:7 --dislike b.jpg --sheet recommended.html
      dinosearch recommend castle.jpg bridge.jpg --strategy average

    Images are files, id:N for an image of the collection, or http(s) addresses, and are not answered themselves. best
    scores an image with its largest cosine to a liked one and leaves it out when a disliked one is as near; average
    asks with unit(mean(liked) - mean(disliked) / 2). A --json line is a hit as that of query. The exit code is 1 when
    nothing was found.
    """
    liked = (*like, *more)
    if not liked:
        raise click.UsageError(told("say what is liked: ", run("recommend", "--like", "IMAGE")))
    from dinosearch.analysis.layout import recommend as find
    from dinosearch.analysis.layout import recommended_mosaic
    from dinosearch.cli.query import write_hits
    from dinosearch.cli.sheet import fetched

    given: dict[str, str | bytes] = {name: name for name in (*liked, *dislike)}
    given.update(fetched(given))
    with opened(settings, read_only=True, **model) as (collection, progress):
        wanted, unwanted = ([given[name] for name in names] for names in (liked, dislike))
        hits = find(collection, wanted, unwanted, k=top, strategy=strategy, where=where, exact=exact)
        progress.close()
        write_hits(hits, as_json=settings.json)
        if sheet is not None:
            shown = [[_drawable(collection, image) for image in part] for part in (wanted, unwanted)]
            recommended_mosaic(shown[0], shown[1], hits, Path(sheet))
            if not settings.quiet:
                tell(f"picture: {sheet}")
    if not hits and not settings.quiet:
        notice(f"nothing found{' that matches; ask for less with --where' if where else ''}")
    return 0 if hits else NOTHING_FOUND


def _drawable(collection: Collection, image: str | bytes) -> str | bytes:
    from dinosearch.cli.sheet import file_of

    return image if isinstance(image, bytes) else file_of(collection, image)
