"""`dinosearch plan`: how much a collection of a size would take, with the arithmetic; it reads and writes no home."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

import click

from dinosearch.cli.options import Settings, recall_option, verb
from dinosearch.cli.output import emit, say, table

if TYPE_CHECKING:
    from dinosearch.sizing import Line, Place, Plan

F = TypeVar("F", bound=Callable[..., Any])


def _number(context: click.Context, parameter: click.Parameter, value: str | None) -> float | None:
    return _read("number_of", value)


def _images(context: click.Context, parameter: click.Parameter, value: str) -> int:
    return int(_read("images_of", value) or 0)


def _assumed(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, float]:
    """`KEY=VALUE`, each."""
    pairs = [value.partition("=") for value in values]
    return {key.strip(): _read("number_of", number) or 0.0 for key, _, number in pairs}


def _read(reader: str, value: str | None) -> float | None:
    from dinosearch import sizing

    if value is None:
        return None
    try:
        return float(getattr(sizing, reader)(value))
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def _flags(command: F) -> F:
    """An option for each assumption that has one."""
    from dinosearch.sizing import ASSUMPTIONS, shown

    for assumption in reversed(ASSUMPTIONS.values()):
        if assumption.flag:
            what, unit = assumption.what, assumption.unit
            default = shown(assumption.value, "" if unit == "money" else unit)
            help_text = f"{what[0].upper()}{what[1:]}.  [default: {default}]"
            kind = "BYTES" if unit == "B" else "N"
            command = click.option(assumption.flag, assumption.key, metavar=kind, callback=_number, help=help_text)(
                command
            )
    return command


@click.command(short_help="Say how much a collection of a size would take.")
@click.option("--images", required=True, metavar="N", callback=_images, help="How many, as 1e9, 1G or 1000000000.")
@click.option("--model", default="dinov2_vits14", show_default=True, metavar="NAME", help="One of `dinosearch models`.")
@recall_option
@_flags
@click.option(
    "--assume",
    multiple=True,
    metavar="KEY=N",
    callback=_assumed,
    help="Another number for one of the assumptions listed.",
)
@verb
def plan(
    settings: Settings, images: int, model: str, recall: float, assume: dict[str, float], **given: float | None
) -> None:
    """Say what a collection of so many images needs in a folder, in Milvus and in pgvector, and what it costs to make.

      dinosearch plan --images 1e9 --recall 0.95
      dinosearch plan --images 20M --model dinov2_vitl14 --machine-ram 64GB --gpu-hour 2.5

    A table first, then every step of the arithmetic with its numbers, then what it takes for granted, each with its
    source; --assume puts another number in. Prices are guesses until yours are given. Nothing is read or written.
    """
    from dinosearch.sizing import plan as make

    given_numbers = {key: value for key, value in given.items() if value is not None}
    made = make(images, model, recall, given_numbers | assume)
    if settings.json:
        emit("plan", made.to_dict())
        return
    for block in _tables(made):
        table(block)
        say("")
    for title, lines in _worked_out(made):
        say(f"{title}, step by step")
        for line in lines:
            _tell_step(line)
        say("")
    say("taken for granted")
    table(_granted(made))


def _tables(made: Plan) -> Iterator[list[tuple[str, ...]]]:
    yield _head(made)
    yield list(_places(made.places))
    yield list(_sums(made))
    yield list(_places(made.others, "other indexes"))
    yield [("bytes a vector, and of all", "", ""), *_forms(made)]


def _worked_out(made: Plan) -> Iterator[tuple[str, Iterable[Line]]]:
    for place in made.places:
        yield f"{place.name}, {place.index}", place.lines
    yield "embedding", made.embedding
    yield "costs", made.costs


def _head(made: Plan) -> list[tuple[str, ...]]:
    numbers = f"{made.dimension} numbers a vector"
    return [(f"{made.images:,} images, {made.model}: {numbers}, recall@10 {made.recall:g}",)]


def _places(places: Iterable[Place], title: str = "place") -> Iterator[tuple[str, ...]]:
    from dinosearch.sizing import shown, size

    yield (title, "index", "fits", "machines", "memory", "local disk", "objects", "take in", "build", "searches/s", "")
    for place in places:
        machines, queries = (f"{number:,.0f}" if place.fits else "-" for number in (place.machines, place.queries))
        objects = size(place.objects) if place.objects else "-"
        build = shown(place.build_hours, "h") if place.build_hours else "?"
        sizes = (size(place.memory), size(place.disk), objects)
        cells = (machines, *sizes, shown(place.load_hours, "h"), build, queries)
        yield (place.name, place.index, "yes" if place.fits else "no", *cells, "; ".join(place.reasons))


def _sums(made: Plan) -> Iterator[tuple[str, ...]]:
    from dinosearch.sizing import shown

    lines = {line.formula.key: line for line in (*made.embedding, *made.costs)}
    for key in ("gpu_hours", "embed_hours", "decode_hours", "network", "cost_gpus", "cost_images"):
        yield (lines[key].formula.what, shown(lines[key].value, lines[key].formula.unit))
    for line in made.costs:
        if line.formula.what.endswith("730 hours"):
            yield (line.formula.what, shown(line.value, line.formula.unit))


def _forms(made: Plan) -> Iterator[tuple[str, ...]]:
    from dinosearch.sizing import size

    for line in made.forms:
        yield (line.formula.what, f"{line.value:,.0f} B", size(line.value * made.images))


def _tell_step(line: Line) -> None:
    from dinosearch.sizing import shown

    formula = line.formula
    say(f"  {formula.key} = {shown(line.value, formula.unit)}: {formula.what}")
    say(f"    = {formula.text}")
    if line.numbers != formula.text:
        say(f"    = {line.numbers}")


def _granted(made: Plan) -> Iterator[tuple[str, ...]]:
    from dinosearch.sizing import shown

    for assumption in made.assumptions:
        value = shown(assumption.value, assumption.unit)
        yield (f"  {assumption.key}", value, assumption.what, f"({assumption.source})")
