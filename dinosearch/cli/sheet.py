"""Bring a query's images and its hits together on a contact sheet; `dinosearch.images` draws it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dinosearch.collection.asking.question import Box, box_within
from dinosearch.errors import DinosearchError, ImageNotFoundError, ImageUnreadableError
from dinosearch.images import contact_sheet, cut_out, decode_apart, fetch_image, is_url, read_bytes

if TYPE_CHECKING:
    from dinosearch.collection import Collection
    from dinosearch.collection.asking.pictures import QueryImage
    from dinosearch.records import Explanation, Hit

SIDE = 640  # pixels that the largest picture on the sheet needs
EXPLAINED = 10  # hits; each takes seconds on a laptop


def fetched(images: Iterable[str | bytes]) -> dict[str, bytes]:
    """The bytes of every web address among the images, so that each is fetched once for the query and the sheet."""
    return {image: fetch_image(image) for image in images if isinstance(image, str) and is_url(image)}


def draw_sheet(
    collection: Collection,
    images: Sequence[tuple[str, str | bytes]],
    hits: Sequence[Hit],
    output: Path,
    *,
    explain: bool = False,
    box: Box | None = None,
) -> None:
    """Draw the query images, each with the name that the user gave it, and the hits into `output`: PNG or HTML.

    Args:
        collection: where the hits were found.
        images: name and path, address or bytes of each query image.
        hits: in order.
        output: the file to write.
        explain: also draw why the first `EXPLAINED` hits match the first query image, or the box of it.
        box: left, top, right, bottom of the part of the one image that was asked with, as in `Collection.query`.
    """
    pictures, asked = [], None
    for name, image in images:
        data = image if isinstance(image, bytes) else read_bytes(file_of(collection, image))
        picture, info = decode_apart(data, name, hint=SIDE if box is None else None)
        if box is not None:
            box = box_within(box, info.width, info.height)
            asked = cut_out(picture, box)
        pictures.append(picture)
    explained = [
        _explained(collection, images[0][1] if asked is None else asked, hit) for hit in hits[: EXPLAINED * explain]
    ]
    title = " + ".join("stdin" if name == "-" else Path(name).name for name, _ in images)
    tiles = [(hit, _bytes(hit.path)) for hit in hits]
    contact_sheet(pictures, tiles, output, title, box=box, explained=explained)


def _explained(collection: Collection, query: QueryImage, hit: Hit) -> tuple[Explanation, bytes] | None:
    """Why the hit matches, and a picture of it; None for one that cannot be read any more."""
    try:
        return collection.draw_explanation(query, hit.path)
    except (ImageNotFoundError, ImageUnreadableError):
        return None


def file_of(collection: Collection, name: str) -> str:
    """The path of a query image that was given as a path or as `id:N`."""
    if name.startswith("id:") and name[3:].isdecimal() and not Path(name).exists():
        return next(str(file["path"]) for file in collection.files(where=f"id = {name[3:]}"))
    return str(Path(name).expanduser())


def _bytes(path: str) -> bytes | None:
    try:
        return read_bytes(path)
    except DinosearchError:
        return None  # the sheet has a tile that says so
