"""An index run whose JPEG files are decoded where the model computes: read and hashed here, handed over as they are.

What comes out is what the decode pool gives: the same records, and for all that a device cannot decode the pool's own
answers. Unlike the pool's workers, a decoder that crashes over a file takes the run with it.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from dinosearch.capacity import available_memory, cores
from dinosearch.errors import DinosearchError
from dinosearch.images import DecodePool, describe, read_bytes
from dinosearch.images.ahead import Ahead
from dinosearch.protocols import Embedder, EncodedEmbedder
from dinosearch.records import FoundFile, ImageInfo, PreparedImage, Problem

_LEAST = 32  # images of a part, which becomes one commit
_SHARE = 1 / 32
"""Of the memory that is free: the files of a part. Up to four parts are held: being read, two being embedded, taken."""
_LARGEST = 64 << 20  # bytes of a file that is read here; larger ones are left to the pool, which watches over memory
_AT_ONCE = 2
"""Parts that are embedded at the same time: while the last of one is computed, the first of the next is decoded."""


@dataclass(frozen=True)
class EmbeddedImage:
    """Takes the place of a `PreparedImage` whose vector is there already.

    Attributes:
        info: as of a prepared image.
        sha256: likewise.
        vector: (dimension,) float32; None where the collection has the content.
    """

    info: ImageInfo
    sha256: str
    vector: np.ndarray | None


Answer = PreparedImage | EmbeddedImage | Problem
Item = FoundFile | tuple[FoundFile, bytes]


@dataclass(eq=False)
class _Read:
    """A file on its way; `data`, `sha256` and `info` where it is a JPEG that may be handed over."""

    file: FoundFile
    data: bytes | None = None
    sha256: str = ""
    info: ImageInfo | None = None
    answer: Answer | None = None

    @property
    def item(self) -> Item:
        """What the pool is given."""
        return self.file if self.data is None else (self.file, self.data)


@dataclass(eq=False)
class _Part:
    """Files that are handed over together; `chosen` are the first of each new content among them, by its hash."""

    files: list[_Read]
    chosen: dict[str, _Read] = field(default_factory=dict)


def vectors_of(embedder: Embedder, images: Sequence[PreparedImage | EmbeddedImage]) -> np.ndarray:
    """(n, dimension) float32 of images that have their vector, and of prepared ones, which are embedded."""
    pixels = [image.pixels for image in images if isinstance(image, PreparedImage)]
    found = embedder.embed(pixels) if pixels else np.empty((0, 0), np.float32)
    if len(pixels) == len(images):
        return found
    rows = iter(found)
    return np.stack([next(rows) if isinstance(image, PreparedImage) else image.vector for image in images])  # type: ignore[misc]


class DeviceDecoding:
    """One pass over the files of a run.

    Args:
        embedder: that is given files.
        pool: prepares all else.
        stored: those of some contents, by their hash, that need no vector.
    """

    def __init__(
        self, embedder: EncodedEmbedder, pool: DecodePool, stored: Callable[[Collection[str]], Collection[str]]
    ) -> None:
        self._embedder, self._pool, self._stored = embedder, pool, stored
        self._count = max(_LEAST, embedder.call_size)
        self._bytes = int(_SHARE * available_memory())
        self._pending: set[str] = set()  # contents that were handed over and may not be in the store yet
        self._lock, self._hosting = threading.Lock(), threading.Lock()

    def batches(self, items: Iterable[Item]) -> Generator[list[tuple[FoundFile, Answer]], None, None]:
        """Answer the files, in their order, in parts.

        The caller begins to commit a part before it asks for the next one, and has waited for the commit before that.
        It closes what is returned: that waits for the threads, which none of them could do for itself.
        """
        reading = Ahead(items, _read, _weigh, threads=cores(), most=self._count, most_bytes=self._bytes)
        embedding = Ahead(self._parts(reading), self._embed, _weightless, threads=_AT_ONCE, most=_AT_ONCE, most_bytes=1)
        try:
            before: tuple[set[str], set[str]] = set(), set()  # of the last part: handed over, and in the collection
            for part, _ in embedding:
                self._settle(part, before[1])
                answers = [(one.file, one.answer) for one in part.files if one.answer is not None]
                yield answers
                with self._lock:
                    self._pending -= before[0]
                before = set(part.chosen), {one.sha256 for _, one in answers if not isinstance(one, Problem)}
        finally:
            self._pool.close()  # no thread waits for it any longer
            for pass_ in (reading, embedding):
                pass_.stop()
            for pass_ in (reading, embedding):
                pass_.join()

    def _parts(self, reading: Iterable[tuple[Item, _Read]]) -> Iterator[_Part]:
        held: list[_Read] = []
        size = 0
        for item, one in reading:
            held.append(one)
            size += _weigh(item, one)
            if len(held) == self._count or size >= self._bytes:
                yield self._begun(held)
                held, size = [], 0
        if held:
            yield self._begun(held)

    def _begun(self, files: list[_Read]) -> _Part:
        found: dict[str, _Read] = {}
        for one in files:
            if one.info is not None:
                found.setdefault(one.sha256, one)
        # In this order: what leaves the one is in the other by then.
        with self._lock:
            known = self._pending & found.keys()
        known |= set(self._stored(found.keys() - known))
        part = _Part(files, {sha256: one for sha256, one in found.items() if sha256 not in known})
        with self._lock:
            self._pending |= part.chosen.keys()
        return part

    def _embed(self, part: _Part) -> None:
        """Answer all but contents that may be known, in a thread of their own."""
        ours = list(part.chosen.values())
        vectors = self._embedder.embed_encoded([one.data for one in ours if one.data is not None]) if ours else []
        for one, vector in zip(ours, vectors, strict=True):
            if vector is not None and one.info is not None:
                one.answer, one.data = EmbeddedImage(one.info, one.sha256, vector), None
        ours = [one for one in part.files if one.info is None or part.chosen.get(one.sha256) is one]
        self._prepare([one for one in ours if one.answer is None])

    def _prepare(self, files: list[_Read]) -> None:
        if not files:
            return
        with self._hosting:  # the pool's workers are enough for one part
            for one, (_, answer) in zip(files, self._pool.prepare_all([one.item for one in files]), strict=True):
                one.answer, one.data = answer, None

    def _settle(self, part: _Part, being_committed: set[str]) -> None:
        """Answer what was passed over because its content seemed known."""
        left = [one for one in part.files if one.answer is None]
        if not left:
            return
        answers = {one.sha256: one.answer for one in part.chosen.values()}
        known = being_committed | set(self._stored({one.sha256 for one in left}))
        for one in left:
            if one.sha256 in known and one.info is not None:
                one.answer = EmbeddedImage(one.info, one.sha256, None)
            elif not isinstance(first := answers.get(one.sha256), Problem | None):
                one.answer = first
        self._prepare([one for one in left if one.answer is None])


def _read(item: Item) -> _Read:
    file, data = item if isinstance(item, tuple) else (item, None)
    given = data
    try:
        if data is None and file.size <= _LARGEST:
            data = read_bytes(file.path)
        info = None if data is None else describe(data)
    except (DinosearchError, MemoryError):
        info = None  # the pool will meet the same fault and say what it is
    if data is None or info is None:
        return _Read(file, given)
    return _Read(file, data, hashlib.sha256(data).hexdigest(), info)


def _weigh(item: Item, one: _Read | None) -> int:
    if one is not None:
        return len(one.data or b"")
    return len(item[1]) if isinstance(item, tuple) else item.size


def _weightless(part: _Part, done: None) -> int:
    return 0
