"""`dinosearch migrate`: change the model of a collection beside the one that answers, and go back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from dinosearch.advice import Sentence, run
from dinosearch.cli.advice import told
from dinosearch.cli.options import Settings, model_options, opened, verb
from dinosearch.cli.output import counted, emit, notice, rate_text, say, shown, size_text

if TYPE_CHECKING:
    from dinosearch.collection import MigrationEstimate, MigrationReport

INCOMPLETE = 3
LISTED = 20  # images named in plain text; --json names all
PLACED = ("runtime", "device", "dtype", "batch")
"""Options that say how a model is run and not which."""


@click.command(short_help="Change the model, and go back.")
@click.option("--back", is_flag=True, help="Let the model before the last change answer again.")
@click.option("--forget", is_flag=True, help="Delete the vectors of the model before; there is no going back then.")
@click.option("--dry-run", is_flag=True, help="Only say what there is to do and how long it will take.")
@click.option("--restart", is_flag=True, help="Delete what an interrupted change has made, and begin anew.")
@click.option("--leave-behind", is_flag=True, help="Change though images cannot be read; those are not found.")
@click.option(
    "--workers", type=click.IntRange(min=1), metavar="N", help="Decoding processes.  [default: one a core, at most 8]"
)
@model_options
@verb
def migrate(
    settings: Settings,
    back: bool,
    forget: bool,
    dry_run: bool,
    restart: bool,
    leave_behind: bool,
    workers: int | None,
    **model: Any,
) -> int:
    """Embed all images with another model, beside the vectors that answer, then let it answer.

      dinosearch migrate --model dinov2_vits14 --dry-run
      dinosearch migrate --model dinov2_vits14
      dinosearch migrate --back

    Queries are answered all the time: by the old model until the last moment, then by the new one; programs that have
    the collection open go on with it. Other writers, such as index, have to wait. Interrupt it at any moment and run
    dinosearch migrate again: it goes on, and takes in what was indexed meanwhile. What is not named stays as it is, so
    that --preprocessing or --pooling alone can be changed too.

    The images are read again. Those whose files are gone, changed, unreadable or on a drive that is not there are
    named, nothing is changed, and the exit code is 3: mend that and run it again, or leave them behind. What is left
    behind is found again once dinosearch index can read it.

    The vectors of the model before are kept, so that --back needs to embed only what has come since. Refined vectors,
    regions, patch tokens and prepared diffusion are made again; a calibration has to be learned anew, and comes back
    with its model.
    """
    _check(back, forget, dry_run, restart, model)
    placed = {name: model.pop(name) for name in PLACED}
    with opened(settings, **placed) as (collection, progress):
        if forget:
            freed = collection.forget_kept()
            if settings.json:
                emit("forgotten", {"bytes": freed})
            elif not settings.quiet:
                say(f"{size_text(freed)} of the model before deleted" if freed else "no other model is kept")
            return 0
        if dry_run:
            _estimated(collection.estimate_migration(**model, workers=workers), settings)
            return 0
        if back:
            report = collection.migrate_back(
                weights=model["weights"], leave_behind=leave_behind, workers=workers, progress=progress
            )
        else:
            report = collection.migrate(
                **model, restart=restart, leave_behind=leave_behind, workers=workers, progress=progress
            )
    return _reported(report, settings)


def _check(back: bool, forget: bool, dry_run: bool, restart: bool, model: dict[str, Any]) -> None:
    """Refuse options that do not go together."""
    named = [name for name in ("model", "preprocessing", "pooling", "scales") if model[name] is not None]
    if sum((back, forget, dry_run)) > 1:
        raise click.UsageError("--back, --forget and --dry-run do not go together")
    if (back or forget) and (named or restart):
        option = "--back" if back else "--forget"
        raise click.UsageError(f"{option} is about the model before; leave out --{(*named, 'restart')[0]}")


def _estimated(found: MigrationEstimate, settings: Settings) -> None:
    from dinosearch.cli.progress import duration

    if settings.json:
        emit("estimate", found.to_dict())
        return
    say(f"{counted(found.images, 'image')} to embed with {found.model.settings}, {size_text(found.bytes)} of vectors")
    if found.sample:
        pace = f", {rate_text(found.images / found.seconds)}/s" if found.seconds else ""
        say(f"about {duration(found.seconds)}{pace}, by a sample of {counted(found.sample, 'image')}")
    if found.unreadable:
        say(f"{found.unreadable:,} of the sample could not be read")


def _reported(report: MigrationReport, settings: Settings) -> int:
    code = 0 if report.ok else INCOMPLETE
    if settings.json:
        for problem in report.left:
            emit("left", {"path": problem.path, "reason": problem.reason})
        emit("migrate", {**report.to_dict(), "left": len(report.left)})
        return code
    for problem in report.left[:LISTED]:
        notice(f"{shown(problem.path)}: ", problem.reason)
    if len(report.left) > LISTED:
        notice(f"and {len(report.left) - LISTED:,} more; see all with --json")
    if not report.ok:
        notice(
            f"{counted(len(report.left), 'image')} could not be read, so the model was not changed; plug the drive in "
            f"or bring the files back and run again: ",
            run("migrate"),
            "; or leave them behind by: --leave-behind",
        )
    elif not settings.quiet:
        for line in _sentences(report):
            say(told(line))
        for problem in report.dropped:
            notice(f"{problem.path} is gone: ", problem.reason)
    return code


def _sentences(report: MigrationReport) -> Iterator[str]:
    model = report.model.settings
    if report.outcome == "already":
        yield f"{model} answers already: nothing to do"
        return
    pace = f" ({rate_text(report.embedded / report.seconds)}/s)" if report.embedded and report.seconds else ""
    yield f"{model} answers from now on: {counted(report.images, 'image')}, {report.embedded:,} embedded{pace}"
    if report.made:
        yield f"made again: {', '.join(report.made)}"
    if report.left:
        behind = f"{counted(len(report.left), 'image')} left behind until this can read them: "
        yield Sentence(behind, run("index", "FOLDER"))
    yield Sentence("the model before is kept: go back with ", run("migrate", "--back"), ", or delete it with --forget")
