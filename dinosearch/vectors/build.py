"""Bring an index up to the vector file: add in place, or train anew when the collection has outgrown it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from dinosearch.protocols import Progress
from dinosearch.records import IndexInfo
from dinosearch.vectors.ladder import LADDER, MAX_POINTS, Rung, rung_for, storage_of, widen_of
from dinosearch.vectors.row_table import RowTable
from dinosearch.vectors.tuning import tune
from dinosearch.vectors.vector_file import VectorFile
from dinosearch.vectors.vector_index import SEED, VectorIndex

GROWTH = 2.0
"""Rows against the rows trained on, from which the lists are trained anew."""
SMALL_TAIL = 0.01
"""A tail below this share of the index is searched exactly in less time than a new file takes to write."""
ALWAYS = 10_000
"""Up to here every run publishes: the file is small."""
_STEP = 1 << 14


def is_due(info: IndexInfo | None, rows: int, recall: float, ladder: tuple[Rung, ...] = LADDER) -> bool:
    """Whether a new index is worth writing."""
    if rows == 0:
        return False
    if info is None or info.recall_target != recall or must_train(info, rows, ladder):
        return True
    tail = rows - info.rows
    return tail > 0 and (rows <= ALWAYS or tail > SMALL_TAIL * info.rows)


def must_train(info: IndexInfo, rows: int, ladder: tuple[Rung, ...] = LADDER) -> bool:
    """Whether the lists no longer suit the rows: doubled since training, or another rung."""
    rung = rung_for(rows, ladder)
    wanted = rung.stores(rows).partition("{")[0]
    if (rung.nlist(rows) == 1) != (info.nlist == 1) or not storage_of(info.type).startswith(wanted):
        return True
    return info.nlist > 1 and rows >= GROWTH * info.trained_on


def build(
    file: VectorFile,
    table: RowTable,
    base: VectorIndex | None,
    info: IndexInfo | None,
    recall: float,
    ladder: tuple[Rung, ...] = LADDER,
    progress: Progress | None = None,
) -> tuple[VectorIndex, IndexInfo]:
    """An index over all healthy rows, measured.

    Args:
        file: the vectors.
        table: which rows count.
        base: the published index, which is added to where its lists still suit; None to train.
        info: how `base` was built.
        recall: recall that is asked for.
        ladder: the rungs.
        progress: told about the stages `build` and `measure`.
    """
    rows = table.rows
    rung = rung_for(rows, ladder)
    if base is not None and info is not None and not must_train(info, rows, ladder):
        index, start, factory, trained_on = base, info.rows, info.type, info.trained_on
    else:
        points = _points(file, table, rung.nlist(rows))
        factory, start, trained_on = rung.factory(rows, file.dimension, len(points)), 0, rows
        index = VectorIndex.train(factory, points)
    index.add(_healthy(file, table, start, progress))
    tuning = tune(file, table.ids, table.live, rows, index, widen_of(factory, ladder), recall, progress)
    return index, IndexInfo(
        type=factory,
        rows=rows,
        trained_on=trained_on,
        nlist=index.nlist,
        nprobe=tuning.nprobe,
        recall_target=recall,
        recall=tuning.recall,
        sample=tuning.sample,
    )


def _points(file: VectorFile, table: RowTable, nlist: int) -> np.ndarray:
    """A sample of live rows to train on, drawn from everywhere: neighbours in a folder look alike."""
    slots = np.arange(table.rows) if table.live is None else np.flatnonzero(table.live)
    wanted = min(len(slots), max(1024, MAX_POINTS * nlist))
    chosen = np.sort(np.random.default_rng(SEED).choice(slots, wanted, replace=False))
    chosen = chosen[~file.damaged(chosen)]
    if not len(chosen):
        return np.eye(1, file.dimension, dtype=np.float32)  # nothing is live: any trained index will do
    return file.read(chosen)


def _healthy(
    file: VectorFile, table: RowTable, start: int, progress: Progress | None
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for low in range(start, table.rows, _STEP):
        slots = np.arange(low, min(table.rows, low + _STEP))
        if table.live is not None:
            slots = slots[table.live[slots]]
        slots = slots[~file.damaged(slots)]
        yield slots, file.read(slots)
        if progress is not None:
            progress("build", min(table.rows, low + _STEP) - start, table.rows - start)
