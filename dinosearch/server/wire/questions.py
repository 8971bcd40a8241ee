"""From a question on the wire to the arguments of `Collection.query`.

What a client sends never becomes a path: ids go as numbers, files and what addresses lead to as bytes, vectors as
arrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dinosearch.server.context import Context
from dinosearch.server.wire.problems import Refused, invalid
from dinosearch.server.wire.schemas import Example, Question

UPLOADS = {"image": "examples", "negative": "negatives"}
"""The part of an upload whose files examples and negatives name."""


@dataclass(frozen=True)
class Pictures:
    """Images with their weights, as `Collection.query` takes them."""

    images: tuple[int | bytes | np.ndarray, ...]
    weights: tuple[float, ...]

    @property
    def content(self) -> bytes:
        """What the images are, for the digest of a question."""
        return b"".join(_content(image) for image in self.images)


async def pictures_of(
    examples: Sequence[Example], files: Sequence[bytes], context: Context, where: str = "examples"
) -> Pictures:
    """The images of examples; without examples every file is one.

    Args:
        examples: as the question has them.
        files: what was uploaded for them.
        context: of the server.
        where: what the list is called, for sentences.

    Raises:
        Refused: an example that names none or several things, or a file that is not there; 403 for an address where
            they are not allowed.
    """
    chosen = examples or [Example(part=number) for number in range(len(files))]
    images = [await image_of(one, files, context, f"{where}.{number}") for number, one in enumerate(chosen)]
    return Pictures(tuple(images), tuple(one.weight for one in chosen))


async def image_of(example: Example, files: Sequence[bytes], context: Context, where: str) -> int | bytes | np.ndarray:
    """The one image of an example; raises as `pictures_of`."""
    given = [name for name in ("id", "vector", "url", "part") if getattr(example, name) is not None]
    if len(given) != 1:
        raise invalid("an example has exactly one of id, vector, url and part", where)
    if example.id is not None:
        return example.id
    if example.vector is not None:
        return np.array(example.vector, np.float32)
    if example.part is not None:
        if example.part >= len(files):
            raise invalid(f"there is no uploaded file {example.part}; {len(files)} came", where)
        return files[example.part]
    if not context.settings.allow_urls:
        raise Refused(403, "AddressesOff", "this server fetches no web addresses; upload the image")
    return await context.fetcher.fetch(str(example.url))


def arguments_of(question: Question, context: Context) -> dict[str, Any]:
    """The keywords of `Collection.query` that are the question's own, `k` left out."""
    box = question.box
    return {
        "where": context.shown.where(question.where),
        "threshold": question.threshold,
        "precision": question.precision,
        "exact": question.exact,
        "include_self": question.include_self,
        "unique": question.unique,
        "rerank": question.rerank,
        "regions": question.regions,
        "box": (box[0], box[1], box[2], box[3]) if box else None,
    }


def _content(image: int | bytes | np.ndarray) -> bytes:
    from hashlib import sha256

    if isinstance(image, int):
        return b"i" + image.to_bytes(8, "big")
    data = image if isinstance(image, bytes) else image.tobytes()
    return b"b" + sha256(data).digest()
