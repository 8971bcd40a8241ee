"""Frozen records that cross layers: what a found file, a decoded image, a fingerprint, a hit and a summary are.

It holds data and their text forms only; nothing here reads, computes or stores.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np

ResizeMode = Literal["squash", "fit", "crop"]


@dataclass(frozen=True)
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
class Preprocessing:
    """How an upright RGB image becomes model input; part of the fingerprint.

    Attributes:
        mode: `squash` resizes the whole image to size x size, ignoring aspect (the setting that reproduces the
            published
            DINOv2 retrieval figures); `fit` keeps aspect: the longer side becomes `size`, both sides are padded with
            the
            mean colour to multiples of the patch; `crop` resizes the shorter side to size * 256 / 224 and cuts the
            centre.
        size: pixels, a multiple of the patch size.
    """

    mode: ResizeMode = "squash"
    size: int = 224

    def __str__(self) -> str:
        return f"{self.mode}-{self.size}"

    @classmethod
    def parse(cls, text: str) -> Preprocessing:
        """Read `squash-224`, `fit-448`, `crop-224`.

        Raises:
            ValueError: another mode, or a size that is not a positive integer.
        """
        mode, _, size = text.partition("-")
        if mode not in ("squash", "fit", "crop") or not size.isdecimal() or int(size) < 1:
            raise ValueError(f"preprocessing {text!r} is not one of squash-N, fit-N, crop-N, such as squash-224")
        return cls(mode, int(size))  # type: ignore[arg-type]


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
class Fingerprint:
    """What two vectors must share to be comparable: the embedding fingerprint.

    Attributes:
        checkpoint: name in the table of checkpoints, such as `dinov2_vits14`.
        weights_sha256: hex digest of the weight file.
        preprocessing: text form, such as `squash-224`.
        pooling: how tokens became a vector: `cls`, `mean`, `gem`, `cls+mean`, `cls+gem`.
        dimension: length of a vector.
    """

    checkpoint: str
    weights_sha256: str
    preprocessing: str
    pooling: str
    dimension: int

    def __str__(self) -> str:
        weights = self.weights_sha256[:8]
        return f"{self.checkpoint} {self.preprocessing} {self.pooling} ({self.dimension}-d, weights {weights})"

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Fingerprint:
        return cls(**{f.name: data[f.name] for f in dataclasses.fields(cls)})


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


@dataclass(frozen=True)
class Hit:
    """One answer to a query.

    Attributes:
        rank: 1 is the nearest.
        score: cosine similarity in [-1, 1], higher is nearer.
        id: image id.
        path: absolute path, or `ARCHIVE.tar::MEMBER`.
        width: pixels, upright.
        height: pixels, upright.
    """

    rank: int
    score: float
    id: int
    path: str
    width: int
    height: int
    format: str
    size: int
    taken: datetime | None = None
    camera: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form; `taken` becomes ISO 8601 text."""
        data = dataclasses.asdict(self)
        data["taken"] = self.taken.isoformat() if self.taken else None
        return data


@dataclass(frozen=True)
class IndexInfo:
    """The vector index as it was built and measured.

    Attributes:
        type: Faiss factory string, such as `IVF1265,Flat`.
        rows: vectors inside (dead ones included); newer ones are searched exactly in the tail.
        trained_on: rows there were when the coarse quantizer was trained.
        nlist: inverted lists.
        nprobe: lists visited, by k: the entry of the smallest key >= k holds; above the largest key it grows in
            proportion.
        recall_target: recall asked for, 0..1.
        recall: measured recall@k against exact search, by k, same keys as nprobe.
        sample: held-out queries that the recall was measured with.
    """

    type: str
    rows: int
    trained_on: int
    nlist: int
    nprobe: dict[int, int]
    recall_target: float
    recall: dict[int, float]
    sample: int

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> IndexInfo:
        """Read `to_dict()` back, also after a trip through JSON, which turns the integer keys into text."""
        values = {f.name: data[f.name] for f in dataclasses.fields(cls)}
        values["nprobe"] = {int(k): int(v) for k, v in data["nprobe"].items()}
        values["recall"] = {int(k): float(v) for k, v in data["recall"].items()}
        return cls(**values)


@dataclass(frozen=True)
class Generation:
    """One set of vectors in a home: a vector file, its committed length, and the index published for it.

    Attributes:
        number: 1, 2, ...; part of the file names.
        fingerprint: what the vectors were made with.
        rows: committed rows of the vector file; anything behind is a left-over and is overwritten.
        index_sha256: checksum of the published index file, None when none is published.
        index: how the index was built, None when none is published.
    """

    number: int
    fingerprint: Fingerprint
    rows: int
    index_sha256: str | None = None
    index: IndexInfo | None = None


@dataclass(frozen=True)
class Published:
    """An index that lies in its file: how it was built, and the file's checksum for the store."""

    index: IndexInfo
    sha256: str


@dataclass(frozen=True)
class IndexSummary:
    """What one `index` run did, counted in files.

    Attributes:
        added: new paths, copies of known content included.
        unchanged: known paths whose size and time (or content) are as before.
        moved: new paths whose content was known under a path that is gone.
        changed: known paths with new content.
        removed: known paths that are gone.
        failed: paths that could not be read or decoded; `failures` names them.
        offline: known paths kept because their whole root is not there.
        embedded: forward passes through the model; identical content needs one.
        seconds: wall-clock time of the run.
    """

    added: int = 0
    unchanged: int = 0
    moved: int = 0
    changed: int = 0
    removed: int = 0
    failed: int = 0
    offline: int = 0
    embedded: int = 0
    seconds: float = 0.0
    failures: tuple[Problem, ...] = field(default=())

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready counts, without the list of failures."""
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name != "failures"}
