"""What `dinosearch query --text` has of its own: the options that it has no use for, and its picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from dinosearch.records import Hit


def refuse_of_images(**given: Any) -> None:
    """Refuse options that speak of a query's image."""
    for name, value in given.items():
        if value:
            option = name.replace("_", "-")
            raise click.UsageError(f"--{option} is about the image of a query, and words have none; leave it out")


def draw_found(texts: Sequence[str], hits: Sequence[Hit], output: Path) -> None:
    """Draw the hits below the words: PNG or HTML."""
    from dinosearch.images.drawing.mosaic import Piece, Row, write_mosaic

    title = " + ".join(f"\u201c{text}\u201d" for text in texts)
    pieces = [Piece(hit.path, note=f"{hit.rank}  {hit.score:.4f}") for hit in hits]
    write_mosaic([Row(f"{len(hits)} images", pieces)] if hits else [], output, title)
