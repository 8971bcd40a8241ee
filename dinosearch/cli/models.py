"""`dinosearch models`: what can be named with --model, and where its weights are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dinosearch.cli.options import Settings, verb
from dinosearch.cli.output import emit, shown, size_text, table, tell

if TYPE_CHECKING:
    from pathlib import Path

    from dinosearch.embedding import Checkpoint

COLUMNS = ("name", "family", "dimension", "patch", "parameters", "size", "licence", "weights")


@click.command(short_help="List the models and their weights.")
@verb
def models(settings: Settings) -> None:
    """List the models: family, length of a vector, side of a patch, size, licence, and where the weights are.

      dinosearch models
      dinosearch index ~/Pictures --model dinov2_vitb14_reg4

    Weights that are not here are fetched when a model is first used, unless DINOSEARCH_OFFLINE is set. Those of DINOv3
    are given out on request only: ask for the file, then put it where the last line says, or name it with --weights.
    """
    from dinosearch.embedding import CHECKPOINTS, locate, weights_folder

    found = [(checkpoint, locate(checkpoint)) for checkpoint in CHECKPOINTS.values()]
    if settings.json:
        for checkpoint, path in found:
            emit("model", _as_json(checkpoint, path))
        return
    table([COLUMNS, *(_as_line(*pair) for pair in found)])
    if settings.quiet:
        return
    folder = shown(str(weights_folder()))
    tell(f"what is not here is fetched when it is first used, or put the file into {folder}")
    for licence, page in dict.fromkeys((c.licence, c.page) for c, path in found if c.page and path is None):
        tell(f"files under the {licence} are asked for at {page} and then put there")


def _as_line(checkpoint: Checkpoint, path: Path | None) -> tuple[str, ...]:
    size, floats = _size(checkpoint, path), 4 * checkpoint.parameters
    return (
        checkpoint.name,
        checkpoint.series,
        f"{checkpoint.dimension:>9}",
        f"{checkpoint.patch:>5}",
        f"{checkpoint.parameters / 1e6:>8,.1f} M",
        f"{size_text(size) if size else '~' + size_text(floats):>8}",
        checkpoint.licence,
        _place(checkpoint, path),
    )


def _place(checkpoint: Checkpoint, path: Path | None) -> str:
    if path:
        return "bundled" if checkpoint.bundled else shown(str(path))
    return f"not here, on request: {checkpoint.file_name}" if checkpoint.page else f"not here: {checkpoint.url}"


def _size(checkpoint: Checkpoint, path: Path | None) -> int | None:
    """Bytes of the file, of the official one where that is known."""
    return checkpoint.bytes or (path.stat().st_size if path else None)


def _as_json(checkpoint: Checkpoint, path: Path | None) -> dict[str, object]:
    return {
        "name": checkpoint.name,
        "family": checkpoint.series,
        "architecture": checkpoint.family,
        "dimension": checkpoint.dimension,
        "patch": checkpoint.patch,
        "parameters": checkpoint.parameters,
        "bytes": _size(checkpoint, path),
        "licence": checkpoint.licence,
        "mean": checkpoint.mean,
        "deviation": checkpoint.deviation,
        "path": str(path) if path else None,
        "url": checkpoint.url,
        "page": checkpoint.page,
        "file": checkpoint.file_name,
        "sha256": checkpoint.sha256,
        "aliases": checkpoint.aliases,
    }
