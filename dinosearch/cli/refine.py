"""`dinosearch refine`: search vectors that PCA, whitening or their neighbours have improved."""

from __future__ import annotations

import click

from dinosearch.cli.options import Settings, opened, verb
from dinosearch.cli.output import emit, say


@click.command(short_help="Cut, whiten or augment the vectors that are searched.")
@click.option("--dimensions", type=click.IntRange(min=1), metavar="N", help="Principal components to keep.")
@click.option(
    "--power",
    type=click.FloatRange(0, 0.5),
    default=0.0,
    show_default=True,
    help="How far to whiten: 0 not at all, 0.25 half, 0.5 fully.",
)
@click.option("--shrinkage", type=click.FloatRange(0, 1), default=1.0, show_default=True, help="Multiplies --power.")
@click.option(
    "--augment",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    metavar="K",
    help="Move every stored vector towards its K nearest.",
)
@click.option("--diffuse", is_flag=True, help="Prepare --rerank diffusion over the searched vectors.")
@click.option(
    "--edges", type=click.IntRange(min=2), default=50, show_default=True, metavar="K", help="Neighbours in its graph."
)
@click.option("--off", is_flag=True, help="Search the model's own vectors again.")
@verb
def refine(
    settings: Settings,
    dimensions: int | None,
    power: float,
    shrinkage: float,
    augment: int,
    diffuse: bool,
    edges: int,
    off: bool,
) -> None:
    """Search vectors refined over the whole collection instead of the model's own.

      dinosearch refine --dimensions 128
      dinosearch refine --dimensions 256 --power 0.25 --augment 10
      dinosearch refine --diffuse

    PCA keeps the directions in which the images differ most, so that vectors get shorter; whitening evens these
    directions out; augmentation (DBA) moves every stored vector towards its neighbours. All is learned from the
    collection's own images, 10 for each dimension at least. The model's vectors are kept: --off goes back at once.
    Whether it helps depends on the collection: measure it with dinosearch benchmark.

    --diffuse prepares another way to use the whole collection: a random walk from each image over the graph of mutual
    neighbours, which --rerank diffusion then combines for a query.

    Images indexed later are projected as they come; run refine again when the collection has grown a lot.
    """
    refined = bool(dimensions or power or augment)
    made = []
    with opened(settings) as (collection, progress):
        if off:
            collection.unrefine()
        elif refined or not diffuse:
            made.append(
                collection.refine(
                    dimensions=dimensions, power=power, shrinkage=shrinkage, augment=augment, progress=progress
                )
            )
        if diffuse and not off:
            made.append(collection.diffuse(edges=edges, progress=progress))
    if settings.json:
        emit("refine", {"made": [{"kind": m.kind, "rows": m.rows, "recipe": dict(m.recipe)} for m in made]})
    elif not settings.quiet:
        for each in made:
            say(f"{each.rows:,} vectors refined" if each.kind == "refined" else f"{each.rows:,} walks prepared")
        if off:
            say("the model's own vectors are searched again")
