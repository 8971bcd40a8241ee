"""`dinosearch outliers`: the images that are unlike all others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from dinosearch.cli.options import Settings, checked_sheet, model_options, opened, verb
from dinosearch.cli.output import emit, notice, shown, table, tell

NOTHING_FOUND = 1


@click.command(short_help="Find the images unlike all others.")
@click.option(
    "-t", "--top", type=click.IntRange(min=1), default=20, show_default=True, metavar="N", help="Images wanted."
)
@click.option(
    "-k",
    "--neighbours",
    type=click.IntRange(min=1),
    default=10,
    show_default=True,
    metavar="K",
    help="Nearest images that each is compared with.",
)
@click.option(
    "--method",
    type=click.Choice(["distance", "lof"]),
    default="distance",
    show_default=True,
    help="1 - mean cosine to them, or the local outlier factor.",
)
@click.option("--where", metavar="EXPR", help="Only images that match, compared with each other.")
@click.option("--exact", is_flag=True, help="Brute force over all vectors instead of the index.")
@click.option("--sheet", metavar="FILE", callback=checked_sheet, help="Also draw them: .png, or .html in one file.")
@model_options
@verb
def outliers(
    settings: Settings,
    top: int,
    neighbours: int,
    method: str,
    where: str | None,
    exact: bool,
    sheet: str | None,
    **model: Any,
) -> int:
    """Find the images that are unlike all others, the most unlike first.

      dinosearch outliers --top 50 --sheet outliers.html
      dinosearch outliers --method lof --where "path ~ '**/train/**'"

    distance is 1 - the mean cosine to the K nearest images: what lies alone. lof is the local outlier factor, about 1
    inside a group and more for what lies beside one. A --json line has rank, score, id, path, and the nearest image and
    cosine. The exit code is 1 when there are no images.
    """
    from dinosearch.analysis.layout import first_paths, outliers_mosaic
    from dinosearch.analysis.layout import outliers as find

    with opened(settings, read_only=True, **model) as (collection, progress):
        found = find(collection, neighbours, method=method, where=where, exact=exact, progress=progress)
        progress.close()
        ids = found.ids[:top]
        paths = first_paths(collection, ids)
        columns = (found.ids, found.scores, found.nearest, found.cosines)
        rows = list(zip(*(column[:top].tolist() for column in columns), strict=True))
        if settings.json:
            for rank, (number, score, nearest, cosine) in enumerate(rows, 1):
                like = {"nearest": nearest, "cosine": cosine} if nearest >= 0 else {"nearest": None, "cosine": None}
                emit("outlier", {"rank": rank, "score": score, "id": number, "path": paths.get(number), **like})
        else:
            table(
                (str(rank), f"{score:.4f}", f"id:{number}", shown(paths.get(number, "")))
                for rank, (number, score, *_) in enumerate(rows, 1)
            )
        if sheet is not None and rows:
            outliers_mosaic(collection, found, top, Path(sheet))
            if not settings.quiet:
                tell(f"picture: {sheet}")
    if not rows and not settings.quiet:
        notice(f"there are no images{' that match; ask for less with --where' if where else ''}")
    return 0 if rows else NOTHING_FOUND
