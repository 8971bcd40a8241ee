"""What `dinosearch duplicates` does with what it found: write it, remember what is said of it, and move files."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dinosearch.advice import run
from dinosearch.cli.options import Settings
from dinosearch.cli.output import counted, emit, notice, say, shown, size_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dinosearch.analysis.duplicates import DuplicateGroup, Found
    from dinosearch.cli.progress import Display
    from dinosearch.collection import Collection

TIERS = ("exact", "near-copy", "same-instance")
SOME_LEFT = 3
LOG = "trashed.jsonl"


def write(settings: Settings, found: Found) -> None:
    """The groups, and what there is to say of all of them."""
    for number, group in enumerate(found.groups, 1):
        if settings.json:
            emit("group", {"number": number, **group.to_dict()})
        else:
            _write_group(number, group)
    counts = {tier: sum(group.tier == tier for group in found.groups) for tier in TIERS}
    if settings.json:
        names = ("thresholds", "going", "size", "hidden", "checked", "unchecked")
        facts = {name: getattr(found, name) for name in names}
        emit("duplicates", {"groups": counts, **facts, "unread": list(found.unread)})
    if settings.quiet:
        return
    for path in found.unread:
        notice(f"{shown(path)} could not be read, so that it is taken for no copy")
    if found.unchecked:
        notice(f"{counted(found.unchecked, 'pair')} of images with very many near ones were not compared")
    if found.hidden:
        notice(f"{counted(found.hidden, 'group')} of images that were said to be no duplicates left out")
    if not settings.json:
        named = ", ".join(f"{count:,} {tier}" for tier, count in counts.items() if count)
        of_these = f"{counted(len(found.groups), 'group')} ({named}); " if found.groups else "no duplicates; "
        say(f"{of_these}{counted(found.going, 'file')} may go, {size_text(found.size)}; nothing was changed")


def _write_group(number: int, group: DuplicateGroup) -> None:
    score = "" if group.tier == TIERS[0] else f", smallest cosine {group.smallest:.4f}"
    say(f"{number}  {group.tier}{score}")
    for member in group.members:
        mark = "keep" if member is group.kept else "go" if member.goes else "-"
        facts = f"{member.width} x {member.height}, {size_text(member.size)}"
        same = "" if member is group.kept or group.tier == TIERS[0] else f"  {member.score:.4f}"
        change = f"  {member.change}" if member.change else ""
        say(f"   {mark:<4}  {shown(member.path)}  {facts}  id:{member.id}{same}{change}")


def judge(settings: Settings, collection: Collection, ids: Sequence[int], *, forget: bool) -> int:
    """Remember that images are no duplicates of each other, or forget what was said of them, or all of it."""
    from dinosearch.errors import ImageNotFoundError

    known = set(collection.ids().tolist())
    if unknown := [number for number in ids if number not in known]:
        raise ImageNotFoundError(
            f"there is no image id:{unknown[0]} in {collection.home}, so nothing was recorded; ids are shown by: ",
            run("duplicates"),
        )
    if forget:
        pairs = [
            pair for pair in collection.not_duplicates(ids or None) if not ids or set(pair) <= {*ids} or len(ids) == 1
        ]
    else:
        pairs = list(combinations(ids, 2))
    collection.say_not_duplicates(pairs, forget=forget)
    if settings.json:
        emit("verdicts", {"forgotten" if forget else "not_duplicates": len(pairs)})
    elif not settings.quiet:
        said = "forgotten to be no duplicates" if forget else "remembered to be no duplicates"
        say(f"{counted(len(pairs), 'pair')} {said}")
    return 0


def move(
    settings: Settings, collection: Collection, found: Found, progress: Display, yes: bool, log: str | None
) -> int:
    """Move what may go, when it is wanted."""
    from dinosearch.analysis.duplicates import trash

    if not yes:
        try:
            wanted = click.confirm(
                f"Move {counted(found.going, 'file')} ({size_text(found.size)}) to the trash?", err=True
            )
        except click.Abort:
            raise click.UsageError(
                "nobody answered; say --yes to move files to the trash without being asked"
            ) from None
        if not wanted:
            notice("nothing was moved")
            return 0
    home = Path(collection.home)
    written = Path(log) if log else (home if home.is_dir() else Path()) / LOG
    done = trash(collection, found.groups, written, progress)
    progress.close()
    if settings.json:
        for problem in done.problems:
            emit("stayed", {"path": problem.path, "reason": problem.reason})
        emit("trashed", {"files": len(done.paths), "size": done.size, "log": str(written)})
        return SOME_LEFT if done.problems else 0
    for problem in done.problems:
        notice(f"{shown(problem.path)} stays: ", problem.reason)
    if not settings.quiet:
        say(
            f"{counted(len(done.paths), 'file')} moved to the trash, {size_text(done.size)}; log: {shown(str(written))}"
        )
    return SOME_LEFT if done.problems else 0
