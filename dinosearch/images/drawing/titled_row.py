"""What a mosaic shows: rows of decoded thumbnails with their words, which all its drawings share; no layout."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image


@dataclass(frozen=True)
class Cell:
    """One thumbnail.

    Attributes:
        picture: RGB; None where it cannot be read.
        caption: the line below it.
        note: a second, lesser line; empty for none.
        path: of its file; empty where it has none.
        marked: framed in the accent colour.
    """

    picture: Image.Image | None
    caption: str
    note: str
    path: str
    marked: bool


@dataclass(frozen=True)
class DrawnRow:
    """Thumbnails that belong together, in order, below a title and behind it a lesser note."""

    title: str
    note: str
    cells: list[Cell]
