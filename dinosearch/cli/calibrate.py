"""`dinosearch calibrate`: learn what a score means."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from dinosearch.cli.options import Settings, model_options, opened, verb
from dinosearch.cli.output import counted, emit, say

if TYPE_CHECKING:
    from dinosearch.records import Calibration

SHOWN = (0.5, 0.8, 0.95)
"""Precisions whose thresholds `calibrate` writes."""


@click.command(short_help="Learn how sure a score is.")
@click.option(
    "--sample", type=click.IntRange(min=20), default=200, show_default=True, metavar="N", help="Images to vary."
)
@model_options
@verb
def calibrate(settings: Settings, sample: int, **model: Any) -> None:
    """Learn from the collection's own images which score means "the same thing", and how surely.

      dinosearch calibrate
      dinosearch query facade.jpg --precision 0.95

    Random variations of images (crop, turn, light, encoding) are compared with the images themselves and with others.
    From then on every hit has a confidence: an estimate, for a query that has one right image in the collection, that
    this hit is right. Run it again when the collection has grown a lot; confirm and reject correct it.
    """
    with opened(settings, **model) as (collection, progress):
        found = collection.calibrate(sample=sample, progress=progress)
        progress.close()
    thresholds = {precision: found.threshold(precision) for precision in SHOWN}
    if settings.json:
        rows = [{"precision": precision, "score": score} for precision, score in thresholds.items()]
        emit("calibration", {"thresholds": rows, **counts(found)})
        return
    say("precision  score from which hits have it (estimated)")
    for precision, score in thresholds.items():
        say(f"{precision:9.2f}  {'no score has it' if score is None else f'{score:.4f}'}")
    if not settings.quiet:
        unread = f", {counted(found.unreadable, 'image')} could not be read" if found.unreadable else ""
        say(f"learned from {found.positives:,} right and {found.negatives:,} wrong pairs{unread}{heard(found)}")


def counts(found: Calibration) -> dict[str, int]:
    """How many pairs and verdicts it is made of."""
    names = ("positives", "negatives", "unreadable", "confirmed", "rejected")
    return {name: getattr(found, name) for name in names}


def heard(found: Calibration) -> str:
    """How many verdicts correct it, as the end of a sentence; empty for none."""
    if not found.confirmed and not found.rejected:
        return ""
    return f", corrected by {counted(found.confirmed + found.rejected, 'verdict')}"
