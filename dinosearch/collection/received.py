"""Read an exported folder that anyone may have written: every value is checked before it is used."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Iterator
from datetime import datetime, timezone
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from dinosearch.errors import ExportError
from dinosearch.home import sha256_file
from dinosearch.records import Fingerprint, ImageRecord

SCHEMA = "dinosearch-export-1"
FILES = ("images.jsonl", "vectors.npy")
_LONGEST = 1 << 20
"""Bytes of a line, or of a manifest."""
_WIDEST = 1 << 16
"""Numbers of a vector."""
_SHA256 = re.compile(r"[0-9a-f]{64}")
_FAULTS = (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError, AttributeError)


class Received:
    """An export whose manifest, checksums and sizes are right; its lines are checked as they are read.

    Args:
        folder: what `export` wrote.

    Attributes:
        fingerprint: what the vectors were made with.
        images: distinct contents.
        vectors: (images, dimension) float32, mapped into memory.

    Raises:
        ExportError: something is missing, damaged, or not as `export` writes it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
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
                        f"{folder / name} does not match its checksum; export again with: dinosearch export FOLDER"
                    )
            self.images = _whole(manifest["images"])
            self.fingerprint = _fingerprint(manifest["fingerprint"])
            self.vectors = np.load(folder / "vectors.npy", mmap_mode="r", allow_pickle=False)
            wanted = (self.images, self.fingerprint.dimension)
            if self.vectors.dtype != np.float32 or self.vectors.shape != wanted:
                raise ValueError(f"vectors.npy holds no {wanted[0]} x {wanted[1]} float32 numbers")
        except _FAULTS as error:
            raise self._fault(error) from None

    def groups(self) -> Iterator[list[ImageRecord]]:
        """The files of each image.

        Raises:
            ExportError: a line is not as it should be, or there are more or fewer images than vectors.
        """
        seen = 0
        for _, group in groupby(self._records(), key=lambda record: record.id):
            seen += 1
            if seen > self.images:
                break
            yield list(group)
        if seen != self.images:
            raise self._fault(ValueError(f"images.jsonl has not the {self.images} images that the manifest names"))

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
            f"{self._folder} is not a whole dinosearch export ({_said(error)}); make one with: dinosearch export FOLDER"
        )


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
    if record.modified.tzinfo is None or record.added.tzinfo is None or not _is_time(record.modified):
        raise ValueError("its times have no zone")
    return record


def _is_time(moment: datetime) -> bool:
    return math.isfinite((moment - datetime(1970, 1, 1, tzinfo=timezone.utc)).total_seconds())


def _whole(number: Any) -> int:
    if type(number) is not int or not 0 <= number < 1 << 62:
        raise ValueError(f"{str(number)[:40]!r} is no whole number")
    return number
