"""`dinosearch map`: a collection as a flat map, as a picture or as a page that is zoomed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from dinosearch.cli.options import Settings, checked_sheet, model_options, opened, verb
from dinosearch.cli.output import counted, emit, notice, tell

NOTHING_FOUND = 1


@click.command(short_help="Draw the collection as a map.")
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    callback=checked_sheet,
    help="The map: .png with a picture in each cell of a grid, or .html, one file that is moved and zoomed.",
)
@click.option("--where", metavar="EXPR", help="Only images that match.")
@click.option(
    "--pictures",
    type=click.IntRange(min=0),
    default=1200,
    show_default=True,
    metavar="N",
    help="Pictures in an .html file, 4 kB each; other images are dots.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of what is drawn by chance.")
@model_options
@verb
def map(settings: Settings, output: str | None, where: str | None, pictures: int, seed: int, **model: Any) -> int:
    """Lay the images out on a plane, so that what looks alike lies together.

      dinosearch map -o map.html
      dinosearch map -o map.png --where "taken >= 2020"
      dinosearch map --json > places.jsonl

    The places are those of t-SNE where openTSNE is installed (the extra [analysis]), else the two principal components.
    The page needs no network: drag, scroll, pinch or use the arrows, + and -; a click shows the image and its path. A
    --json line has id, path, x, y (0..1) and method. The exit code is 1 when there are no images.
    """
    if output is None and not settings.json:
        raise click.UsageError("say where the map goes: -o map.html or -o map.png, or take --json")
    from dinosearch.analysis.layout import draw_map, first_paths, project

    with opened(settings, read_only=True, **model) as (collection, progress):
        found = project(collection, progress, where=where, seed=seed)
        paths = first_paths(collection, found.ids if where else None)
        if output is not None and len(found.ids):
            title = Path(settings.home).absolute().name if "://" not in settings.home else "collection"
            count = draw_map(found, paths, Path(output), title, pictures=pictures, progress=progress)
        progress.close()
        if settings.json:
            for number, (x, y) in zip(found.ids.tolist(), found.xy.tolist(), strict=True):
                emit("place", {"id": number, "path": paths.get(number), "x": x, "y": y, "method": found.method})
    if not settings.quiet:
        if not len(found.ids):
            notice(f"there are no images{' that match; ask for less with --where' if where else ''}")
        elif found.method == "PCA" and len(found.ids) > 2:
            notice(
                "openTSNE is not installed, so this is the plane of the principal components, which keeps no "
                'neighbourhoods; for t-SNE run: pip install "dinosearch[analysis]"'
            )
        if output is not None and len(found.ids):
            tell(f"map: {output} ({counted(len(found.ids), 'image')}, {counted(count, 'picture')})")
    return 0 if len(found.ids) else NOTHING_FOUND
