"""What travels between the stages of a job: a part of a shard, first with contents, then with pixels, then vectors.

A part is what is embedded together, so that the vectors of a shard do not depend on who embeds it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from dinosearch.images import DecodePool
from dinosearch.protocols import Embedder
from dinosearch.records import Fingerprint, FoundFile, ImageInfo, PreparedImage, Problem


@dataclass(frozen=True)
class Row:
    """One row of a shard.

    Attributes:
        file: path, size and time.
        sha256: of the content; None where it could not be read.
        info: of the picture; None where it is bad, and where a row before has the same content.
        reason: what is wrong with it, as a clause.
    """

    file: FoundFile
    sha256: str | None = None
    info: ImageInfo | None = None
    reason: str | None = None


@dataclass
class Part:
    """Rows of a shard that follow each other.

    Attributes:
        shard: its id.
        number: 0, 1, ... within the shard.
        last: whether the shard ends with it.
        rows: in their order.
    """

    shard: str
    number: int
    last: bool
    rows: list[Row]


@dataclass
class EncodedPart(Part):
    """With the contents that the shard has not had before, each with the place of its row; drained when decoded."""

    contents: deque[tuple[int, bytes]] = field(default_factory=deque)


@dataclass
class PreparedPart(Part):
    """With the pixels of the rows that have `info`, in their order."""

    pixels: list[np.ndarray] = field(default_factory=list)


@dataclass
class EmbeddedPart(Part):
    """With the (n, dimension) float32 vectors of the rows that have `info`, in their order."""

    vectors: np.ndarray
    fingerprint: Fingerprint


def decoded(parts: Iterable[EncodedPart], pool: DecodePool) -> Generator[PreparedPart, None, None]:
    """Decode and resize the contents; the pool works across parts, and holds them only for so long."""
    waiting: deque[tuple[EncodedPart, list[int]]] = deque()

    def items() -> Iterator[tuple[FoundFile, bytes]]:
        for part in parts:
            waiting.append((part, [place for place, _ in part.contents]))
            while part.contents:
                place, content = part.contents.popleft()
                yield part.rows[place].file, content

    found: list[PreparedImage | Problem] = []
    for _, answer in pool.prepare_all(items()):
        while not waiting[0][1]:  # nothing of it was to be decoded
            yield _prepared(waiting.popleft()[0], [], [])
        found.append(answer)
        if len(found) == len(waiting[0][1]):
            yield _prepared(*waiting.popleft(), found)
            found = []
    while waiting:
        yield _prepared(waiting.popleft()[0], [], [])


def embedded(part: PreparedPart, embedder: Embedder) -> EmbeddedPart:
    """Give a part its vectors."""
    fingerprint = embedder.fingerprint
    vectors = embedder.embed(part.pixels) if part.pixels else np.empty((0, fingerprint.dimension), np.float32)
    return EmbeddedPart(part.shard, part.number, part.last, part.rows, vectors, fingerprint)


def _prepared(part: EncodedPart, places: list[int], answers: list[PreparedImage | Problem]) -> PreparedPart:
    rows, pixels = list(part.rows), []
    for place, answer in zip(places, answers, strict=True):
        if isinstance(answer, Problem):
            rows[place] = replace(rows[place], reason=answer.reason)
        else:
            rows[place] = replace(rows[place], info=answer.info)
            pixels.append(answer.pixels)
    return PreparedPart(part.shard, part.number, part.last, rows, pixels)
