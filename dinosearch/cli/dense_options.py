"""What the verbs of `dinosearch dense` share: their options, the images they are given, and the files they write."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from dinosearch.advice import run
from dinosearch.cli.options import Settings, opened
from dinosearch.cli.output import notice, shown, tell
from dinosearch.errors import ImageNotFoundError

if TYPE_CHECKING:
    from dinosearch.analysis.dense import DenseGroup, DenseReader
    from dinosearch.cli.progress import Display

F = TypeVar("F", bound=Callable[..., Any])
Source = tuple[str, "str | bytes"]
PARTIAL, NOTHING = 3, 1


def _file(suffix: str) -> Callable[[click.Context, click.Parameter, str | None], Path | None]:
    """Refuses a file that could not be written, before anything is computed."""

    def checked(ctx: click.Context, param: click.Parameter, value: str | None) -> Path | None:
        if value is None:
            return None
        if not value.lower().endswith(suffix):
            raise click.BadParameter(f"{value} does not end with {suffix}")
        if not Path(value).absolute().parent.is_dir():
            raise click.BadParameter(f"there is no folder {Path(value).absolute().parent}")
        return Path(value)

    return checked


_OUTPUT = (
    click.option(
        "--arrays", metavar="FILE", callback=_file(".npz"), help="NumPy arrays of what was found, an .npz file."
    ),
    click.option("-o", "--output", metavar="FILE", callback=_file(".png"), help="The picture, a .png file."),
)
_PLACE = (
    click.option(
        "--device",
        metavar="NAME",
        help="cpu, cuda, cuda:1, mps; torch computes.  [env: DINOSEARCH_DEVICE; default: chosen]",
    ),
    click.option(
        "--size",
        type=click.IntRange(min=1),
        default=448,
        show_default=True,
        metavar="N",
        help="Pixels of the longer side.",
    ),
    click.option(
        "--stride",
        type=click.IntRange(min=1),
        metavar="N",
        help="Pixels from patch to patch, a divisor of the patch: finer maps of a Vision Transformer.  [default: the "
        "patch]",
    ),
    click.option("--weights", metavar="FILE", help="Weight file of the model, .pth or .safetensors."),
    click.option(
        "--model", metavar="NAME", default="auto", show_default=True, help="One of `dinosearch models`, or auto."
    ),
)
_DESCRIPTORS = (
    click.option(
        "--seed", type=click.IntRange(min=0), default=0, show_default=True, metavar="N", help="Of samples and clusters."
    ),
    click.option(
        "--bin", "binned", is_flag=True, help="Join each patch with means of its surroundings (17 times longer)."
    ),
    click.option(
        "--facet",
        type=click.Choice(["token", "key", "query", "value"]),
        default="token",
        show_default=True,
        help="What describes a patch; all but tokens are of a Vision Transformer.",
    ),
    click.option(
        "--layer",
        type=int,
        default=-1,
        show_default=True,
        metavar="N",
        help="Block it is taken of, from 0; -1 is the last.",
    ),
)


def output_options(command: F) -> F:
    """Add -o and --arrays."""
    return _with(_OUTPUT, command)


def attention_options(command: F) -> F:
    """Add what places a model and sizes its grid."""
    return _with(_PLACE, command)


def feature_options(command: F) -> F:
    """Add these and what a patch is described by."""
    return _with((*_DESCRIPTORS, *_PLACE), command)


@contextmanager
def reading(settings: Settings, **features: Any) -> Iterator[tuple[DenseReader, Display]]:
    """The model, opened, and a display for progress."""
    from dinosearch.analysis.dense import DenseReader
    from dinosearch.cli.progress import display

    with display(settings) as progress:
        yield DenseReader(**features, notify=None if settings.quiet else notice, progress=progress), progress


def sources(settings: Settings, images: Sequence[str]) -> list[Source]:
    """Name and path, or bytes, of each image: files, http addresses, and id:N of the collection at --home."""
    from dinosearch.images import fetch_image, is_url

    paths = _paths(settings, [image for image in images if image.startswith("id:") and not Path(image).exists()])
    return [
        (image, fetch_image(image)) if is_url(image) else (paths.get(image, image), paths.get(image, image))
        for image in map(str, images)
    ]


def _paths(settings: Settings, ids: Sequence[str]) -> dict[str, str]:
    if not ids:
        return {}
    found = {}
    with opened(settings, read_only=True) as (collection, _):
        for image in ids:
            number = image[3:]
            files = list(collection.files(where=f"id = {number}")) if number.isdecimal() and len(number) < 19 else []
            if not files:
                raise ImageNotFoundError(
                    f"there is no image {image} in {settings.home}; ids are listed by: ",
                    run("export", "-"),
                )
            found[image] = str(files[0]["path"])
    return found


def write_picture(settings: Settings, output: Path | None, draw: Callable[[], bytes]) -> None:
    """Draw and write the picture where one is wanted, and say so."""
    from dinosearch.home import atomic_path

    if output is not None:
        content = draw()
        with atomic_path(output) as temporary:
            temporary.write_bytes(content)
        if not settings.quiet:
            tell(f"picture: {shown(str(output))}")


def write_arrays(settings: Settings, arrays: Path | None, named: Mapping[str, Any]) -> None:
    """Write arrays where they are wanted, and say so."""
    if arrays is not None:
        import numpy as np

        from dinosearch.home import atomic_path

        with atomic_path(arrays) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, **named)
        if not settings.quiet:
            tell(f"arrays: {shown(str(arrays))}")


def numbered(names: Sequence[str], **columns: Sequence[Any]) -> dict[str, Any]:
    """Arrays of several images under the keys NAME_0, NAME_1..., as their grids differ, and the images' names."""
    import numpy as np

    arrays = {f"{key}_{i}": value for key, values in columns.items() for i, value in enumerate(values)}
    return {"images": np.array(names), **arrays}


def reported(group: DenseGroup) -> int:
    """Say which images could not be read; the exit code for it."""
    for problem in group.problems:
        notice(f"{shown(problem.path)}: ", problem.reason, "; left out")
    return PARTIAL if group.problems else 0


def _with(options: Sequence[Callable[[F], F]], command: F) -> F:
    for option in options:
        command = option(command)
    return command
