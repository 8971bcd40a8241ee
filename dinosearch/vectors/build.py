"""Bring an index up to the vector file: add in place, or train anew when the collection has outgrown it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from dinosearch.protocols import Progress
from dinosearch.records import IndexInfo
from dinosearch.vectors.ladder import LADDER, MIN_POINTS, Rung, rung_for, suits, widen_of
from dinosearch.vectors.row_table import RowTable
from dinosearch.vectors.tuning import tune
from dinosearch.vectors.vector_file import VectorFile
from dinosearch.vectors.vector_index import SEED, VectorIndex

GROWTH = 2.0
"""Rows against the rows trained on, from which the lists are trained anew."""
EXCHANGED = 0.1
"""Rows that went and rows that came since training, each against the rows trained on, from which the lists are trained
anew: they were made for rows that are no longer there."""
SMALL_TAIL = 0.01
"""A tail below this share of the index is added in memory in less time than a new file takes to write."""
ALWAYS = 10_000
"""Up to here every run publishes: the file is small."""
LEAST_POINTS = 20_000
"""Vectors to train on where there are so many: few lists would leave too few for the parts of a product quantizer."""
_STEP = 1 << 12  # rows added at once: with 1 << 14 it takes as long and 100 MiB more, in copies of a part


def is_due(info: IndexInfo | None, rows: int, live: int, recall: float, ladder: tuple[Rung, ...] = LADDER) -> bool:
    """Whether a new index is worth writing."""
    if rows == 0:
        return False
    if info is None or info.recall_target != recall or must_train(info, rows, live, ladder):
        return True
    tail = max(rows - info.rows, live - info.held if info.held >= 0 else 0)  # new rows, and removed ones that came back
    return tail > 0 and (rows <= ALWAYS or tail > SMALL_TAIL * info.rows)


def must_train(info: IndexInfo, rows: int, live: int, ladder: tuple[Rung, ...] = LADDER) -> bool:
    """Whether the lists no longer suit the rows: another rung, doubled or halved since training, or exchanged."""
    if not suits(rung_for(rows, ladder), rows, info.type):
        return True
    trained = info.trained_on if info.trained_live < 0 else info.trained_live
    added = rows - info.trained_on
    gone = trained + added - live
    return info.nlist > 1 and (
        rows >= GROWTH * info.trained_on or GROWTH * live <= trained or min(added, gone) >= EXCHANGED * trained
    )


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
    if base is not None and info is not None and not must_train(info, rows, table.live_count, ladder):
        index, factory, trained = base, info.type, (info.trained_on, info.trained_live)
    else:
        points = _points(file, table, rung.nlist(rows))
        factory, trained = rung.factory(rows, file.dimension, len(points)), (rows, table.live_count)
        index = VectorIndex.train(factory, points)
    index.add(healthy(file, table, index.covers, index.left_out(table), progress), rows)
    tuning = tune(file, table.ids, table.live, index, widen_of(factory), recall, progress)
    return index, IndexInfo(
        type=factory,
        rows=rows,
        trained_on=trained[0],
        nlist=index.nlist,
        nprobe=tuning.nprobe,
        recall_target=recall,
        recall=tuning.recall,
        sample=tuning.sample,
        candidates=tuning.candidates,
        trained_live=trained[1],
        held=index.count,
    )


def healthy(
    file: VectorFile, table: RowTable, start: int, before: np.ndarray, progress: Progress | None = None
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The slots `before`, and those from `start` on, that are live and match their checksum, with vectors, in parts.

    The next part is read and checked by a thread while the caller adds the last: Faiss leaves Python's lock meanwhile.
    """
    shift, total = start - len(before), len(before) + table.rows - start

    def part(low: int) -> tuple[np.ndarray, np.ndarray]:
        high = min(total, low + _STEP)
        slots = np.concatenate([before[low:high], np.arange(max(start, low + shift), high + shift)])
        if table.live is not None:
            slots = slots[table.live[slots]]
        slots = slots[~file.damaged(slots)]
        return slots, file.read(slots)

    lows = range(0, total, _STEP)
    with ThreadPoolExecutor(1) as reader:
        coming = deque(reader.submit(part, low) for low in lows[:1])
        for number, low in enumerate(lows):
            if number + 1 < len(lows):
                coming.append(reader.submit(part, lows[number + 1]))
            yield coming.popleft().result()
            if progress is not None:
                progress("build", min(total, low + _STEP), total)


def _points(file: VectorFile, table: RowTable, nlist: int) -> np.ndarray:
    """A sample of live rows to train on, drawn from everywhere: neighbours in a folder look alike."""
    slots = np.arange(table.rows) if table.live is None else np.flatnonzero(table.live)
    wanted = min(len(slots), max(LEAST_POINTS, MIN_POINTS * nlist))
    chosen = np.sort(np.random.default_rng(SEED).choice(slots, wanted, replace=False))
    chosen = chosen[~file.damaged(chosen)]
    if not len(chosen):
        return np.eye(1, file.dimension, dtype=np.float32)  # nothing is live: any trained index will do
    return file.read(chosen)
