"""The vector index and the generation of vectors it belongs to."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dinosearch.records.model import Fingerprint


@dataclass(frozen=True)
class IndexInfo:
    """The vector index as it was built and measured.

    Attributes:
        type: Faiss factory string, such as `IVF1265,Flat`.
        rows: rows of the vector file that it was made of; newer ones are searched exactly in the tail.
        trained_on: rows there were when the coarse quantizer was trained.
        nlist: inverted lists.
        nprobe: lists visited, by k: the entry of the smallest key >= k holds; above the largest key it grows in
            proportion.
        recall_target: recall asked for, 0..1.
        recall: measured recall@k against exact search, by k, same keys as nprobe.
        sample: held-out queries that the recall was measured with.
        candidates: the best of the visited lists that are scored exactly, by k like nprobe; empty where it was not
            measured, as in homes of older versions: the type of the index then says how many.
        trained_live: of `trained_on`, those that were live; -1 where it was not noted, which is taken for all.
        held: of `rows`, those inside: what was removed is left out; -1 where it was not noted.
    """

    type: str
    rows: int
    trained_on: int
    nlist: int
    nprobe: dict[int, int]
    recall_target: float
    recall: dict[int, float]
    sample: int
    candidates: dict[int, int] = field(default_factory=dict)
    trained_live: int = -1
    held: int = -1

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> IndexInfo:
        """Read `to_dict()` back, also after a trip through JSON, which turns the integer keys into text."""
        values = {f.name: data[f.name] for f in dataclasses.fields(cls) if f.name in data or f.name in _FIRST}
        values["candidates"] = {int(k): int(v) for k, v in data.get("candidates", {}).items()}
        values["nprobe"] = {int(k): int(v) for k, v in data["nprobe"].items()}
        values["recall"] = {int(k): float(v) for k, v in data["recall"].items()}
        return cls(**values)


_FIRST = frozenset({"type", "rows", "trained_on", "nlist", "nprobe", "recall_target", "recall", "sample"})
"""What every version has written."""

KINDS = ("images", "refined", "regions", "patches", "text", "diffusion")
"""What rows a generation has: a vector of each image, which is the truth; the same vectors refined, vectors of the
windows of each image, its compressed patch tokens, its vector among words, and what a random walk reaches from it,
which are all derived and can be made again."""


@dataclass(frozen=True)
class Generation:
    """One set of vectors in a home: a vector file, its committed length, and the index published for it.

    Attributes:
        number: 1, 2, ...; part of the file names.
        fingerprint: what the vectors were made with.
        rows: committed rows of the vector file; anything behind is a left-over and is overwritten.
        index_sha256: checksum of the published index file, None when none is published.
        index: how the index was built, None when none is published.
        kind: what a row is of, one of `KINDS`.
        recipe: JSON-ready details of how rows of another kind than `images` are made from tokens or vectors.
    """

    number: int
    fingerprint: Fingerprint
    rows: int
    index_sha256: str | None = None
    index: IndexInfo | None = None
    kind: str = "images"
    recipe: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Published:
    """An index that lies in its file: how it was built, and the file's checksum for the store."""

    index: IndexInfo
    sha256: str


@dataclass(frozen=True)
class BuiltIndex:
    """An index as the engine that holds it describes it.

    Attributes:
        engine: name and version of what holds it, such as `PostgreSQL 18.4 with pgvector 0.8.5`.
        type: in the engine's words, such as `hnsw` or `IVF_FLAT`.
        parameters: in the engine's words, JSON-ready.
        rows: vectors inside; -1 where the engine does not say.
    """

    engine: str
    type: str
    parameters: Mapping[str, Any]
    rows: int = -1
