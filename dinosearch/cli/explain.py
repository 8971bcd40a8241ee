"""`dinosearch explain`: a picture of why two images match, and where."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from dinosearch.cli.options import Settings, model_options, opened, verb
from dinosearch.cli.output import emit, say, tell

NOTHING_IN_COMMON = 1


def _checked(ctx: click.Context, param: click.Parameter, value: str) -> str:
    """Refuse a picture that could not be written, before anything is computed."""
    if not value.lower().endswith(".png"):
        raise click.BadParameter(f"{value} does not end with .png")
    if not Path(value).absolute().parent.is_dir():
        raise click.BadParameter(f"there is no folder {Path(value).absolute().parent}")
    return value


@click.command(short_help="Show why two images match, and where.")
@click.argument("query")
@click.argument("result")
@click.option("-o", "--output", required=True, metavar="FILE", callback=_checked, help="The picture, a .png file.")
@model_options
@verb
def explain(settings: Settings, query: str, result: str, output: str, **model: Any) -> int:
    """Compare QUERY with RESULT patch by patch and draw what was found.

      dinosearch explain facade.jpg id:12 -o why.png

    Both are files, id:N for an image of the collection, or http(s) addresses. The picture shows the places that agree
    on one movement, where the query lies in the result, how well each part fits, and both images in colours that are
    equal where their patches are similar. --json has score, without (the score when the matched part is painted over),
    inliers, bound, matched and box (fractions: left, top, right, bottom). The exit code is 1 when nothing in common was
    found.
    """
    with opened(settings, read_only=True, **model) as (collection, progress):
        explanation, picture = collection.draw_explanation(query, result)
        progress.close()
    Path(output).write_bytes(picture)
    if settings.json:
        names = ("score", "without", "inliers", "bound", "matched", "box")
        emit("explanation", {name: getattr(explanation, name) for name in names})
    else:
        from dinosearch.images.drawing.explanation_png import verdict

        say(verdict(explanation))
    if not settings.quiet:
        tell(f"picture: {output}")
    return 0 if explanation.matched else NOTHING_IN_COMMON
