"""What the maintenance verbs answer; data only."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from dinosearch.records import Fingerprint, IndexInfo, Problem


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
