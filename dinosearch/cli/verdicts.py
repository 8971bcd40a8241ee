"""Verdicts on results: `dinosearch confirm` and `reject` give them, `verdicts` lists them or takes them back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from dinosearch.advice import run
from dinosearch.cli.advice import told
from dinosearch.cli.calibrate import counts, heard
from dinosearch.cli.options import Settings, model_options, opened, verb
from dinosearch.cli.output import counted, emit, notice, say, shown, table

if TYPE_CHECKING:
    from dinosearch.collection import Collection
    from dinosearch.records import Verdict

NOTHING_FOUND = 1
_FILTERED = 200
"""Ids that one filter names; it takes 250 values."""


@click.command(short_help="Say that results are right.")
@click.argument("query")
@click.argument("results", nargs=-1, required=True, metavar="RESULT...")
@model_options
@verb
def confirm(settings: Settings, query: str, results: tuple[str, ...], **model: Any) -> None:
    """Record that each RESULT shows the same thing as QUERY; confidences of scores nearby rise.

      dinosearch confirm facade.jpg id:12 ~/Pictures/facade-2.jpg

    QUERY is a file, id:N or an http(s) address; a RESULT is id:N or a path of the collection. A later verdict on the
    same two images replaces this one; dinosearch verdicts lists them and takes them back.
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
        learned = None if found is None else counts(found)
        emit("verdicts", {"same": same, "results": len(results), "calibration": learned})
    elif not settings.quiet:
        counting = "it counts" if len(results) == 1 else "they count"
        learn = told(f"{counting} once you run: ", run("calibrate"))
        counts_from = learn if found is None else heard(found).lstrip(", ")
        say(f"{counted(len(results), 'verdict')} recorded; {counts_from}")


@click.command(short_help="List what was said of results, or take it back.")
@click.argument("query", required=False)
@click.argument("results", nargs=-1, metavar="[RESULT]...")
@click.option("--forget", is_flag=True, help="Take back what was said of QUERY, or of QUERY and these results.")
@click.option("--all", "every", is_flag=True, help="With --forget and without QUERY: take back everything.")
@verb
def verdicts(settings: Settings, query: str | None, results: tuple[str, ...], forget: bool, every: bool) -> int:
    """List what confirm and reject recorded, the newest first, or take it back; confidences follow.

      dinosearch verdicts
      dinosearch verdicts facade.jpg
      dinosearch verdicts --forget facade.jpg id:12

    QUERY and RESULT are those of confirm; QUERY may also be sha256:HEX, as it is listed where the query is no image of
    the collection. A verdict counts where the collection is calibrated on the vectors whose score it was given to.

    Each --json verdict has query (an id, or null), query_sha256, id and path of the result, same, score, made and
    counts. The exit code is 1 when there is no such verdict.
    """
    if every and (query or not forget):
        raise click.UsageError("--all goes with --forget, without a QUERY")
    if forget and not (query or every):
        raise click.UsageError(
            told("which verdicts are that? ", run("verdicts", "--forget", "QUERY"), "; all of them with --all")
        )
    with opened(settings, read_only=not forget) as (collection, progress):
        ids = _ids(collection, results) if results else None
        found = [] if forget else collection.verdicts(query, ids)
        count = collection.forget_verdicts(query, ids) if forget else len(found)
        progress.close()
        if forget:
            _forgotten(settings, collection, count)
        else:
            _list(settings, collection, found)
    if not count:
        notice("there is no such verdict; give some with: ", run("confirm", "QUERY", "RESULT"))
    return 0 if count else NOTHING_FOUND


def _ids(collection: Collection, results: Sequence[str]) -> list[int]:
    """Ids of results; an image may have left the collection since something was said of it."""
    from dinosearch.errors import ImageNotFoundError

    found = collection.ids_of(results)
    for name in results:
        number = name.removeprefix("id:")
        if name not in found and name != number and number.isascii() and number.isdecimal() and len(number) < 19:
            found[name] = int(number)
    if unknown := [name for name in results if name not in found]:
        raise ImageNotFoundError(f"{unknown[0]} is not in the collection; verdicts are listed by: ", run("verdicts"))
    return list(found.values())


def _list(settings: Settings, collection: Collection, found: Sequence[Verdict]) -> None:
    calibration = collection.calibration
    answering = calibration.generation if calibration else None
    numbers = {number for one in found for number in (one.image_id, one.query_id) if number is not None}
    paths = _paths(collection, sorted(numbers))
    lines = [("said", "score", "when", "query", "result")]
    for one in sorted(found, key=lambda verdict: (verdict.made, verdict.image_id), reverse=True):
        does_count = one.generation == answering
        if settings.json:
            given = {"query": one.query_id, "query_sha256": one.query_sha256}
            result = {"id": one.image_id, "path": paths.get(one.image_id)}
            said = {"same": one.same, "score": one.score, "made": one.made.isoformat(), "counts": does_count}
            emit("verdict", {**given, **result, **said})
            continue
        asked = f"sha256:{one.query_sha256}" if one.query_id is None else _named(one.query_id, paths)
        words = ("the same" if one.same else "not the same") + ("" if does_count else " *")
        when = f"{one.made.astimezone():%Y-%m-%d %H:%M}"
        lines.append((words, f"{one.score:.4f}", when, asked, _named(one.image_id, paths)))
    if len(lines) > 1:
        table(lines)
        if not settings.quiet and any(one.generation != answering for one in found):
            why = "* does not count: the collection is not calibrated on the vectors of this score; do so with: "
            say(told(why, run("calibrate")))


def _forgotten(settings: Settings, collection: Collection, count: int) -> None:
    calibration = collection.calibration
    if settings.json:
        emit("verdicts forgotten", {"verdicts": count, "calibration": counts(calibration) if calibration else None})
    elif count and not settings.quiet:
        left = heard(calibration) if calibration else ""
        say(f"{counted(count, 'verdict')} forgotten{left}")


def _named(number: int, paths: dict[int, str]) -> str:
    return f"id:{number}" + (f" {shown(paths[number])}" if number in paths else " (removed)")


def _paths(collection: Collection, ids: Sequence[int]) -> dict[int, str]:
    """The first file of each image that has one."""
    found: dict[int, str] = {}
    for low in range(0, len(ids), _FILTERED):
        for row in collection.files(f"id in ({', '.join(map(str, ids[low : low + _FILTERED]))})"):
            found.setdefault(row["id"], row["path"])
    return found
