"""Verbs that say what a score means: calibrate, and the user's verdicts confirm and reject."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from dinosearch.advice import run
from dinosearch.cli.advice import told
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
        emit("calibration", {"thresholds": rows, **_counts(found)})
        return
    say("precision  score from which hits have it (estimated)")
    for precision, score in thresholds.items():
        say(f"{precision:9.2f}  {'no score has it' if score is None else f'{score:.4f}'}")
    if not settings.quiet:
        unread = f", {counted(found.unreadable, 'image')} could not be read" if found.unreadable else ""
        say(f"learned from {found.positives:,} right and {found.negatives:,} wrong pairs{unread}{_heard(found)}")


@click.command(short_help="Say that results are right.")
@click.argument("query")
@click.argument("results", nargs=-1, required=True, metavar="RESULT...")
@model_options
@verb
def confirm(settings: Settings, query: str, results: tuple[str, ...], **model: Any) -> None:
    """Record that each RESULT shows the same thing as QUERY; confidences of scores nearby rise.

      dinosearch confirm facade.jpg id:12 ~/Pictures/facade-2.jpg

    QUERY is a file, id:N or an http(s) address; a RESULT is id:N or a path of the collection. A later verdict on the
    same two images replaces this one.
    """
    _judge(settings, True, query, results, model)


@click.command(short_help="Say that results are wrong.")
@click.argument("query")
@click.argument("results", nargs=-1, required=True, metavar="RESULT...")
@model_options
@verb
def reject(settings: Settings, query: str, results: tuple[str, ...], **model: Any) -> None:
    """Record that no RESULT shows the same thing as QUERY; confidences of scores nearby fall.

      dinosearch reject facade.jpg id:31

    The arguments are those of confirm.
    """
    _judge(settings, False, query, results, model)


def _judge(settings: Settings, same: bool, query: str, results: tuple[str, ...], model: dict[str, Any]) -> None:
    with opened(settings, **model) as (collection, progress):
        found = (collection.confirm if same else collection.reject)(query, *results)
        progress.close()
    if settings.json:
        counts = None if found is None else _counts(found)
        emit("verdicts", {"same": same, "results": len(results), "calibration": counts})
    elif not settings.quiet:
        learn = told("they count once you run: ", run("calibrate"))
        counts_from = learn if found is None else _heard(found).lstrip(", ")
        say(f"{counted(len(results), 'verdict')} recorded; {counts_from}")


def _counts(found: Calibration) -> dict[str, int]:
    names = ("positives", "negatives", "unreadable", "confirmed", "rejected")
    return {name: getattr(found, name) for name in names}


def _heard(found: Calibration) -> str:
    if not found.confirmed and not found.rejected:
        return ""
    return f", corrected by {counted(found.confirmed + found.rejected, 'verdict')}"
