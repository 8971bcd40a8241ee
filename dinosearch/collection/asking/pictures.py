"""What a query may be given as: a path, an id, a web address, encoded bytes, a Pillow image, pixels or a vector."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from typing import Any, TypeGuard, Union

import numpy as np

from dinosearch import images
from dinosearch.advice import run
from dinosearch.collection.asking.question import Box, box_within
from dinosearch.collection.opened import OpenedHome
from dinosearch.errors import ImageNotFoundError, ImageUnreadableError
from dinosearch.protocols import VectorSearch
from dinosearch.records import ImageInfo, ImageRecord, PreparedImage, Preprocessing

# Any stands for a Pillow image or an array, so that Pillow stays in `images`.
QueryImage = Union[str, "os.PathLike[str]", int, bytes, Any]
_DIGITS, _LARGEST = 19, 2**63 - 1  # numbers of more digits are more than the database holds; no image has them


def prepare_image(image: QueryImage, preprocessing: Preprocessing, patch: int) -> PreparedImage:
    """Bytes, paths and addresses through the decoder, pixels directly, both as the collection's images were.

    Many threads may do so at once; those whose image takes much memory wait for each other.
    """
    encoded = _encoded(image)
    if encoded is None:
        return images.prepare_pixels(image, preprocessing, patch)
    return images.prepare_apart(*encoded, preprocessing, patch)


def picture(image: QueryImage, opened: OpenedHome, hint: int) -> Any:
    """The image upright in RGB as a Pillow image, at least `hint` pixels on its shorter side where it has them.

    Raises:
        ImageNotFoundError, ImageUnreadableError: it is not there or cannot be decoded.
    """
    return _decoded(image, opened, hint)[0]


def cut_out(image: QueryImage, opened: OpenedHome, box: Box) -> Any:
    """The part of the image inside a box, in pixels of the upright image or fractions, as a Pillow image.

    Raises:
        SettingError: the box has no area or lies outside.
        ImageNotFoundError, ImageUnreadableError: as `picture`.
    """
    found, info = _decoded(image, opened, None)
    return images.cut_out(found, box_within(box, info.width, info.height))


def small_copy(number: int, opened: OpenedHome, side: int) -> bytes:
    """An image of the collection as JPEG, upright, sRGB, without metadata, its longer side at most `side` pixels.

    Raises:
        ImageNotFoundError: no such image.
        ImageUnreadableError: none of its files is there with the content that the collection knows.
    """
    records = opened.store.records([number])
    if not records:
        raise no_such_id(number, opened)
    try:
        data, path = _content(records)
    except ImageNotFoundError:
        raise ImageUnreadableError(records[0].path, "no longer there") from None
    return images.thumbnail_jpeg(data, path, side)


def _decoded(image: QueryImage, opened: OpenedHome, hint: int | None) -> tuple[Any, ImageInfo]:
    number = id_of(image)
    if number is None:
        encoded = _encoded(image)
        return images.decode_apart(*encoded, hint=hint) if encoded else images.upright(image)
    records = opened.store.records([number])
    if not records:
        raise no_such_id(number, opened)
    return images.decode_apart(*_content(records), hint=hint)


def _content(records: Sequence[ImageRecord]) -> tuple[bytes, str]:
    """The encoded bytes of an image and the path of the first of its files that still has them.

    Raises:
        ImageNotFoundError, ImageUnreadableError: none has.
    """
    problem: ImageNotFoundError | ImageUnreadableError | None = None
    for record in records:
        try:
            data = images.read_bytes(record.path)
        except (ImageNotFoundError, ImageUnreadableError) as error:
            problem = error
            continue
        # Of 0 bytes: its vector came from elsewhere, and nobody has read the file.
        if record.size == 0 or hashlib.sha256(data).hexdigest() == record.sha256:
            return data, record.path
        problem = ImageUnreadableError(record.path, "its content has changed since it was indexed")
    assert problem is not None
    raise problem


def id_of(image: QueryImage) -> int | None:
    """The number of an image of the collection, also as `id:N`; None for all else, also for a file of such a name."""
    if isinstance(image, (int, np.integer)) and not isinstance(image, bool):
        return min(int(image), _LARGEST) if image >= 0 else _LARGEST
    if isinstance(image, str) and image.startswith("id:") and not os.path.exists(image):
        number = image[3:]
        if not (number.isascii() and number.isdecimal()):
            raise ImageNotFoundError(
                f"{image} is neither a file nor an image id such as id:12; look ids up with: ", run("query")
            )
        digits = number.lstrip("0")
        return int(digits or 0) if len(digits) < _DIGITS else _LARGEST
    return None


def is_vector(image: QueryImage) -> TypeGuard[np.ndarray]:
    """Whether it is a row of `embed` and no picture."""
    return isinstance(image, np.ndarray) and image.ndim == 1


def identity(image: QueryImage) -> str | int | None:
    """What the queried file is called inside the collection, so that it does not answer itself."""
    number = id_of(image)
    if number is not None:
        return number
    if isinstance(image, (str, os.PathLike)) and not images.is_url(os.fspath(image)):
        return os.path.abspath(os.path.expanduser(image))
    return None


def no_such_id(number: int, opened: OpenedHome) -> ImageNotFoundError:
    """The error for an id that no image has."""
    known = number < _LARGEST  # else it is what stands for all that no image can have
    return ImageNotFoundError(
        f"there is no image {f'id:{number}' if known else 'of that id'} in {opened.path}; ids are listed by: ",
        run("export", "-", of=opened.named),
        image_id=number if known else None,
    )


def stored_vectors(search: VectorSearch, ids: Sequence[int], opened: OpenedHome) -> np.ndarray:
    """(n, dimension) float32 rows of images of the collection.

    Raises:
        ImageNotFoundError: one waits for its vector since the model was changed.
    """
    try:
        return search.vectors(np.array(ids, dtype=np.int64))
    except KeyError as error:
        raise ImageNotFoundError(
            f"image id:{error.args[0]} waits for a vector in {opened.path}, because its file could not be read "
            "when the model was changed; make it with: ",
            run("index", "FOLDER", of=opened.named),
            image_id=int(error.args[0]),
        ) from None


def _encoded(image: QueryImage) -> tuple[bytes, str] | None:
    """The encoded bytes and what to call them; None for what is already pixels."""
    if isinstance(image, (bytes, bytearray, memoryview)):
        return bytes(image), "the image given as bytes"
    if isinstance(image, (str, os.PathLike)):
        name = os.fspath(image)
        return (images.fetch_image(name) if images.is_url(name) else images.read_bytes(os.path.expanduser(name))), name
    return None
