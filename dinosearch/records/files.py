"""Images as files: what a source found, what was decoded, what the store keeps of each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, slots=True)  # an index run holds one for every file that it has to read
class FoundFile:
    """One image candidate that a source offers.

    Attributes:
        path: absolute path, or `ARCHIVE.tar::MEMBER` for a member of a tar file; undecodable bytes as surrogate
            escapes.
        size: bytes.
        mtime_ns: modification time, nanoseconds since the epoch (a tar member carries its archive's).
    """

    path: str
    size: int
    mtime_ns: int


@dataclass(frozen=True)
class Problem:
    """A file or folder that could not be used, with the reason as one short clause."""

    path: str
    reason: str


@dataclass(frozen=True)
class ImageInfo:
    """What the decoder learnt of one image beside its pixels.

    Attributes:
        width: pixels, upright (after EXIF orientation).
        height: pixels, upright.
        format: `JPEG`, `PNG`, `WEBP`, `GIF`, `TIFF`, `BMP`, `HEIF` or `AVIF`, from the content.
        taken: EXIF time of the photograph as the camera's local time, without zone; None where absent or absurd.
        camera: EXIF make and model, such as `Canon EOS 80D`; None where absent.
    """

    width: int
    height: int
    format: str
    taken: datetime | None = None
    camera: str | None = None


@dataclass(frozen=True)
class ImageFacts:
    """What never changes of a content, as an engine may keep it beside the vector for its filters.

    Attributes:
        id: image id.
        info: size, format, time and camera.
        added: when the image entered the collection, UTC with zone.
    """

    id: int
    info: ImageInfo
    added: datetime


@dataclass(frozen=True)
class PreparedImage:
    """One decoded image, ready for an embedder.

    Attributes:
        pixels: (h, w, 3) uint8 RGB, resized as the preprocessing says, not normalised.
        info: size, format, time and camera of the original.
        sha256: hex digest of the encoded bytes: the identity of the content.
    """

    pixels: np.ndarray
    info: ImageInfo
    sha256: str


@dataclass(frozen=True)
class ImageRecord:
    """One location of one image as the metadata store knows it; identical files share `id` and differ in `path`.

    Attributes:
        id: image id, never reused.
        path: absolute path, or `ARCHIVE.tar::MEMBER`.
        sha256: hex digest of the encoded bytes.
        size: bytes of the file.
        modified: modification time of the file, UTC with zone.
        added: when the image entered the collection, UTC with zone.
        label: what the image is called; None where nobody and no vote said so, like what follows.
        label_confidence: share of the vote, 0..1; 1 where a person said it.
        label_given: whether a person said it.
    """

    id: int
    path: str
    sha256: str
    width: int
    height: int
    format: str
    size: int
    modified: datetime
    added: datetime
    taken: datetime | None = None
    camera: str | None = None
    label: str | None = None
    label_confidence: float | None = None
    label_given: bool | None = None
