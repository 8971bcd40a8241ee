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
@click.option("--off", is_flag=True, help="Search the model's own vectors again.")
@verb
def refine(settings: Settings, dimensions: int | None, power: float, shrinkage: float, augment: int, off: bool) -> None:
    """Search vectors refined over the whole collection instead of the model's own.

      dinosearch refine --dimensions 128
      dinosearch refine --dimensions 256 --power 0.25 --augment 10

    PCA keeps the directions in which the images differ most, so that vectors get shorter; whitening evens these
    directions out; augmentation (DBA) moves every stored vector towards its neighbours. All is learned from the
    collection's own images, 10 for each dimension at least. The model's vectors are kept: --off goes back at once.
    Whether it helps depends on the collection: measure it with dinosearch benchmark.

    Images indexed later are projected as they come; run refine again when the collection has grown a lot.
    """
    with opened(settings) as (collection, progress):
        if off:
            collection.unrefine()
            made = None
        else:
            made = collection.refine(
                dimensions=dimensions, power=power, shrinkage=shrinkage, augment=augment, progress=progress
            )
    if settings.json:
        emit("refine", {"rows": made.rows if made else 0, "recipe": dict(made.recipe) if made else None})
    elif not settings.quiet:
        say(f"{made.rows:,} vectors refined" if made else "the model's own vectors are searched again")
