"""From the images of a query to what is sent: ids and vectors as numbers, everything else as the bytes of a picture."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeGuard, TypeVar

import numpy as np

from dinosearch.errors import ImageNotFoundError, SettingError

if TYPE_CHECKING:
    from dinosearch.collection.asking.pictures import QueryImage

T = TypeVar("T")
_LARGEST = 2**63 - 1  # numbers beyond it belong to no image


class Examples:
    """Images as the server takes them.

    Args:
        images: as `Client.query` takes them.
        weights: one for each image; None for all alike.
        part: name of the uploaded files, `image` or `negative`.

    Attributes:
        entries: the list for a question.
        files: what is uploaded beside it.
    """

    def __init__(
        self, images: Sequence[QueryImage], weights: Sequence[float] | None = None, part: str = "image"
    ) -> None:
        if weights is not None and len(weights) != len(images):
            raise SettingError(
                f"weights are positive numbers, one for each of the {len(images)} images; leave them out"
            )
        self.files: list[tuple[str, bytes]] = []
        self.entries: list[dict[str, Any]] = [self._entry(image, part) for image in images]
        for entry, weight in zip(self.entries, weights or (), strict=False):
            entry["weight"] = float(weight)

    def _entry(self, image: QueryImage, part: str) -> dict[str, Any]:
        number = id_of(image)
        if number is not None:
            return {"id": number}
        if is_vector(image):
            return {"vector": finite(image).tolist()}
        self.files.append((part, content_of(image)))
        return {"part": len(self.files) - 1}


def id_of(image: QueryImage) -> int | None:
    """The number of an image of the collection, also as `id:N`; None for all else, also for a file of such a name."""
    if isinstance(image, (int, np.integer)) and not isinstance(image, bool):
        return int(image) if 0 <= image <= _LARGEST else _LARGEST
    if isinstance(image, str) and image.startswith("id:") and not os.path.exists(image):
        digits = image[3:]
        if not (digits.isascii() and digits.isdecimal()):
            raise ImageNotFoundError(
                f"{image} is neither a file nor an image id such as id:12; look ids up with: Client.files()"
            )
        return min(int(digits[-400:]), _LARGEST) if len(digits.lstrip("0")) < 20 else _LARGEST
    return None


def is_vector(image: QueryImage) -> TypeGuard[np.ndarray]:
    """Whether it is a row of `embed` and no picture."""
    return isinstance(image, np.ndarray) and image.ndim == 1


def path_of(image: QueryImage) -> str | None:
    """What a file is called in a collection on this machine, so that it does not answer itself; None for all else."""
    if isinstance(image, (str, os.PathLike)) and id_of(image) is None and not _is_url(image):
        return os.path.abspath(os.path.expanduser(image))
    return None


def whole_path(path: str | os.PathLike[str]) -> str:
    """A path of the server's machine; one that is not whole is taken from here, for those who ask their own machine."""
    text = os.fspath(path)
    return text if text.startswith("/") or os.path.isabs(text) else os.path.abspath(os.path.expanduser(text))


def split(rows: list[T], size: int) -> Iterator[list[T]]:
    """Rows in lists of so many; none for none."""
    for low in range(0, len(rows), size):
        yield rows[low : low + size]


def parts_of(ids: Iterable[int] | None, size: int) -> list[list[int] | None]:
    """Ids as requests name them, so many in each; None once for all."""
    return [None] if ids is None else [*split(sorted({int(number) for number in ids}), size)]


def content_of(image: QueryImage) -> bytes:
    """The picture as bytes that the server can decode; a web address is fetched here.

    Raises:
        ImageNotFoundError, ImageUnreadableError: a file that is not there, or an address that does not answer.
        TypeError, ValueError: no picture.
    """
    from dinosearch import images

    if isinstance(image, (bytes, bytearray, memoryview)):
        return bytes(image)
    if isinstance(image, (str, os.PathLike)):
        name = os.fspath(image)
        return images.fetch_image(name) if _is_url(name) else images.read_bytes(os.path.expanduser(name))
    return images.encode_png(image)


def finite(vectors: np.ndarray) -> np.ndarray:
    """The same as float32.

    Raises:
        ValueError: a number that JSON cannot hold.
    """
    found = np.asarray(vectors, np.float32)
    if not np.all(np.isfinite(found)):
        raise ValueError("a query vector is zero or not finite, so it has no direction")
    return found


def _is_url(image: str | os.PathLike[str]) -> bool:
    from dinosearch.images import is_url

    return is_url(os.fspath(image))
