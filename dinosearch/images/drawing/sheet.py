"""Make a contact sheet of a query and its hits as one picture or one HTML page; it neither reads files nor searches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from PIL import Image

from dinosearch.errors import ImageUnreadableError
from dinosearch.home import atomic_path
from dinosearch.images.drawing.sheet_html import draw_html
from dinosearch.images.drawing.sheet_png import draw_png
from dinosearch.images.drawing.thumbnails import thumbnail
from dinosearch.images.drawing.tile import Box, Sheet, Tile
from dinosearch.images.workers.contained import decode_apart
from dinosearch.records import Explanation, Hit

# Pixels of the longer side that the larger drawings need, twice the layout size for dense screens.
_SIDE = 640

_DRAW: dict[str, Callable[[Sheet], bytes]] = {".png": draw_png, ".html": draw_html, ".htm": draw_html}


def contact_sheet(
    query: list[Image.Image],
    hits: Sequence[tuple[Hit, bytes | None]],
    output: Path,
    title: str,
    *,
    box: Box | None = None,
    explained: Sequence[tuple[Explanation, bytes] | None] = (),
) -> None:
    """Draw the query and its hits with rank, score, file name, the part that matched, and how sure that makes.

    Args:
        query: upright images that were asked with, the first one drawn largest.
        hits: hits in order, each with its encoded image; None or undecodable bytes give a grey tile that says so.
        output: file to write (atomically): `.png` a picture, `.html` or `.htm` a page with everything inside.
        title: one line for the top.
        box: the part of the one query image that was asked with: left, top, right, bottom as fractions.
        explained: why the first hits match, in their order, each with its encoded PNG for the page, which may be empty;
            None for a hit that could not be compared.

    Raises:
        ValueError: another suffix.
    """
    draw = _DRAW.get(output.suffix.lower())
    if draw is None:
        raise ValueError(f"a contact sheet is a .png or .html file, not {output.name!r}; give --sheet such a name")
    whys = [*explained, *[None] * len(hits)]
    tiles = [
        Tile(hit, _picture(hit, data), *(why or (None, b""))) for (hit, data), why in zip(hits, whys, strict=False)
    ]
    content = draw(Sheet(title, [thumbnail(image, _SIDE) for image in query], tiles, box, len(explained)))
    with atomic_path(output) as temporary:
        temporary.write_bytes(content)


def _picture(hit: Hit, data: bytes | None) -> Image.Image | None:
    if data is None:
        return None
    try:
        return thumbnail(decode_apart(data, hit.path, hint=_SIDE // 2)[0], _SIDE)
    except ImageUnreadableError:
        return None
