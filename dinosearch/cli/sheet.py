"""Bring a query's images and its hits together on a contact sheet; `dinosearch.images` draws it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dinosearch.errors import DinosearchError
from dinosearch.images import contact_sheet, decode, fetch_image, is_url, read_bytes

if TYPE_CHECKING:
    from dinosearch.collection import Collection
    from dinosearch.records import Hit

SIDE = 640  # pixels that the largest picture on the sheet needs


def fetched(images: Iterable[str | bytes]) -> dict[str, bytes]:
    """The bytes of every web address among the images, so that each is fetched once for the query and the sheet."""
    return {image: fetch_image(image) for image in images if isinstance(image, str) and is_url(image)}


def draw_sheet(
    collection: Collection, images: Sequence[tuple[str, str | bytes]], hits: Sequence[Hit], output: Path
) -> None:
    """Draw the query images, each with the name that the user gave it, and the hits into `output`: PNG or HTML."""
    pictures = []
    for name, image in images:
        data = image if isinstance(image, bytes) else read_bytes(_path(collection, image))
        pictures.append(decode(data, name, hint=SIDE)[0])
    title = " + ".join("stdin" if name == "-" else Path(name).name for name, _ in images)
    contact_sheet(pictures, [(hit, _bytes(hit.path)) for hit in hits], output, title)


def _path(collection: Collection, name: str) -> str:
    if name.startswith("id:") and name[3:].isdecimal() and not Path(name).exists():
        return next(str(file["path"]) for file in collection.files(where=f"id = {name[3:]}"))
    return str(Path(name).expanduser())


def _bytes(path: str) -> bytes | None:
    try:
        return read_bytes(path)
    except DinosearchError:
        return None  # the sheet has a tile that says so
