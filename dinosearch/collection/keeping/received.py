"""What `import` takes in, in whatever form it comes, and one form of it: a folder that `export` wrote.

Anyone may have written it: every value is checked before it is used.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timezone
from itertools import groupby, islice
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from dinosearch.advice import Named, run
from dinosearch.errors import ExportError
from dinosearch.home import sha256_file
from dinosearch.records import Fingerprint, FoundFile, ImageInfo, ImageRecord, Label

SCHEMA = "dinosearch-export-1"
FILES = ("images.jsonl", "vectors.npy")
_LONGEST = 1 << 20
"""Bytes of a line, or of a manifest."""
_WIDEST = 1 << 16
"""Numbers of a vector."""
_SHA256 = re.compile(r"[0-9a-f]{64}")
_BATCH = 1000
_FAULTS = (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError, AttributeError)


@dataclass(frozen=True)
class Arrivals:
    """Some files with their vectors.

    Attributes:
        contents: the SHA-256 of each distinct content, and what its decoder learnt.
        vectors: (contents, dimension) float32, of unit length.
        files: each file with the place of its content in `contents`.
        bad: files that could not be embedded, with the reason as a clause.
        labels: what contents are called, by their place, where they have a label.
    """

    contents: list[tuple[str, ImageInfo]]
    vectors: np.ndarray
    files: list[tuple[FoundFile, int]]
    bad: list[tuple[FoundFile, str]]
    labels: dict[int, Label] = field(default_factory=dict)


@runtime_checkable
class Delivery(Protocol):
    """What `import` takes in.

    Attributes:
        name: of the place it comes from, for messages.
        fingerprint: what the vectors were made with.
        steps: how much there is, in the unit of `Arrivals.files` and `bad`, or of contents.
    """

    name: str
    fingerprint: Fingerprint
    steps: int

    def arrivals(self) -> Iterator[tuple[int, Arrivals]]:
        """All of it, a bounded part at a time, with how many steps each part is.

        Raises:
            ExportError: it is damaged.
        """
        ...


class Received:
    """An export whose manifest, checksums and sizes are right; its lines are checked as they are read.

    Args:
        folder: what `export` wrote.

    Attributes:
        name: the folder.
        fingerprint: what the vectors were made with.
        steps: distinct contents.

    Raises:
        ExportError: something is missing, damaged, or not as `export` writes it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self.name = folder, str(folder)
        try:
            for name in ("manifest.json", *FILES):
                if not (folder / name).is_file():
                    raise ValueError(f"{name} is missing or no file")
            with open(folder / "manifest.json", encoding="utf-8") as file:
                manifest: dict[str, Any] = json.loads(file.read(_LONGEST))
            if manifest["schema"] != SCHEMA:
                raise ExportError(
                    f"{folder} has schema {str(manifest['schema'])[:60]!r}; this dinosearch reads {SCHEMA!r}; "
                    "upgrade dinosearch"
                )
            for name in FILES:
                if sha256_file(folder / name) != manifest["sha256"][name]:
                    raise ExportError(
                        f"{folder / name} does not match its checksum; export again with: ",
                        run("export", "FOLDER", of=Named("ITS_HOME")),
                    )
            self.steps = _whole(manifest["images"])
            self.fingerprint = _fingerprint(manifest["fingerprint"])
            self._vectors = np.load(folder / "vectors.npy", mmap_mode="r", allow_pickle=False)
            wanted = (self.steps, self.fingerprint.dimension)
            if self._vectors.dtype != np.float32 or self._vectors.shape != wanted:
                raise ValueError(f"vectors.npy holds no {wanted[0]} x {wanted[1]} float32 numbers")
        except _FAULTS as error:
            raise self._fault(error) from None

    def arrivals(self) -> Iterator[tuple[int, Arrivals]]:
        """See `Delivery.arrivals`."""
        groups, done = self._groups(), 0
        while batch := list(islice(groups, _BATCH)):
            contents = [(first.sha256, _info(first)) for first, *_ in batch]
            files = [(_file(record), place) for place, group in enumerate(batch) for record in group]
            found = ((place, _label(first)) for place, (first, *_) in enumerate(batch))
            labels = {place: label for place, label in found if label is not None}
            yield len(batch), Arrivals(contents, np.array(self._vectors[done : done + len(batch)]), files, [], labels)
            done += len(batch)

    def _groups(self) -> Iterator[list[ImageRecord]]:
        """The files of each image.

        Raises:
            ExportError: a line is not as it should be, or there are more or fewer images than vectors.
        """
        seen = 0
        for _, group in groupby(self._records(), key=lambda record: record.id):
            seen += 1
            if seen > self.steps:
                break
            yield list(group)
        if seen != self.steps:
            raise self._fault(ValueError(f"images.jsonl has not the {self.steps} images that the manifest names"))

    def _records(self) -> Iterator[ImageRecord]:
        with open(self._folder / FILES[0], "rb") as lines:
            for number in iter(range(1 << 62)):
                line = lines.readline(_LONGEST)
                if not line:
                    return
                try:
                    yield _record(json.loads(line))
                except _FAULTS as error:
                    raise self._fault(ValueError(f"line {number + 1} of images.jsonl: {_said(error)}")) from None

    def _fault(self, error: BaseException) -> ExportError:
        return ExportError(
            f"{self._folder} is not a whole export of dinosearch ({_said(error)}); make one with: ",
            run("export", "FOLDER", of=Named("ITS_HOME")),
        )


