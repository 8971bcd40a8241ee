"""`dinosearch duplicates`: find files that need not be kept twice, say which are none, and move them to the trash."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dinosearch.cli.duplicates_found import SOME_LEFT, TIERS, judge, move, write
from dinosearch.cli.options import Settings, opened, verb
from dinosearch.cli.output import tell

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dinosearch.analysis.duplicates import Found
    from dinosearch.cli.progress import Display
    from dinosearch.collection import Collection

NOTHING_FOUND = 1


def _checked_sheet(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """Refuse a sheet that could not be written, before anything is searched."""
    if value is not None:
        if not value.lower().endswith((".html", ".htm")):
            raise click.BadParameter(f"{value} does not end with .html")
        if not Path(value).absolute().parent.is_dir():
            raise click.BadParameter(f"there is no folder {Path(value).absolute().parent}")
    return value


def _thresholds(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> dict[str, float]:
    """`0.9` for all tiers that have one, `near-copy=0.9` for one of them."""
    found: dict[str, float] = {}
    for value in values:
        tier, _, score = value.rpartition("=")
        try:
            number = float(score)
        except ValueError:
            raise click.BadParameter(f"{value} is no score; write 0.9, or near-copy=0.9") from None
        if tier not in ("", *TIERS[1:]):
            raise click.BadParameter(f"{tier} has no threshold; the tiers that have are {' and '.join(TIERS[1:])}")
        if not 0 < number <= 1:
            raise click.BadParameter(f"{score} is no cosine above 0 and at most 1")
        found |= dict.fromkeys([tier] if tier else TIERS[1:], number)
    return found


def _image_ids(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> tuple[int, ...]:
    numbers = [value.removeprefix("id:") for value in values]
    if wrong := [number for number in numbers if not (number.isascii() and number.isdecimal() and len(number) < 19)]:
        raise click.BadParameter(f"{wrong[0]} is no image id such as id:12")
    return tuple(dict.fromkeys(map(int, numbers)))


@click.command(short_help="Find duplicates, and move them to the trash when told.")
@click.argument("ids", nargs=-1, metavar="[ID]...", callback=_image_ids)
@click.option(
    "--tier",
    "tiers",
    type=click.Choice(TIERS),
    multiple=True,
    help="What to look for; repeatable.  [default: exact and near-copy]",
)
@click.option(
    "--threshold",
    "thresholds",
    multiple=True,
    callback=_thresholds,
    metavar="[TIER=]SCORE",
    help="Smallest cosine of a pair; repeatable.  [default: the model's, or the calibration's]",
)
@click.option(
    "--link",
    type=click.Choice(["complete", "single"]),
    default="complete",
    show_default=True,
    help="Whether all pairs of a group must be near enough, or a chain of pairs will do.",
)
@click.option("--where", metavar="EXPR", help='Only files that match, such as "taken >= 2020".')
@click.option("--between", metavar="FOLDER", help="Only pairs with one file in this folder and one in that of --and.")
@click.option("--and", "and_", metavar="FOLDER", help="The other folder of --between.")
@click.option("--within-folder", is_flag=True, help="Only pairs of files that lie in the same folder.")
@click.option(
    "--keep",
    multiple=True,
    metavar="RULE",
    default=("largest",),
    show_default=True,
    help="Which file of a group to keep: largest, oldest, newest or path:PATTERN; a later rule breaks ties.",
)
@click.option("--sheet", metavar="FILE.html", callback=_checked_sheet, help="Also draw the groups side by side.")
@click.option("--trash", is_flag=True, help="Move the files that may go to the trash, after showing them.")
@click.option("--yes", is_flag=True, help="Do not ask before --trash.")
@click.option("--log", metavar="FILE", help="What --trash moved, as JSON Lines.  [default: trashed.jsonl in the home]")
@click.option("--not-duplicates", is_flag=True, help="Remember that the images ID... are no duplicates of each other.")
@click.option("--forget-verdicts", is_flag=True, help="Forget that: about the images ID..., or all of it.")
@verb
def duplicates(
    settings: Settings,
    ids: tuple[int, ...],
    trash: bool,
    yes: bool,
    log: str | None,
    sheet: str | None,
    not_duplicates: bool,
    forget_verdicts: bool,
    **asked: Any,
) -> int:
    """Group files that are duplicates of each other, and propose which of each group to keep; nothing is changed.

      dinosearch duplicates --sheet duplicates.html
      dinosearch duplicates --between ~/Pictures --and /media/backup --keep "path:backup/**"
      dinosearch duplicates --tier same-instance --where "taken >= 2020"
      dinosearch duplicates --not-duplicates 12 31
      dinosearch duplicates --trash

    exact are files of one content. near-copy are pictures made from one another: encoded again, resized, cut, turned,
    mirrored, blurred, written over; a comparison of their pixels must confirm it, which another photo of the same
    thing does not pass. same-instance are photos of the same thing, by the cosine alone. Each tier looks at the files
    that the one before would keep.

    --trash moves what is marked `go`, and nothing that has changed since it was indexed, lies in an archive, or whose
    keeper is not there as it was; what was moved leaves the collection, and is in --log. A group that was said to be
    none is shown again when it gets a new member. The exit code is 1 when nothing was found, 3 when files stayed or
    could not be read.
    """
    _check(ids, trash, yes, log, not_duplicates, forget_verdicts, asked)
    with opened(settings, read_only=not (trash or not_duplicates or forget_verdicts)) as (collection, progress):
        if not_duplicates or forget_verdicts:
            return judge(settings, collection, ids, forget=forget_verdicts)
        found = _find(collection, progress, **asked)
        progress.close()
        write(settings, found)
        if sheet is not None:
            from dinosearch.analysis.duplicates.sheet import write_sheet

            write_sheet(collection, found, Path(sheet), progress)
            progress.close()
            if not settings.quiet:
                tell(f"picture: {sheet}")
        if trash and found.going:
            return move(settings, collection, found, progress, yes, log)
    if found.unread:
        return SOME_LEFT
    return 0 if found.groups else NOTHING_FOUND


def _check(
    ids: Sequence[int],
    trash: bool,
    yes: bool,
    log: str | None,
    not_duplicates: bool,
    forget: bool,
    asked: dict[str, Any],
) -> None:
    """Refuse what makes no sense together, before anything is looked at."""
    if not_duplicates and (forget or trash):
        raise click.UsageError("--not-duplicates is said alone")
    if not_duplicates and len(ids) < 2:
        raise click.UsageError("--not-duplicates wants two images at least, such as: --not-duplicates 12 31")
    if ids and not (not_duplicates or forget):
        raise click.UsageError("ids are for --not-duplicates and --forget-verdicts")
    if bool(asked["between"]) != bool(asked["and_"]):
        raise click.UsageError("--between FOLDER and --and FOLDER go together")
    if (yes or log) and not trash:
        raise click.UsageError("--yes and --log are for --trash")
    if log and not Path(log).absolute().parent.is_dir():
        raise click.BadParameter(f"there is no folder {Path(log).absolute().parent}", param_hint="--log")


def _find(
    collection: Collection,
    progress: Display,
    *,
    tiers: tuple[str, ...],
    thresholds: dict[str, float],
    link: str,
    where: str | None,
    between: str | None,
    and_: str | None,
    within_folder: bool,
    keep: tuple[str, ...],
) -> Found:
    from dinosearch.analysis.duplicates import Keep, Scope, find_duplicates

    scope = Scope(where, (between, and_) if between and and_ else None, within_folder)
    return find_duplicates(
        collection,
        tiers=tiers or TIERS[:2],
        thresholds=thresholds,
        link=link,
        scope=scope,
        keep=Keep(keep),
        progress=progress,
    )
