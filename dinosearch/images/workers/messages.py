"""The messages between the decode pool and its workers: lengths, a JSON header, a body; it starts no process.

No pickle: a decoder that a hostile file took over can answer wrong pixels at worst.
"""

from __future__ import annotations

import json
import mmap
import struct
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import IO, Any

import numpy as np

from dinosearch.records import ImageInfo, PreparedImage, Problem

# Length of the header and length of the body, big-endian.
_LENGTHS = struct.Struct(">IQ")
_MAX_HEADER = 1 << 20
_PRIVATE = {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS} if hasattr(mmap, "MAP_PRIVATE") else {}  # not Windows

Body = bytes | mmap.mmap


@dataclass(frozen=True)
class Wanted:
    """What is wanted of an image.

    Attributes:
        preprocessing: as text, what the prepared pixels shall look like; None for the upright picture.
        patch: sides that `fit` pads become multiples of this.
        hint: of the picture, see `decode`.
    """

    preprocessing: str | None = None
    patch: int = 14
    hint: int | None = None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def send(stream: IO[bytes], header: dict[str, Any], body: bytes = b"") -> None:
    """Write one message; JSON escapes keep undecodable path bytes (surrogates) intact."""
    text = json.dumps(header).encode("ascii")
    stream.write(_LENGTHS.pack(len(text), len(body)) + text)
    stream.write(body)
    stream.flush()


def receive(stream: IO[bytes], max_body: int) -> tuple[dict[str, Any], bytes]:
    """Read one message.

    Raises:
        EOFError: the other side is gone, or what it sent is no message.
    """
    header, length = _receive_header(stream, max_body)
    return header, _read_exactly(stream, length)


def receive_in_pages(stream: IO[bytes], max_body: int) -> tuple[dict[str, Any], Body]:
    """Read one message whose body has memory pages of its own, which the system has back once nobody holds the body.

    The GNU C library keeps what one thread allocates and another one frees, for every thread that ever did: 50 MiB
    after 150 index runs.

    Raises:
        EOFError: as of `receive`.
    """
    header, length = _receive_header(stream, max_body)
    if not length:
        return header, b""
    pages = mmap.mmap(-1, length, **_PRIVATE)
    if stream.readinto(pages) < length:  # type: ignore[attr-defined]
        raise EOFError("the other side is gone")
    return header, pages


def pack_answer(answer: PreparedImage | Problem) -> tuple[dict[str, Any], bytes]:
    """Header and body for a worker's answer."""
    if isinstance(answer, Problem):
        return {"reason": answer.reason}, b""
    info = answer.info
    header = {
        "shape": answer.pixels.shape,
        "sha256": answer.sha256,
        "width": info.width,
        "height": info.height,
        "format": info.format,
        "taken": info.taken.isoformat() if info.taken else None,
        "camera": info.camera,
    }
    return header, answer.pixels.tobytes()


def unpack_answer(path: str, header: dict[str, Any], body: Body) -> PreparedImage | Problem:
    """Undo `pack_answer`.

    Raises:
        EOFError: the message is not an answer.
    """
    try:
        if "reason" in header:
            return Problem(path, str(header["reason"]))
        camera = str(header["camera"]) if header["camera"] else None
        taken = datetime.fromisoformat(header["taken"]) if header["taken"] else None
        info = ImageInfo(int(header["width"]), int(header["height"]), str(header["format"]), taken, camera)
        height, width, channels = header["shape"]
        pixels = np.frombuffer(body, np.uint8).reshape(height, width, channels)
        if channels != 3:
            raise ValueError("not RGB")
        return PreparedImage(pixels, info, str(header["sha256"]))
    except (KeyError, TypeError, ValueError):
        raise EOFError("not an answer") from None


def _receive_header(stream: IO[bytes], max_body: int) -> tuple[dict[str, Any], int]:
    """The header, and how long the body is that follows."""
    header_length, body_length = _LENGTHS.unpack(_read_exactly(stream, _LENGTHS.size))
    if header_length > _MAX_HEADER or body_length > max_body:
        raise EOFError("not a message")
    try:
        return json.loads(_read_exactly(stream, header_length)), body_length
    except ValueError:
        raise EOFError("not a message") from None


def _read_exactly(stream: IO[bytes], count: int) -> bytes:
    data = stream.read(count)
    if len(data) < count:
        raise EOFError("the other side is gone")
    return data
