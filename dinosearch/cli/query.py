"""`dinosearch query`: the nearest neighbours of one image, or of several combined."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dinosearch.advice import run
from dinosearch.cli.advice import told
from dinosearch.cli.options import Settings, checked_sheet, model_options, opened, rerank_option, verb
from dinosearch.cli.output import coloured, emit, notice, say, say_path, shown, tell
from dinosearch.cli.query_words import draw_found, refuse_of_images

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dinosearch.collection import Collection
    from dinosearch.records import Hit

Box = tuple[float, float, float, float]
NOTHING_FOUND = 1


@click.command(short_help="Find the images nearest to an image.")
@click.argument("images", nargs=-1, metavar="IMAGE...")
@click.option("--text", multiple=True, metavar="WORDS", help='Ask with words, such as "a red door"; repeatable.')
@click.option(
    "-k", "--top", type=click.IntRange(min=1), default=10, show_default=True, metavar="K", help="Hits wanted."
)
@click.option(
    "--box",
    callback=lambda ctx, param, value: _box(value),
    metavar="L,T,R,B",
    help="Ask with this part of the image: left,top,right,bottom in pixels, or as fractions.",
)
@click.option(
    "--regions/--no-regions",
    default=None,
    help="Search the windows inside the images, for a thing that is a part of them.  [default: with --box]",
)
@click.option(
    "--precision",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    metavar="SHARE",
    help="Answer only scores from which on this share is estimated to be right.",
)
@click.option("--threshold", type=click.FloatRange(-1, 1), metavar="SCORE", help="Smallest score to answer.")
@click.option("--negative", multiple=True, metavar="IMAGE", help="An image the hits shall be far from; repeatable.")
@click.option("--where", metavar="EXPR", help='Only images that match, such as "taken >= 2020 and width > 1000".')
@click.option("--exact", is_flag=True, help="Brute force over all vectors instead of the index.")
@rerank_option(None)
@click.option("--include-self", is_flag=True, help="Also answer the queried files themselves.")
@click.option("--unique", is_flag=True, help="Answer identical files once.")
@click.option("--paths", is_flag=True, help="Write only the paths, one a line.")
@click.option("-0", "--null", is_flag=True, help="Write only the paths, each ended by a NUL byte, for xargs -0.")
@click.option(
    "--sheet",
    metavar="FILE",
    callback=checked_sheet,
    help="Also draw the hits on a contact sheet: .png, or .html in one file.",
)
@click.option("--explain", is_flag=True, help="Also draw on the --sheet why the first hits match.")
@model_options
@verb
def query(
    settings: Settings,
    images: tuple[str, ...],
    text: tuple[str, ...],
    top: int,
    box: Box | None,
    regions: bool | None,
    precision: float | None,
    threshold: float | None,
    negative: tuple[str, ...],
    where: str | None,
    exact: bool,
    rerank: str | None,
    include_self: bool,
    unique: bool,
    paths: bool,
    null: bool,
    sheet: str | None,
    explain: bool,
    **model: Any,
) -> int:
    """Find the images nearest to IMAGE; several are combined into one query.

      dinosearch query facade.jpg --sheet neighbours.html
      dinosearch query day.jpg night.jpg --negative other.jpg --where "path ~ '**/2020/**'"
      dinosearch query street.jpg --box 0.4,0.1,0.7,0.5
      dinosearch query id:12 --threshold 0.6 -0 | xargs -0 ls -l
      dinosearch query --text "a red door"

    IMAGE is a file, id:N for an image of the collection, an http(s) address, or - for an image on stdin. The score is
    the cosine similarity, 1 for the same content; after dinosearch calibrate it comes with an estimate of how sure that
    makes. With --text it is the cosine of the words with the image, which is far lower. A --json hit has rank, score,
    id, path, width, height, format, size, taken, camera, box (where in the image, with --regions), confidence, label
    and label_confidence. The exit code is 1 when nothing was found.
    """
    if bool(images) == bool(text):
        raise click.UsageError(
            told("ask with images or with words, as in: ", run("query", "facade.jpg"), ', or: --text "a door"')
        )
    if settings.json and (paths or null):
        raise click.UsageError("--json cannot be combined with --paths or --null")
    if explain and sheet is None:
        raise click.UsageError("--explain draws on a contact sheet; name it with --sheet FILE.html")
    if text:
        refuse_of_images(
            box=box, regions=regions, precision=precision, negative=negative, rerank=rerank,
            include_self=include_self, explain=explain,
        )  # fmt: skip
        with opened(settings, read_only=True, **model) as (collection, progress):
            hits = collection.query_text(*text, k=top, where=where, threshold=threshold, exact=exact, unique=unique)
            progress.close()
            write_hits(hits, as_json=settings.json, paths=paths, null=null)
            if sheet is not None:
                draw_found(text, hits, Path(sheet))
            return _ended(settings, collection, hits, sheet, threshold is not None or where is not None)
    given = _read_stdin(images, negative)
    if not all(name.startswith("id:") for name in given):
        from dinosearch.images import start_ahead

        start_ahead()
        _open_early(settings.home, model)
    with opened(settings, read_only=True, **model) as (collection, progress):
        if sheet is not None:
            from dinosearch.cli.sheet import fetched

            given.update(fetched(given.values()))
        hits = collection.query(
            *(given[name] for name in images),
            k=top,
            negative=[given[name] for name in negative],
            where=where,
            threshold=threshold,
            exact=exact,
            include_self=include_self,
            unique=unique,
            rerank=rerank,
            precision=precision,
            box=box,
            regions=regions,
        )
        progress.close()
        write_hits(hits, as_json=settings.json, paths=paths, null=null)
        if sheet is not None:
            from dinosearch.cli.sheet import draw_sheet

            asked = [(name, given[name]) for name in images]
            draw_sheet(collection, asked, hits, Path(sheet), explain=explain, box=box)
        narrowed = any(option is not None for option in (threshold, where, precision))
        return _ended(settings, collection, hits, sheet, narrowed)


def _ended(settings: Settings, collection: Collection, hits: Sequence[Hit], sheet: str | None, narrowed: bool) -> int:
    """Say what was drawn, or that nothing was found; returns the exit code."""
    if not settings.quiet and sheet is not None:
        tell(f"picture: {sheet}")
    if not hits and not settings.quiet:
        if not len(collection.ids()):
            notice("nothing found: the collection is empty; fill it with: ", run("index", "FOLDER"))
        else:
            ask = " that matches; ask for less with --threshold, --precision or --where" if narrowed else ""
            notice(f"nothing found{ask}")
    return 0 if hits else NOTHING_FOUND


def _open_early(home: str, model: Mapping[str, Any]) -> None:
    """Begin to load the model of a collection that is not open yet."""
    from dinosearch.home import Home
    from dinosearch.store import fingerprint_at

    if "://" in home:
        return
    found = fingerprint_at(Home(home).metadata)
    if found is not None:
        from dinosearch.embedding import open_early

        open_early(found, model["runtime"], model["device"], model["dtype"])


def _read_stdin(images: Sequence[str], negative: Sequence[str]) -> dict[str, str | bytes]:
    """What each name stands for: the bytes on stdin for `-`, else the name itself."""
    names = [*images, *negative]
    given: dict[str, str | bytes] = {name: name for name in names}
    if "-" in given:
        if names.count("-") > 1:
            raise click.UsageError("stdin can be only one of the images")
        given["-"] = sys.stdin.buffer.read()
        if not given["-"]:
            raise click.UsageError("there is no image on stdin: it is empty")
    return given


def _box(value: str | None) -> Box | None:
    """Four numbers with commas between them."""
    if value is None:
        return None
    try:
        left, top, right, bottom = (float(number) for number in value.split(","))
    except ValueError:
        raise click.BadParameter(f"{value} is not left,top,right,bottom, such as 0.2,0.1,0.6,0.8") from None
    return left, top, right, bottom


def write_hits(hits: Sequence[Hit], *, as_json: bool, paths: bool = False, null: bool = False) -> None:
    """Write hits to stdout in one of the forms of `query`."""
    if null or paths:
        for hit in hits:
            say_path(hit.path, b"\0" if null else b"\n")
    elif as_json:
        for hit in hits:
            emit("hit", hit.to_dict())
    else:
        _write_table(hits, coloured())


def _path_width(hits: Sequence[Hit]) -> int:
    """To what paths are padded: the longest that leaves its row a place on the terminal; longer ones are whole too."""
    beside = len(f"{len(hits)}  0.0000    id:{max((hit.id for hit in hits), default=0)}")
    beside += len("  ~100%") * any(hit.confidence is not None for hit in hits)
    beside += len("  box 0.000,0.000,0.000,0.000") * any(hit.box is not None for hit in hits)
    room = shutil.get_terminal_size().columns - beside
    return max((length for hit in hits if (length := len(shown(hit.path))) <= room), default=0)


def _write_table(hits: Sequence[Hit], colour: bool) -> None:
    rank, path = len(str(len(hits))), _path_width(hits)
    for hit in hits:
        cells = [f"{hit.rank:>{rank}}", f"{hit.score:.4f}", f"{shown(hit.path):<{path}}", f"id:{hit.id}"]
        if colour:
            cells[1], cells[3] = click.style(cells[1], fg="green"), click.style(cells[3], dim=True)
        if hit.confidence is not None:
            cells.insert(2, f"~{hit.confidence:4.0%}")
        if hit.box is not None:
            cells.append("box " + ",".join(f"{edge:.3f}" for edge in hit.box))
        say("  ".join(cells))
