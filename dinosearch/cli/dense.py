"""`dinosearch dense`: what patches of images show, as pictures and arrays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from dinosearch.cli.dense_options import (
    NOTHING,
    attention_options,
    feature_options,
    numbered,
    output_options,
    reading,
    reported,
    sources,
    write_arrays,
    write_picture,
)
from dinosearch.cli.dense_segments import cosegment, parts
from dinosearch.cli.options import Settings, common, keep_examples, settings, verb
from dinosearch.cli.output import emit, shown, table, tell

HELP = """Look at the patches of images: colours, attention, corresponding places, common subjects and their parts.

  dinosearch dense pca a.jpg b.jpg c.jpg -o colours.png
  dinosearch dense match a.jpg b.jpg -o places.png

Images are files, http addresses, or id:N of the collection at --home. The model's patch tokens are compared, or keys,
queries and values of any block of a Vision Transformer. docs/dense.md explains what each verb does.
"""


class _InOrder(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)  # not in the order of the alphabet


@click.group(cls=_InOrder, help=keep_examples(HELP), short_help="Look at patches: colours, places, subjects, parts.")
@common
def dense(**given: Any) -> None:
    """Keep the options given before the verb for it."""
    context = click.get_current_context()
    context.obj = settings(context, given)


@dense.command(short_help="Show similar patches in equal colours.")
@click.argument("images", nargs=-1, required=True, metavar="IMAGE...")
@click.option("--flip", is_flag=True, help="Take the other side of the first component for the foreground.")
@click.option("--whole", is_flag=True, help="Leave no background out.")
@output_options
@feature_options
@verb
def pca(
    settings: Settings,
    images: tuple[str, ...],
    flip: bool,
    whole: bool,
    output: Path | None,
    arrays: Path | None,
    seed: int,
    **features: Any,
) -> int:
    """Colour the patches of each IMAGE: the first component is the foreground, three more are red, green and blue.

      dinosearch dense pca horse_1.jpg horse_2.jpg -o colours.png --arrays colours.npz

    One basis is shared by all images, so that equal colours are similar patches in different images. Of both sides of
    the first component the foreground is the one that is seen less along the edges; --flip takes the other.
    """
    from dinosearch.analysis.dense import DenseGroup, colour
    from dinosearch.analysis.dense.pictures import draw_components

    if output is None and arrays is None:
        raise click.UsageError("say where the colours go: -o FILE.png, --arrays FILE.npz, or both")
    with reading(settings, **features) as (reader, progress):
        group = DenseGroup(reader, sources(settings, images), progress)
        found = colour(group, flip=flip, whole=whole, seed=seed)
        write_picture(settings, output, lambda: draw_components(found, group.sources, reader.name, whole=whole))
    write_arrays(
        settings,
        arrays,
        numbered(
            [one.image for one in found],
            components=[one.components for one in found],
            colours=[one.colours for one in found],
            first=[one.first for one in found],
            foreground=[one.foreground for one in found],
        ),
    )
    if settings.json:
        for one in found:
            share = float(one.foreground.mean())
            emit("components", {"path": one.image, "grid": one.first.shape, "foreground": round(share, 4)})
    else:
        rows = [
            (shown(one.image), _grid(one.first.shape), f"{100 * one.foreground.mean():.0f} % foreground")
            for one in found
        ]
        table(rows)
    return reported(group)


@dense.command(short_help="Show what the class token looks at.")
@click.argument("image")
@output_options
@attention_options
@verb
def attention(settings: Settings, image: str, output: Path | None, arrays: Path | None, **features: Any) -> None:
    """Draw the attention of the class token in the last block of a Vision Transformer: each head, and their mean.

      dinosearch dense attention horse.jpg --model dinov2_vits14_reg4 -o attention.png

    --arrays has the weights (heads, rows, columns); those of a head and of the tokens that are no patches sum to 1.
    """
    from dinosearch.analysis.dense.pictures import draw_attention

    if output is None and arrays is None:
        raise click.UsageError("say where the attention goes: -o FILE.png, --arrays FILE.npz, or both")
    with reading(settings, **features) as (reader, _):
        reader.need_attention("attention")
        (source,) = sources(settings, [image])
        found = reader.read(source[1], source[0])
        write_picture(settings, output, lambda: draw_attention(found, source, reader.name))
    heads = [] if found.attention is None else [round(float(head.sum()), 4) for head in found.attention]
    write_arrays(settings, arrays, {"attention": found.attention})
    if settings.json:
        emit("attention", {"path": found.name, "grid": found.grid, "on_patches": heads})
    else:
        table((f"head {number}", f"{100 * share:.0f} % on patches") for number, share in enumerate(heads))


@dense.command(short_help="Find corresponding places of two images.")
@click.argument("first")
@click.argument("second")
@click.option(
    "-n",
    "--pairs",
    "count",
    type=click.IntRange(min=1),
    default=10,
    show_default=True,
    metavar="N",
    help="Wanted pairs.",
)
@click.option(
    "--threshold",
    type=click.FloatRange(0, 1),
    default=0.05,
    show_default=True,
    metavar="SHARE",
    help="Saliency, 0 to 1, that both patches must exceed.",
)
@output_options
@feature_options
@verb
def match(
    settings: Settings,
    first: str,
    second: str,
    count: int,
    threshold: float,
    output: Path | None,
    arrays: Path | None,
    seed: int,
    **features: Any,
) -> int:
    """Find places of FIRST and SECOND whose patches are each other's nearest, spread over what both show.

      dinosearch dense match cat.jpg dog.jpg -n 10 -o places.png
      dinosearch dense match cat.jpg dog.jpg --model dinov2_vits14_reg4 --layer 9 --facet key --bin --stride 7

    Prints a line for each pair, the most salient first: x and y in both upright images in pixels, cosine and saliency.
    The exit code is 1 where there is none.
    """
    from dinosearch.analysis.dense import match as find
    from dinosearch.analysis.dense.pictures import draw_matches

    with reading(settings, **features) as (reader, _):
        given = sources(settings, [first, second])
        one, other = (reader.read(image, name) for name, image in given)
        pairs = find(one, other, count, threshold=threshold, heads=reader.heads, seed=seed)
        write_picture(settings, output, lambda: draw_matches(pairs, (one, other), given, reader.name))
    names = ("first", "second", "cosine", "saliency")
    write_arrays(settings, arrays, {name: [getattr(pair, name) for pair in pairs] for name in names})
    if settings.json:
        for number, pair in enumerate(pairs, start=1):
            emit("pair", {"number": number, **vars(pair)})
    elif pairs:
        lines = [
            (f"{i}", *(f"{p:>6.0f}" for p in (*pair.first, *pair.second)), f"{pair.cosine:.3f}", f"{pair.saliency:.2f}")
            for i, pair in enumerate(pairs, start=1)
        ]
        table([("pair", "x in 1", "y in 1", "x in 2", "y in 2", "cosine", "saliency"), *lines])
    if not pairs and not settings.quiet:
        tell("no patches are each other's nearest and salient in both; a lower --threshold finds more")
    return 0 if pairs else NOTHING


def _grid(shape: tuple[int, ...]) -> str:
    return f"{shape[1]} x {shape[0]} patches"


dense.add_command(cosegment)
dense.add_command(parts)
