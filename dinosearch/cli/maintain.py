"""Verbs that keep a collection in order: remove, verify, compact."""

from __future__ import annotations

from typing import Any

import click

from dinosearch.advice import run
from dinosearch.cli.advice import told
from dinosearch.cli.options import Settings, model_options, opened, verb
from dinosearch.cli.output import counted, emit, notice, say, shown, size_text

REMAINING = 3


@click.command(short_help="Take files out of the collection.")
@click.argument("targets", nargs=-1, required=True, metavar="TARGET...")
@verb
def remove(settings: Settings, targets: tuple[str, ...]) -> None:
    """Take files, folders, archives or id:N out of the collection, never off the disk.

      dinosearch remove ~/Pictures/screenshots id:12

    A later `index` of their folder takes them in again; an ignore file (.dinosearchignore) or --exclude leaves them out
    for good. When a TARGET is not in the collection, nothing is removed.
    """
    with opened(settings) as (collection, _):
        count = collection.remove(*targets)
    if settings.json:
        emit("removed", {"removed": count})
    elif not settings.quiet:
        advice = told("reclaim the space with: ", run("compact"))
        say(f"{count:,} removed from the collection, none from the disk; {advice}")


@click.command(short_help="Check every stored byte, and mend it.")
@click.option("--repair", is_flag=True, help="Embed damaged vectors again from their files, rebuild a damaged index.")
@model_options
@verb
def verify(settings: Settings, repair: bool, **model: Any) -> int:
    """Check every stored byte against its checksum and every image against its vector.

      dinosearch verify --repair

    The exit code is 3 when a problem is found and not repaired. An image whose vector is damaged and whose file is
    gone, changed or unreadable cannot be restored: --repair takes it out of the collection and names it.
    """
    with opened(settings, read_only=not repair, **model) as (collection, progress):
        report = collection.verify(repair=repair, progress=progress)
    found = {
        "rows": report.rows,
        "problems": len(report.problems),
        "repaired": report.repaired,
        "lost": len(report.lost),
    }
    if settings.json:
        for kind, problems in (("problem", report.problems), ("lost", report.lost)):
            for problem in problems:
                emit(kind, {"path": problem.path, "reason": problem.reason})
        emit("verify", {**found, "ok": report.ok})
        return 0 if report.ok else REMAINING
    for problem in report.problems:
        notice(f"{shown(problem.path)}: ", problem.reason)
    for problem in report.lost:
        notice(f"{shown(problem.path)}: cannot be restored: ", problem.reason)
    if not settings.quiet:
        verdict = "all sound"
        if report.problems:
            verdict = f"{counted(len(report.problems), 'problem')}, {report.repaired:,} repaired"
        say(f"{report.rows:,} vectors checked: {verdict}")
    if report.problems and not repair:
        notice("mend it with: ", run("verify", "--repair"))
    return 0 if report.ok else REMAINING


@click.command(short_help="Reclaim the space of what was removed.")
@verb
def compact(settings: Settings) -> None:
    """Reclaim the space of removed images and superseded vectors.

      dinosearch compact

    The live vectors are copied into new files and the old ones deleted at the end, so it needs about as much free space
    as the collection takes.
    """
    with opened(settings) as (collection, progress):
        report = collection.compact(progress=progress)
    if settings.json:
        emit("compact", report.to_dict())
    elif not settings.quiet:
        dropped = report.rows_before - report.rows_after
        freed = size_text(max(0, report.bytes_before - report.bytes_after))
        say(f"{dropped:,} dead vectors dropped, {report.rows_after:,} kept, {freed} freed")
