"""`dinosearch dense cosegment` and `parts`: what several images have in common, and the parts of it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dinosearch.cli.dense_options import (
    NOTHING,
    feature_options,
    numbered,
    output_options,
    reading,
    reported,
    sources,
    write_arrays,
    write_picture,
)
from dinosearch.cli.options import Settings, verb
from dinosearch.cli.output import emit, say, shown, tell

if TYPE_CHECKING:
    import numpy as np

    from dinosearch.analysis.dense import Segments


def _common(command: Any) -> Any:
    """What cosegment and parts share."""
    for option in (
        feature_options,
        output_options,
        click.option("--masks", metavar="FOLDER", help="Write a mask for each image, as large as the image, as PNG."),
        click.option(
            "--votes",
            type=click.FloatRange(0, 1),
            default=0.75,
            show_default=True,
            metavar="SHARE",
            help="Of the images, in which a cluster of the subject must be salient.",
        ),
        click.option(
            "--elbow",
            type=click.FloatRange(0, 1),
            default=0.975,
            show_default=True,
            metavar="SHARE",
            help="One more cluster must bring the spread below this share of what it was; less gives fewer clusters.",
        ),
        click.option(
            "--threshold",
            type=click.FloatRange(0, 1),
            default=0.065,
            show_default=True,
            metavar="SHARE",
            help="Mean saliency, 0 to 1, from which a cluster of patches is salient in an image.",
        ),
        click.argument("images", nargs=-1, required=True, metavar="IMAGE..."),
    ):
        command = option(command)
    return command


@click.command(short_help="Cut out what images have in common.")
@_common
@verb
def cosegment(settings: Settings, **given: Any) -> int:
    """Find what the IMAGEs have in common: clusters of patches that are salient in most of them.

      dinosearch dense cosegment horse_*.jpg -o subject.png --masks masks

    Masks are white where the subject is. The exit code is 1 where the images have nothing in common.
    """
    return _segmented(settings, parts=None, **given)


@click.command(short_help="Find the same parts in several images.")
@_common
@click.option(
    "-n", "--parts", type=click.IntRange(1, 12), default=4, show_default=True, metavar="N", help="Wanted parts."
)
@verb
def parts(settings: Settings, **given: Any) -> int:
    """Part what the IMAGEs have in common, so that a part is the same thing in all of them.

      dinosearch dense parts horse_*.jpg -n 4 -o parts.png --masks masks

    Masks hold the number of the part of each pixel, 0 for the background. The exit code is 1 where the images have
    nothing in common.
    """
    return _segmented(settings, **given)


def _segmented(
    settings: Settings,
    images: tuple[str, ...],
    parts: int | None,
    threshold: float,
    votes: float,
    elbow: float,
    masks: str | None,
    output: Path | None,
    arrays: Path | None,
    seed: int,
    **features: Any,
) -> int:
    from dinosearch.analysis.dense import DenseGroup, find_subject
    from dinosearch.analysis.dense.pictures import DRAWN, draw_segments, mask

    folder = Path(masks) if masks else None
    names: list[str] = []
    labels: list[np.ndarray] = []
    drawn: list[Segments] = []
    with reading(settings, **features) as (reader, progress):
        group = DenseGroup(reader, sources(settings, images), progress)
        subject = find_subject(
            group, parts=parts, threshold=threshold, votes=votes, elbow=elbow, heads=reader.heads, seed=seed
        )
        if folder and subject.found:
            folder.mkdir(parents=True, exist_ok=True)
        for image in group if subject.found else ():
            one = subject.of(image)
            names.append(one.image)
            labels.append(one.labels.astype("uint8"))
            drawn += [one] if len(drawn) < DRAWN else []
            file = _mask_file(folder, len(names), one)
            if file:
                file.write_bytes(mask(one, parts=parts is not None))
            progress.close()
            _report(settings, one, file, of_parts=parts is not None)
        if names:
            write_picture(settings, output, lambda: draw_segments(drawn, group.sources, reader.name, parts))
    if names:
        write_arrays(settings, arrays, {**numbered(names, labels=labels), "centres": subject.centres})
    elif not settings.quiet:
        tell("the images have nothing in common that is salient; a lower --threshold or --votes finds more")
    return reported(group) or (0 if names else NOTHING)


def _report(settings: Settings, one: Segments, mask: Path | None, *, of_parts: bool) -> None:
    """Write the line of an image to stdout."""
    if settings.json:
        data = {"path": one.image, "width": one.width, "height": one.height}
        shares = [round(share, 4) for share in one.shares]
        emit("segments", {**data, "shares": shares, "mask": str(mask) if mask else None})
        return
    parts = (f"part {i} {100 * share:.0f} %" for i, share in enumerate(one.shares) if i)
    words = f": {', '.join(parts)}" if of_parts else ""
    say(f"{shown(one.image)}  {100 * (1 - one.shares[0]):.0f} % of the image{words}")


def _mask_file(folder: Path | None, number: int, one: Segments) -> Path | None:
    """Where a mask goes: images of different folders may have one name, so that each has its number."""
    if folder is None:
        return None
    stem = re.sub(r"[^\w.-]+", "_", Path(one.image.rpartition("::")[2]).stem)[:80]
    return folder / f"{number:03}_{stem}.png"
