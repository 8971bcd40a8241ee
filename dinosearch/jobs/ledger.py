"""What a job has finished: one note beside each shard's file, and the manifest of the whole, written last.

shards/ID.parquet   rows and vectors
shards/ID.json      its SHA-256, size, counts and fingerprint; there once the file is whole
manifest.jsonl      first a line about all shards, then the note of each; there once all are, and replaced in one step
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from dinosearch.jobs.folders import Folder, sha256_of
from dinosearch.jobs.shard_file import Counts
from dinosearch.jobs.shards import Shard
from dinosearch.records import Fingerprint

SCHEMA = "dinosearch-shards-1"
MANIFEST = "manifest.jsonl"
_LONGEST = 1 << 20  # bytes of a line
_THREADS = 8  # that check files of earlier runs at the same time
_FAULTS = (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError)


@dataclasses.dataclass(frozen=True)
class Note:
    """A finished shard.

    Attributes:
        file: name of its file in the folder.
        sha256: of the file.
        size: of the file, bytes.
        rows, failed, contents: as in `Counts`.
        fingerprint: what its vectors were made with.
    """

    file: str
    sha256: str
    size: int
    rows: int
    failed: int
    contents: int
    fingerprint: Fingerprint

    def to_json(self) -> str:
        """One line."""
        return json.dumps({**dataclasses.asdict(self), "fingerprint": self.fingerprint.to_dict()}, sort_keys=True)

    @classmethod
    def from_json(cls, line: str | bytes) -> Note:
        """Read `to_json` back.

        Raises:
            ValueError, KeyError, TypeError: it is none.
        """
        data: dict[str, Any] = json.loads(line)
        note = cls(**{**data, "fingerprint": Fingerprint.from_dict(data["fingerprint"])})
        numbers = (note.size, note.rows, note.failed, note.contents, note.fingerprint.dimension)
        if not all(type(number) is int and 0 <= number < 1 << 62 for number in numbers):
            raise ValueError("its numbers are none")
        if not all(isinstance(text, str) for text in (note.file, note.sha256)) or ".." in note.file.split("/"):
            raise ValueError("its names are none")
        return note


def finish(folder: Folder, shard: Shard, data: bytes, counts: Counts, fingerprint: Fingerprint) -> Note:
    """Store a shard: its file, and then the note that makes it count."""
    digest = hashlib.sha256(data).hexdigest()
    note = Note(shard.file, digest, len(data), counts.rows, counts.failed, counts.contents, fingerprint)
    folder.write(shard.file, data)
    folder.write(shard.note, note.to_json().encode() + b"\n")
    return note


def finished(folder: Folder, shards: Sequence[Shard]) -> Iterator[Note | None]:
    """For each shard its note, if its file is as the note says; None where it has to be made."""
    there = folder.names("shards")

    def look(shard: Shard) -> Note | None:
        if f"{shard.id}.json" not in there or f"{shard.id}.parquet" not in there:
            return None
        try:
            with folder.open(shard.note) as file:
                note = Note.from_json(file.read(_LONGEST))
            return (
                note if folder.size(shard.file) == note.size and sha256_of(folder, shard.file) == note.sha256 else None
            )
        except _FAULTS:
            return None

    with ThreadPoolExecutor(_THREADS, thread_name_prefix="dinosearch-check") as threads:
        yield from threads.map(look, shards)


def complete(folder: Folder, notes: Iterable[Note], fingerprint: Fingerprint) -> None:
    """Write the manifest over the one of an earlier run."""
    listed = list(notes)
    head = {
        "schema": SCHEMA,
        "shards": len(listed),
        "rows": sum(note.rows for note in listed),
        "failed": sum(note.failed for note in listed),
        "fingerprint": fingerprint.to_dict(),
    }
    lines = [json.dumps(head, sort_keys=True), *(note.to_json() for note in listed)]
    folder.write(MANIFEST, "".join(f"{line}\n" for line in lines).encode())


def manifest(folder: Folder) -> tuple[Fingerprint, list[Note]]:
    """What a finished job made: its fingerprint, and each shard.

    Raises:
        FileNotFoundError: no job has finished here.
        ValueError: the manifest is damaged, or of a later version.
    """
    with folder.open(MANIFEST) as file:
        try:
            head = json.loads(file.readline(_LONGEST))
            known, fingerprint = head["schema"] == SCHEMA, Fingerprint.from_dict(head["fingerprint"])
            notes = [Note.from_json(line) for line in iter(lambda: file.readline(_LONGEST), b"")] if known else []
        except _FAULTS as error:
            raise ValueError(f"{MANIFEST} is damaged ({' '.join(str(error).split())[:100]})") from None
    if not known:
        raise ValueError(f"{MANIFEST} has schema {str(head['schema'])[:40]!r}; this dinosearch reads {SCHEMA!r}")
    if len(notes) != head["shards"]:
        raise ValueError(f"{MANIFEST} names {len(notes)} of {head['shards']} shards")
    return fingerprint, notes