def _info(record: ImageRecord) -> ImageInfo:
    return ImageInfo(record.width, record.height, record.format, record.taken, record.camera)


def _label(record: ImageRecord) -> Label | None:
    if record.label is None or record.label_confidence is None or record.label_given is None:
        return None
    now = datetime.now(timezone.utc)
    return Label(0, record.label, float(record.label_confidence), record.label_given, now)


def _file(record: ImageRecord) -> FoundFile:
    return FoundFile(record.path, record.size, round(record.modified.timestamp() * 1_000_000) * 1000)


def _said(error: BaseException) -> str:
    """One printable line."""
    text = " ".join((str(error) or type(error).__name__).split())[:200]
    return "".join(character if character.isprintable() else "?" for character in text)


def _fingerprint(data: dict[str, Any]) -> Fingerprint:
    found = Fingerprint.from_dict(data)
    texts = (found.checkpoint, found.weights_sha256, found.preprocessing, found.pooling, found.scales, found.numbers)
    if not all(isinstance(text, str) and len(text) < 1000 for text in texts):
        raise ValueError("the fingerprint is no fingerprint")
    if not 1 <= _whole(found.dimension) <= _WIDEST or not isinstance(found.agreement, (int, float)):
        raise ValueError("the fingerprint is no fingerprint")
    return found


def _record(data: dict[str, Any]) -> ImageRecord:
    for name in ("modified", "added", "taken"):
        data[name] = datetime.fromisoformat(data[name]) if data[name] else None
    record = ImageRecord(**data)
    if not isinstance(record.path, str) or not os.path.isabs(record.path) or "\0" in record.path:
        raise ValueError("its path is not absolute")
    if not isinstance(record.sha256, str) or not _SHA256.fullmatch(record.sha256):
        raise ValueError("its sha256 is none")
    for number in (record.id, record.width, record.height, record.size):
        _whole(number)
    if not isinstance(record.format, str) or not isinstance(record.camera, (str, type(None))):
        raise ValueError("its format or camera is no text")
    if record.label is not None:
        share: Any = record.label_confidence
        is_share = type(share) in (int, float) and 0 <= share <= 1
        if not (is_share and record.label and isinstance(record.label, str) and isinstance(record.label_given, bool)):
            raise ValueError("its label is none")
    if record.modified.tzinfo is None or record.added.tzinfo is None or not _is_time(record.modified):
        raise ValueError("its times have no zone")
    return record


def _is_time(moment: datetime) -> bool:
    return math.isfinite((moment - datetime(1970, 1, 1, tzinfo=timezone.utc)).total_seconds())


def _whole(number: Any) -> int:
    if type(number) is not int or not 0 <= number < 1 << 62:
        raise ValueError(f"{str(number)[:40]!r} is no whole number")
    return number
