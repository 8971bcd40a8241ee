"""Copy the rows of a vector file that still count into a new one, with an index of its own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dinosearch.protocols import Progress
from dinosearch.records import Generation
from dinosearch.vectors.vector_file import VectorFile

if TYPE_CHECKING:
    from dinosearch.vectors.local import LocalVectorSearch

_STEP = 1 << 13


def compacted(
    search: LocalVectorSearch,
    path: Path,
    number: int,
    ids: np.ndarray,
    recall: float | None,
    progress: Progress | None = None,
) -> Generation:
    """Copy the rows of the ids into the file of generation `number`; the caller commits it.

    Args:
        search: what is copied from.
        path: where that file is to lie.
        number: of the new generation.
        ids: which rows are kept.
        recall: recall that the new index is built for; None for no index.
        progress: told about the stages `compact`, `build` and `measure`.
    """
    header = search.header
    with VectorFile.create(path, header.dimension, number, header.tag, header.coding.name) as file:
        for low in range(0, len(ids), _STEP):
            part = ids[low : low + _STEP]
            file.append(part, search.vectors(part))
            if progress is not None:
                progress("compact", low + len(part), len(ids))
    empty = replace(search.generation, number=number, rows=len(ids), index=None, index_sha256=None)
    if recall is None:
        return empty
    successor = search.successor(path, empty)
    try:
        successor.update_index(recall, progress)
        return successor.generation
    finally:
        successor.close()
