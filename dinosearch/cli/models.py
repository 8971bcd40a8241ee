"""`dinosearch models`: what can be named with --model, and where its weights are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dinosearch.cli.options import Settings, verb
from dinosearch.cli.output import emit, shown, size_text, table, tell

if TYPE_CHECKING:
    from pathlib import Path

    from dinosearch.embedding import Checkpoint


@click.command(short_help="List the models and their weights.")
@verb
def models(settings: Settings) -> None:
    """List the models: name, length of a vector, size, licence, and where the weights are or how to get them.

      dinosearch models
      dinosearch index ~/Pictures --model dinov2_vitb14_reg4

    Weights that are not here are fetched when a model is first used, unless DINOSEARCH_OFFLINE is set.
    """
    from dinosearch.embedding import CHECKPOINTS, locate, weights_folder

    found = [(checkpoint, locate(checkpoint)) for checkpoint in CHECKPOINTS.values()]
    if settings.json:
        for checkpoint, path in found:
            emit("model", _as_json(checkpoint, path))
        return
    table([("name", "dimension", "size", "licence", "weights"), *(_as_line(*pair) for pair in found)])
    if not settings.quiet:
        tell(f"what is not here is fetched when it is first used, or put the file into {shown(str(weights_folder()))}")


def _as_line(checkpoint: Checkpoint, path: Path | None) -> tuple[str, ...]:
    size = checkpoint.bytes or (path.stat().st_size if path else None)
    where = "bundled" if path and not checkpoint.url else shown(str(path)) if path else f"not here: {checkpoint.url}"
    return (
        checkpoint.name,
        f"{checkpoint.dimension:>9}",
        f"{size_text(size) if size else '?':>8}",
        checkpoint.licence,
        where,
    )


def _as_json(checkpoint: Checkpoint, path: Path | None) -> dict[str, object]:
    return {
        "name": checkpoint.name,
        "dimension": checkpoint.dimension,
        "bytes": checkpoint.bytes or (path.stat().st_size if path else None),
        "licence": checkpoint.licence,
        "path": str(path) if path else None,
        "url": checkpoint.url,
        "sha256": checkpoint.sha256,
        "aliases": checkpoint.aliases,
    }
