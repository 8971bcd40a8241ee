"""Make a mosaic, titled rows of thumbnails with captions, as one picture or one HTML page; it searches nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from dinosearch.home import atomic_path
from dinosearch.images.drawing.mosaic_html import mosaic_html
from dinosearch.images.drawing.mosaic_png import mosaic_png
from dinosearch.images.drawing.small_pictures import small_pictures
from dinosearch.images.drawing.thumbnails import display_name
from dinosearch.images.drawing.titled_row import Cell, DrawnRow

# Pixels of a thumbnail's longer side, some more than the layout has for dense screens.
_SIDE = 360

_DRAW: dict[str, Callable[[str, str, Iterable[DrawnRow]], bytes]] = {
    ".png": mosaic_png,
    ".html": mosaic_html,
    ".htm": mosaic_html,
}


@dataclass(frozen=True)
class Piece:
    """One thumbnail of a mosaic.

    Attributes:
        image: the path of an image or of a tar member, which is read when it is drawn; or its encoded bytes; or an
            upright picture. None, and what cannot be read, gives a grey tile that says so.
        caption: one line below it; None for the file's name.
        note: a second, lesser line.
        marked: framed in the accent colour.
    """

    image: str | bytes | Image.Image | None
    caption: str | None = None
    note: str = ""
    marked: bool = False


@dataclass(frozen=True)
class Row:
    """Thumbnails that belong together.

    Attributes:
        title: one line above them.
        pieces: in order; they wrap where they do not fit beside each other.
        note: a lesser text behind the title.
    """

    title: str
    pieces: Sequence[Piece]
    note: str = ""


def mosaic(rows: Iterable[Row], title: str, note: str = "", suffix: str = ".png") -> bytes:
    """Draw titled rows of thumbnails; one row of images is in memory at a time, beside what was drawn.

    Args:
        rows: in order, read as they are drawn.
        title: one line for the top.
        note: a lesser text below it.
        suffix: `.png` a picture 1496 pixels wide, `.html` or `.htm` a page with everything inside.

    Returns:
        The encoded picture, or the page in UTF-8.

    Raises:
        ValueError: another suffix.
    """
    draw = _DRAW.get(suffix.lower())
    if draw is None:
        raise ValueError(f"a mosaic is a .png or .html file, not {suffix!r}; give it such a name")
    return draw(title, note, _drawn(rows))


def write_mosaic(rows: Iterable[Row], output: Path, title: str, note: str = "") -> None:
    """Write a mosaic atomically in the format that the file's suffix names; arguments and errors as in `mosaic`."""
    content = mosaic(rows, title, note, output.suffix)
    with atomic_path(output) as temporary:
        temporary.write_bytes(content)


def _drawn(rows: Iterable[Row]) -> Iterator[DrawnRow]:
    for row in rows:
        pictures = small_pictures((piece.image for piece in row.pieces), _SIDE)
        cells = [_cell(piece, picture) for piece, picture in zip(row.pieces, pictures, strict=True)]
        yield DrawnRow(row.title, row.note, cells)


def _cell(piece: Piece, picture: Image.Image | None) -> Cell:
    path = piece.image if isinstance(piece.image, str) else ""
    caption = display_name(path) if piece.caption is None else piece.caption
    return Cell(picture, caption, piece.note, path, piece.marked)
