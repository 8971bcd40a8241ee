"""Options that several verbs share, and the collection they name; what a verb does with them is its own business."""

from __future__ import annotations

import functools
import inspect
import os
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from dinosearch.cli.advice import SETTINGS
from dinosearch.records import SCALES, Pooling, Preprocessing

if TYPE_CHECKING:
    from dinosearch.cli.progress import Display
    from dinosearch.collection import Collection

F = TypeVar("F", bound=Callable[..., Any])
SHEETS = (".png", ".html", ".htm")


@dataclass(frozen=True)
class Settings:
    """What --home, --metadata, --json and --quiet say."""

    home: str
    json: bool
    quiet: bool
    metadata: str | None = None


_COMMON = (
    click.option("-q", "--quiet", is_flag=True, help="No progress, notices and summaries; only results and errors."),
    click.option("--json", "as_json", is_flag=True, help='JSON Lines on stdout; each object has "schema" and "type".'),
    click.option(
        "--metadata",
        metavar="URL",
        help="Database of what is known of the images, for --home milvus://...  [env: DINOSEARCH_METADATA]",
    ),
    click.option(
        "--home",
        metavar="FOLDER|URL",
        help="Folder of the collection, or postgresql+psycopg://..., milvus://...  [env: DINOSEARCH_HOME; default: "
        "./index]",
    ),
)


def _checked_rerank(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """Refuse an unknown stage before anything is indexed or searched."""
    if value not in (None, "fast"):
        from dinosearch.retrieval import Rerank

        try:
            Rerank.parse(str(value))
        except ValueError as error:
            raise click.BadParameter(str(error)) from None
    return value


def checked_sheet(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """Refuse a picture that could not be written, before anything is searched."""
    if value is not None:
        if not value.lower().endswith(SHEETS):
            raise click.BadParameter(f"{value} ends with neither .png nor .html")
        if not Path(value).absolute().parent.is_dir():
            raise click.BadParameter(f"there is no folder {Path(value).absolute().parent}")
    return value


recall_option = click.option(
    "--recall",
    type=click.FloatRange(0, 1, min_open=True),
    default=0.98,
    show_default=True,
    metavar="SHARE",
    help="Recall@10 that the search shall reach against exact search.",
)
"""How well an index shall find."""


def rerank_option(default: str | None) -> Callable[[F], F]:
    """What happens between the nearest vectors and the answer."""
    return click.option(
        "--rerank",
        callback=_checked_rerank,
        default=default,
        show_default=default or "balanced; fast with --exact",
        metavar="PRESET",
        help="fast, balanced, thorough, or stages joined by commas: expansion, diffusion, superglobal, k-reciprocal, "
        "manifold, maxsim, geometry.",
    )


_PLACED = (
    click.option(
        "--dtype",
        type=click.Choice(["auto", "float32", "bfloat16", "float16", "int8"]),
        help="Number format of the model.  [default: the fastest that leaves the vectors as they are]",
    ),
    click.option(
        "--runtime",
        type=click.Choice(["auto", "openvino", "onnxruntime", "torch"]),
        help="What computes.  [env: DINOSEARCH_RUNTIME; default: the fastest on this machine]",
    ),
    click.option("--device", metavar="NAME", help="cpu, cuda, cuda:1, mps.  [env: DINOSEARCH_DEVICE; default: chosen]"),
)
_MODEL = (
    click.option("--batch", type=click.IntRange(min=1), metavar="N", help="Images a forward pass.  [default: chosen]"),
    *_PLACED,
    click.option(
        "--preprocessing",
        metavar="MODE-SIZE",
        callback=lambda ctx, param, value: _spelled(value, Preprocessing.parse),
        help="squash-N, fit-N or crop-N, N in pixels.  [default: the collection's own, squash-224 for a new one]",
    ),
    click.option(
        "--scales",
        type=click.Choice(list(SCALES)),
        help="Sizes each image is embedded at: one, or the three of GeM or SuperGlobal.  [default: the collection's "
        "own, 1 for a new one]",
    ),
    click.option(
        "--pooling",
        metavar="PARTS",
        callback=lambda ctx, param, value: _spelled(value, Pooling.parse),
        help="What becomes the vector: cls, mean, gem or gemP, sgem or sgemP, joined by +; @N takes the last N blocks, "
        "as in cls@4+mean.  [default: the collection's own, cls for a new one]",
    ),
    click.option("--weights", metavar="FILE", help="Weight file of the model, .pth or .safetensors."),
    click.option(
        "--model",
        metavar="NAME",
        help="One of `dinosearch models`, or auto.  [default: the collection's own, auto for a new one]",
    ),
)


def common(command: F) -> F:
    """Add --home, --metadata, --json and --quiet."""
    return _with(_COMMON, command)


def model_options(command: F) -> F:
    """Add the options that choose and place the model."""
    return _with(_MODEL, command)


def placing_options(command: F) -> F:
    """Add those of them that place it only, for who takes the models of collections as they are."""
    return _with(_PLACED, command)


def verb(command: Callable[..., int | None]) -> Callable[..., None]:
    """Add the common options; the function gets their `Settings` first and returns the exit code, None for 0."""

    @functools.wraps(command)
    def run(**given: Any) -> None:
        context = click.get_current_context()
        code = command(settings(context, given), **given)
        if code:
            context.exit(code)

    run.__doc__ = keep_examples(command.__doc__ or "")
    return common(run)


def keep_examples(text: str) -> str:
    """Mark the paragraphs of a help text that begin with a command as examples, whose lines click must not join."""
    paragraphs = inspect.cleandoc(text).split("\n\n")
    return "\n\n".join(
        "\b\n" + textwrap.indent(textwrap.dedent(paragraph), "  ")
        if paragraph.lstrip().startswith("dinosearch ")
        else paragraph
        for paragraph in paragraphs
    )


def settings(context: click.Context, given: dict[str, Any]) -> Settings:
    """Take the common options out of `given`: after the verb wins over before it, and both over the environment."""
    before: Settings | None = context.obj
    home = given.pop("home") or (before.home if before else os.environ.get("DINOSEARCH_HOME") or "index")
    as_json = given.pop("as_json") or bool(before and before.json)
    quiet = given.pop("quiet") or bool(before and before.quiet)
    metadata = given.pop("metadata") or (before.metadata if before else None)
    found = context.meta[SETTINGS] = Settings(home, as_json, quiet, metadata)
    return found


@contextmanager
def opened(
    settings: Settings, *, create: bool = False, read_only: bool = False, **model: Any
) -> Iterator[tuple[Collection, Display]]:
    """Open the collection of --home together with a display for its progress; the library's notices go to stderr."""
    from dinosearch.cli.output import notice
    from dinosearch.cli.progress import display
    from dinosearch.collection import Collection

    with display(settings) as progress:
        collection = Collection.open(
            settings.home,
            metadata=settings.metadata,
            create=create,
            read_only=read_only,
            notify=None if settings.quiet else notice,
            progress=progress,
            **model,
        )
        # Kept until the process ends: taking a model apart, object by object, takes a while.
        click.get_current_context().meta["dinosearch.collection"] = collection
        with collection:
            yield collection, progress


def _with(options: tuple[Callable[[F], F], ...], command: F) -> F:
    for option in options:
        command = option(command)
    return command


def _spelled(value: str | None, parse: Callable[[str], object]) -> str | None:
    """The one spelling of what `parse` reads, so that equal settings have equal texts."""
    if value is None:
        return None
    try:
        return str(parse(value))
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
