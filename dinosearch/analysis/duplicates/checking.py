"""Compare the pictures of pairs that are near enough to be copies: each image is read once, and memory is bounded."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType

from dinosearch.analysis.duplicates.likeness import Likeness, compare
from dinosearch.analysis.duplicates.pyramid import SIDE, Pyramid
from dinosearch.analysis.duplicates.scope import File
from dinosearch.errors import ImageNotFoundError, ImageUnreadableError
from dinosearch.images import decode_apart, read_bytes, stretch
from dinosearch.vectors.threads import one_thread, thread_count

_KEPT = 1024  # pictures of 65 kB
_AT_ONCE = 64  # pairs, whose pictures may take 0.7 MB each

Pair = tuple[int, int]


class CopyCheck:
    """Says which pairs are copies; a context manager whose threads end with it.

    Attributes:
        known: the pairs of image ids that are copies, the smaller first, and how.
        checked: pairs that were compared so far.
        unread: paths of images that could not be read.
    """

    def __init__(self) -> None:
        self.known: dict[Pair, Likeness] = {}
        self.checked = 0
        self.unread: set[str] = set()
        self._pictures: OrderedDict[int, Pyramid | None] = OrderedDict()
        self._pool = ThreadPoolExecutor(thread_count())

    def __enter__(self) -> CopyCheck:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)

    def copies(self, pairs: Sequence[Pair], files: Mapping[int, Sequence[File]]) -> dict[Pair, Likeness]:
        """Those of the pairs of images that are copies, and how.

        Args:
            pairs: of image ids, the smaller first.
            files: of each image, as `Collection.files` gives them; the first that can be read is.
        """
        chosen = sorted(pairs)
        found: dict[Pair, Likeness] = {}
        for low in range(0, len(chosen), _AT_ONCE):
            part = [pair for pair in chosen[low : low + _AT_ONCE] if not _two_shots(*(files[image] for image in pair))]
            pictures = self._of({image for pair in part for image in pair}, files)
            readable = [pair for pair in part if all(pictures[image] is not None for image in pair)]
            sides = ([pictures[pair[side]] for pair in readable] for side in (0, 1))
            with one_thread():  # of each product: the pairs are what is done side by side
                compared = list(self._pool.map(compare, *sides))
            found |= {pair: seen for pair, seen in zip(readable, compared, strict=True) if seen and seen.is_copy}
            self.checked += len(readable)
            for picture in pictures.values():
                if picture is not None:
                    picture.forget()
        self.known |= found
        return found

    def _of(self, images: set[int], files: Mapping[int, Sequence[File]]) -> dict[int, Pyramid | None]:
        """The pictures of the images, None for what cannot be read; the oldest of those at hand are let go."""
        absent = sorted(images - self._pictures.keys())
        read = self._pool.map(lambda image: _read(files[image]), absent)
        for image, picture in zip(absent, read, strict=True):
            self._pictures[image] = picture
            if picture is None:
                self.unread.add(str(files[image][0]["path"]))
        for image in images:
            self._pictures.move_to_end(image)
        found = {image: self._pictures[image] for image in images}
        while len(self._pictures) > _KEPT:
            self._pictures.popitem(last=False)
        return found


def _two_shots(one: Sequence[File], other: Sequence[File]) -> bool:
    """Whether one camera says that it took the two photos at different moments: then they are no copies."""
    first, second = one[0], other[0]
    named = first["camera"] and first["taken"] and second["taken"]
    return bool(named) and first["camera"] == second["camera"] and first["taken"] != second["taken"]


def _read(files: Sequence[File]) -> Pyramid | None:
    """The picture of an image from the first of its files that still has its content."""
    for file in files:
        try:
            data = read_bytes(file["path"])
            if hashlib.sha256(data).hexdigest() == file["sha256"]:
                picture, info = decode_apart(data, file["path"], hint=SIDE)
                return Pyramid(stretch(picture, SIDE, SIDE), (info.width, info.height))
        except (ImageNotFoundError, ImageUnreadableError):
            continue
    return None
