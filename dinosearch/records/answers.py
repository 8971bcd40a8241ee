"""What verbs answer: hits and the summary of an indexing run."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from dinosearch.records.files import Problem


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
        format, size, taken, camera: of the file, as `ImageRecord` has them.
        box: left, top, right, bottom of the part of the image that matched, as fractions of its upright sides; None
            where whole images were compared.
        confidence: estimate that it shows the same instance, 0..1; None while the collection is not calibrated.
        label, label_confidence: what the image is called, as `ImageRecord` has it.
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
    box: tuple[float, float, float, float] | None = None
    confidence: float | None = None
    label: str | None = None
    label_confidence: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form; `taken` becomes ISO 8601 text."""
        data = dataclasses.asdict(self)
        data["taken"] = self.taken.isoformat() if self.taken else None
        return data


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
