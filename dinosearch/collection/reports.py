"""What the maintenance verbs answer; data only."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from dinosearch.records import BuiltIndex, Fingerprint, IndexInfo, Problem


@dataclass(frozen=True)
class RootInfo:
    """One indexed folder, archive or file; `online` tells whether it is there now."""

    path: str
    online: bool
    files: int


@dataclass(frozen=True)
class DerivedInfo:
    """Rows made from the images' vectors or tokens, which can be made again.

    Attributes:
        kind: one of `records.KINDS`, but `images`.
        rows: rows of its file.
        bytes: disk space of its files.
        recipe: how they are made.
    """

    kind: str
    rows: int
    bytes: int
    recipe: dict[str, Any]


@dataclass(frozen=True)
class ModelInfo:
    """A model that the collection has vectors of.

    Attributes:
        state: `answering`, `being made` or `kept for going back`.
        fingerprint: what the vectors were made with.
        rows: vectors of images.
        bytes: disk space of its files, those of what was derived from the vectors included.
        share: of the images, how many have a vector, 0..1; of a model that is being made.
    """

    state: str
    fingerprint: Fingerprint
    rows: int
    bytes: int
    share: float


@dataclass(frozen=True)
class CollectionInfo:
    """The state of a collection.

    Attributes:
        images: distinct contents that can be found.
        files: paths of those images.
        removed: images without a path, kept until `compact`.
        failed: paths that could not be read at the last run.
        rows: rows of the vector file, dead ones included.
        tail: rows behind the index, searched exactly.
        index: how the vector index was built and what recall was measured; None before the first build.
        index_problem: why the published index is not used, None when it is.
        bytes: disk space of the whole home.
        roots: the indexed folders, archives and files.
        derived: what was made from the vectors or beside them: refined vectors, regions, patches.
        models: the one that answers, and others that it has vectors of.
        waiting: images that have a file and no vector, because they could not be read when the model was changed.
        engine: name and version of the engine that holds the vectors, as it says itself; None for a folder.
        built: the index that the engine really has; None for a folder, and while every search is exact.
    """

    home: str
    format_version: int
    fingerprint: Fingerprint | None
    images: int
    files: int
    removed: int
    failed: int
    rows: int
    tail: int
    index: IndexInfo | None
    index_problem: str | None
    bytes: int
    roots: tuple[RootInfo, ...] = field(default=())
    derived: tuple[DerivedInfo, ...] = field(default=())
    models: tuple[ModelInfo, ...] = field(default=())
    waiting: int = 0
    engine: str | None = None
    built: BuiltIndex | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form."""
        return dataclasses.asdict(self)


@dataclass(frozen=True)
class VerifyReport:
    """What `verify` checked and found.

    Attributes:
        rows: rows of the vector file whose checksum was compared.
        problems: everything found, each with the thing and what is wrong with it.
        repaired: problems that `--repair` mended.
        lost: images that could not be restored because their file is gone, changed or unreadable; they left the
            collection.
    """

    rows: int
    problems: tuple[Problem, ...] = field(default=())
    repaired: int = 0
    lost: tuple[Problem, ...] = field(default=())

    @property
    def ok(self) -> bool:
        """True when nothing is wrong now."""
        return not self.problems or (self.repaired == len(self.problems) and not self.lost)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form."""
        return {**dataclasses.asdict(self), "ok": self.ok}


@dataclass(frozen=True)
class CompactReport:
    """What `compact` reclaimed: rows dropped and bytes of disk given back."""

    rows_before: int
    rows_after: int
    bytes_before: int
    bytes_after: int

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form."""
        return dataclasses.asdict(self)


@dataclass(frozen=True)
class MigrationReport:
    """What a change of the model did.

    Attributes:
        outcome: `answering` when the model answers from now on, `already` when it did before, `incomplete` when images
            in `left` keep the other model answering.
        model: what the change is to.
        images: images that have a vector of it.
        embedded: forward passes of this run.
        left: images that could not be read, by one of their files, with the reason.
        made: kinds of derived rows that were made again, such as regions.
        dropped: what the other model had and this one has not, each with the reason and the command that makes it.
        seconds: wall-clock time.
    """

    outcome: str
    model: Fingerprint
    images: int
    embedded: int = 0
    left: tuple[Problem, ...] = field(default=())
    made: tuple[str, ...] = field(default=())
    dropped: tuple[Problem, ...] = field(default=())
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """True when the model answers."""
        return self.outcome != "incomplete"

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form."""
        return {**dataclasses.asdict(self), "ok": self.ok}


@dataclass(frozen=True)
class MigrationEstimate:
    """What a change of the model would cost.

    Attributes:
        model: what the change would be to.
        images: images that have no vector of it yet.
        bytes: disk space of their vectors, the index not included.
        seconds: wall-clock time, by the pace of the sample.
        sample: images of the collection that were embedded to measure it.
        unreadable: images of the sample that could not be read.
    """

    model: Fingerprint
    images: int
    bytes: int
    seconds: float
    sample: int
    unreadable: int

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form."""
        return dataclasses.asdict(self)
