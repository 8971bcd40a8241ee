"""The vectors of examples, through a collection that is kept: a second run embeds nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dinosearch.analysis.classify.examples import Examples
from dinosearch.collection import Collection
from dinosearch.protocols import Progress

_STEP = 4096  # vectors read at a time


@dataclass(frozen=True)
class Vectors:
    """Vectors with their classes, in memory: 1.5 kB each for 384 numbers.

    Attributes:
        source: what they are of.
        names: (n,) paths, or rows of a file.
        labels: (n,) classes.
        rows: (n, dimension) float32 of unit length.
        contents: (n,) image ids, equal for identical files; None where only vectors are known.
        missing: names of examples that have no vector: not there, or unreadable.
        model: fingerprint of what made them, JSON-ready; None where only vectors are known.
    """

    source: str
    names: tuple[str, ...]
    labels: tuple[str, ...]
    rows: np.ndarray
    contents: np.ndarray | None = None
    missing: tuple[str, ...] = ()
    model: dict[str, Any] | None = None


def kept_folder(home: Path, sources: Sequence[Examples], kind: str = "classify") -> Path:
    """Where the vectors of these sources are kept below a home."""
    digest = hashlib.sha256("\0".join(source.source for source in sources).encode("utf-8", "surrogatepass"))
    return home / kind / f"{Path(sources[0].source).stem or 'root'}-{digest.hexdigest()[:8]}"


def embed(collection: Collection, sources: Sequence[Examples], progress: Progress | None = None) -> list[Vectors]:
    """Index the images of all sources, and hand out their vectors; those of sources that have vectors are these.

    Args:
        collection: opened for writing; it gets the roots of the sources.
        sources: examples.
        progress: told about the stages of `Collection.index`.
    """
    roots = sorted({root for source in sources if source.vectors is None for root in source.roots})
    known: dict[str, int] = {}
    if roots:
        collection.index(*roots, progress=progress)
        known = {str(file["path"]): int(file["id"]) for file in collection.files()}
    return [given(source) if source.vectors is not None else _of(collection, source, known) for source in sources]


def given(source: Examples) -> Vectors:
    """Examples that have vectors."""
    assert source.vectors is not None
    return Vectors(source.source, source.names, source.labels, source.vectors)


def _of(collection: Collection, source: Examples, known: dict[str, int]) -> Vectors:
    places = [place for place, name in enumerate(source.names) if name in known]
    ids = np.array([known[source.names[place]] for place in places], np.int64)
    parts = [collection.vectors(ids[low : low + _STEP])[1] for low in range(0, len(ids), _STEP)]
    fingerprint = collection.info().fingerprint
    rows = np.concatenate(parts) if parts else np.empty((0, fingerprint.dimension if fingerprint else 0), np.float32)
    names, labels = (tuple(column[place] for place in places) for column in (source.names, source.labels))
    missing = tuple(name for name in source.names if name not in known)
    return Vectors(source.source, names, labels, rows, ids, missing, fingerprint.to_dict() if fingerprint else None)
