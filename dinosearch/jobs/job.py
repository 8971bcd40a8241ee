"""`dinosearch embed`: list the sources, embed what is not finished, store each shard once, write the manifest.

Engines may answer a part twice, and be killed at any moment: a shard counts when its file and then its note are there,
under names that its content decides, so that whoever does it again writes the same.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial

from dinosearch.collection.indexing.behind import Behind
from dinosearch.collection.models.chosen import ModelChoice
from dinosearch.errors import ImageNotFoundError, SettingError
from dinosearch.jobs.engines import ENGINES, Engine, Resources
from dinosearch.jobs.folders import Folder, folder_at
from dinosearch.jobs.ledger import Note, complete, finish, finished
from dinosearch.jobs.needs import needed
from dinosearch.jobs.parts import EmbeddedPart
from dinosearch.jobs.shard_file import packed
from dinosearch.jobs.shards import Shard
from dinosearch.jobs.sources import shards_of
from dinosearch.records import Fingerprint

SHARD_SIZE = 4096
"""Images of a shard: 6 MB of ViT-S vectors; what a kill costs at most, 1 s of a fast GPU or a minute of 4 cores."""


@dataclass(frozen=True)
class JobState:
    """How far a job is.

    Attributes:
        rows: images and bad files that are done, those of earlier runs included.
        total: of all shards; None while an archive is to come, whose images are counted when it is read.
        shards: finished.
        all_shards: of the job.
        failed: bad files so far.
        made: the shard that was just finished by this run, or None.
    """

    rows: int
    total: int | None
    shards: int
    all_shards: int
    failed: int
    made: Note | None = None


@dataclass(frozen=True)
class JobSummary:
    """What a job did.

    Attributes:
        images: rows with a vector, in all shards.
        failed: rows without, in all shards.
        shards: of the job.
        kept: of them, finished by earlier runs.
        embedded: contents that went through the model in this run, those of finished shards.
        seconds: wall-clock time of the run.
    """

    images: int
    failed: int
    shards: int
    kept: int
    embedded: int
    seconds: float


def embed(
    sources: Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    *,
    engine: str = "local",
    model: ModelChoice | None = None,
    resources: Resources | None = None,
    shard_size: int = SHARD_SIZE,
    exclude: Sequence[str] = (),
    follow_symlinks: bool = False,
    column: str | None = None,
    retry_failed: bool = False,
    on_file: Callable[[int], None] | None = None,
    watch: Callable[[JobState], None] | None = None,
) -> JobSummary:
    """Embed the sources into a folder of Parquet shards, which `dinosearch import` takes into any home.

    Run it again after an interruption, or after the sources changed: finished shards whose checksum is right are kept.

    Args:
        sources: paths or URLs of folders, images, tar archives and Parquet tables.
        out: folder, or URL that fsspec or Arrow can write to.
        engine: `local`, or `ray`.
        model: which model, as in `Collection.open`; None is `auto`.
        resources: what may be used.
        shard_size: images of a shard, on average.
        exclude: glob patterns of what to leave out of folders.
        follow_symlinks: follow symbolic links in folders of this machine.
        column: of tables, that holds the images or their paths.
        retry_failed: make shards with bad files again.
        on_file: told how many files were found so far.
        watch: told how far it is, whenever something arrives.

    Raises:
        ImageNotFoundError: a source is not there, or no source has an image.
        SettingError: an optional library is missing, or an engine or size that is none.
        HomeLockedError: another job writes to `out`.
        ClusterError: the Ray cluster failed.
    """
    if engine not in ENGINES:
        raise SettingError(f"{engine!r} is no engine; use one of: {', '.join(ENGINES)}")
    if shard_size < 1:
        raise SettingError(
            f"shards of {shard_size} images are not possible; leave it out for: --shard-size {SHARD_SIZE}"
        )
    with needed("embed"):
        import pyarrow  # noqa: F401  # before anything is embedded
    started, folder = time.monotonic(), folder_at(out)
    names = [os.fspath(source) for source in sources]
    listing = partial(shards_of, exclude=exclude, follow_symlinks=follow_symlinks, column=column, on_file=on_file)
    unnamed = list(listing(names, shard_size, without=folder.name))
    if not unnamed:
        raise ImageNotFoundError(
            f"no image in {', '.join(names)[:200] or 'no source'}; nothing was embedded; check the path"
        )
    with folder.writer(), ENGINES[engine](model or ModelChoice(), resources or Resources()) as opened:
        fingerprint = opened.recipe().fingerprint
        job = _Job(folder, [shard.named(fingerprint) for shard in unnamed], fingerprint, retry_failed, watch)
        return job.run(opened, started)


@dataclass
class _Arriving:
    """A shard some of whose parts are here."""

    parts: dict[int, EmbeddedPart] = field(default_factory=dict)
    count: int | None = None  # of parts; known when the last one is here


class _Job:
    """The driver's side of a job: what is finished, what is on its way."""

    def __init__(
        self,
        folder: Folder,
        shards: Sequence[Shard],
        fingerprint: Fingerprint,
        retry_failed: bool,
        watch: Callable[[JobState], None] | None,
    ) -> None:
        self._folder, self._shards, self._fingerprint = folder, shards, fingerprint
        self._watch = watch or (lambda state: None)
        self._notes = {
            shard.id: note
            for shard, note in zip(shards, finished(folder, shards), strict=True)
            if note is not None and not (retry_failed and note.failed)
        }
        self._kept = len(self._notes)
        self._arriving: dict[str, _Arriving] = {}
        self._stored: deque[tuple[Shard, Note, list[EmbeddedPart]]] = deque()
        self._embedded = self._rows = self._failed = 0

    def run(self, engine: Engine, started: float) -> JobSummary:
        for note in self._notes.values():
            self._rows, self._failed = self._rows + note.rows, self._failed + note.failed
        open_ = {shard.id: shard for shard in self._shards if shard.id not in self._notes}
        known = [shard.count for shard in open_.values() if shard.count is not None]
        total = self._rows + sum(known) if len(known) == len(open_) else None
        self._tell(total)
        with Behind() as behind:
            for shard, parts in self._whole(engine, open_, total):
                behind.start(partial(self._store, shard, parts))
            behind.wait()
        self._tell(total)
        notes = [self._notes[shard.id] for shard in self._shards]
        complete(self._folder, notes, self._fingerprint)
        rows, failed = sum(note.rows for note in notes), sum(note.failed for note in notes)
        seconds = round(time.monotonic() - started, 3)
        return JobSummary(rows - failed, failed, len(notes), self._kept, self._embedded, seconds)

    def _whole(
        self, engine: Engine, open_: dict[str, Shard], total: int | None
    ) -> Iterator[tuple[Shard, list[EmbeddedPart]]]:
        """Each shard once, as soon as all its parts are here."""
        if not open_:
            return
        with closing(engine.run(list(open_.values()))) as parts:
            for part in parts:
                if part.shard not in open_:
                    continue  # a second answer, of a shard that is whole
                arriving = self._arriving.setdefault(part.shard, _Arriving())
                if part.number in arriving.parts:
                    continue
                arriving.parts[part.number] = part
                arriving.count = part.number + 1 if part.last else arriving.count
                self._rows += len(part.rows)
                self._failed += _bad([part])
                if len(arriving.parts) == arriving.count:
                    del self._arriving[part.shard]
                    yield open_.pop(part.shard), [arriving.parts[number] for number in range(arriving.count)]
                self._tell(total)

    def _store(self, shard: Shard, parts: list[EmbeddedPart]) -> None:
        data, counts = packed(parts)
        self._stored.append((shard, finish(self._folder, shard, data, counts, parts[0].fingerprint), parts))

    def _tell(self, total: int | None) -> None:
        """Say how far it is, in the caller's thread, once for each shard that was stored since."""
        made = None
        while self._stored:
            shard, made, parts = self._stored.popleft()
            self._notes[shard.id] = made
            self._embedded += sum(len(part.vectors) for part in parts)
            self._failed += made.failed - _bad(parts)  # copies of a bad file are found out when the shard is whole
            self._watch(self._state(total, made))
        if made is None:
            self._watch(self._state(total, None))

    def _state(self, total: int | None, made: Note | None) -> JobState:
        return JobState(self._rows, total, len(self._notes), len(self._shards), self._failed, made)


def _bad(parts: Iterable[EmbeddedPart]) -> int:
    return sum(row.reason is not None for part in parts for row in part.rows)
