"""What `dinosearch embed` made, as `import` takes it in: shard by shard, a thousand rows at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator

from dinosearch.advice import run
from dinosearch.collection.keeping.received import Arrivals
from dinosearch.errors import ExportError, FingerprintMismatchError
from dinosearch.jobs.folders import Folder, folder_at, sha256_of
from dinosearch.jobs.ledger import MANIFEST, Note, manifest
from dinosearch.jobs.needs import needed
from dinosearch.jobs.shard_file import bad_rows, unpacked
from dinosearch.records import Fingerprint, Problem

_NAMED = 3  # shards in a message


class ShardDelivery:
    """A finished job's folder; fulfils `dinosearch.collection.keeping.received.Delivery`.

    Args:
        place: folder or URL that `embed` wrote to.

    Attributes:
        name: of the folder.
        fingerprint: what the vectors were made with.
        steps: rows of all shards, bad ones included.

    Raises:
        ExportError: no job has finished there, or a shard is missing or half written; it names them.
        FingerprintMismatchError: its shards cannot be compared with each other.
    """

    def __init__(self, place: str | os.PathLike[str]) -> None:
        self._folder = folder_at(place)
        self.name = self._folder.name
        self.fingerprint, self._notes = _manifest(self._folder)
        self.steps = sum(note.rows for note in self._notes)
        wrong = [note.file for note in self._notes if self._folder.size(note.file) != note.size]
        if wrong:
            raise self._damaged(wrong, "missing or half written")
        for note in self._notes:
            if not note.fingerprint.matches(self.fingerprint):
                raise FingerprintMismatchError(
                    f"{self.name}/{note.file} holds vectors of {note.fingerprint}, the others of {self.fingerprint}, "
                    "and they cannot be compared; embed all with one model: ",
                    run("embed", "SOURCE...", "--out", "OTHER"),
                )

    def arrivals(self) -> Iterator[tuple[int, Arrivals]]:
        """See `Delivery.arrivals`; the checksum of each shard is looked at before anything is taken from it."""
        with needed("import"):
            from pyarrow import ArrowException
        for note in self._notes:
            try:
                if sha256_of(self._folder, note.file) != note.sha256:
                    raise ValueError("its checksum is wrong")
                with self._folder.open(note.file) as file:
                    yield from unpacked(file, self.fingerprint.dimension)
            except (OSError, ValueError, KeyError, TypeError, ArrowException) as error:
                raise self._damaged([note.file], " ".join(str(error).split())[:200]) from None

    def _damaged(self, files: list[str], why: str) -> ExportError:
        more = f" and {len(files) - _NAMED:,} more" if len(files) > _NAMED else ""
        return ExportError(
            f"{self.name}: {', '.join(files[:_NAMED])}{more}: {why}; make what is damaged again with: ",
            run("embed", "SOURCE...", "--out", self.name),
        )


def is_delivery(place: str) -> bool:
    """Whether a job's manifest or shards lie there."""
    folder = folder_at(place)
    return folder.size(MANIFEST) is not None or bool(folder.names("shards"))


def failures(place: str | os.PathLike[str]) -> Iterator[Problem]:
    """The bad files of a finished job, shard by shard.

    Raises:
        ExportError: no job has finished there.
    """
    folder = folder_at(place)
    for note in _manifest(folder)[1]:
        if note.failed:
            with folder.open(note.file) as file:
                for path, reason in bad_rows(file):
                    yield Problem(path, reason)


def _manifest(folder: Folder) -> tuple[Fingerprint, list[Note]]:
    try:
        return manifest(folder)
    except FileNotFoundError:
        raise ExportError(
            f"{folder.name} is not finished: it has no {MANIFEST}; finish it with: ",
            run("embed", "SOURCE...", "--out", folder.name),
        ) from None
    except ValueError as error:
        raise ExportError(
            f"{folder.name}: {error}; make it again with: ",
            run("embed", "SOURCE...", "--out", folder.name),
        ) from None
