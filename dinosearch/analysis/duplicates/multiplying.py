"""The self-join of a collection that is small enough for all its cosines: matrix products in place of the index.

The time rises with the square of the images, and no pair is missed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dinosearch.analysis.components import DisjointSets
from dinosearch.protocols import Progress
from dinosearch.vectors.ladder import EXACT_ROWS
from dinosearch.vectors.threads import in_parallel, one_thread, thread_count

if TYPE_CHECKING:
    from dinosearch.collection import Collection

MOST = EXACT_ROWS
"""Images at most: up to here the index is one list, which each query goes through on its own, and more slowly. Seconds
for vectors of 384 numbers on 4 cores, by the index and by products (scripts/bench_duplicates.py --part join): 5.8 and
1.1 for 20,000, 26.6 and 3.4 for 40,000; beyond, by an index of many lists, 3.7 and 9.2 for 65,000."""
HELD = 128 << 20
"""Bytes of vectors that are held at most."""
_READ = 4096  # vectors that are read at a time
_CELLS = 1 << 21  # cosines that a thread has in memory, 8 MB


def fits(collection: Collection, ids: np.ndarray) -> bool:
    """Whether there are few enough of them."""
    return 0 < len(ids) <= MOST and len(ids) * collection.vectors(ids[:1])[1].nbytes <= HELD


def join_near(
    collection: Collection, ids: np.ndarray, least: float, sets: DisjointSets, members: np.ndarray, progress: Progress
) -> None:
    """Join the sets of images whose cosine is large enough.

    Args:
        collection: opened.
        ids: (n,) int64 of the images.
        least: smallest cosine.
        sets: that they are in.
        members: (n,) the member of the sets that each image is.
        progress: told about the stage `duplicates`, in images.

    Raises:
        ImageNotFoundError: an image was removed meanwhile.
    """
    rows = np.concatenate([collection.vectors(ids[low : low + _READ])[1] for low in range(0, len(ids), _READ)])

    def near(part: slice) -> tuple[np.ndarray, np.ndarray]:
        """Pairs of some images with those behind them, as their places among all."""
        found = rows[part] @ rows[part.start :].T >= least
        # Those that are in one set already need no pair: a crowd of equal vectors has as many as its square.
        found &= known[part, None] != known[None, part.start :]
        first, second = np.nonzero(found)
        return part.start + first, part.start + second

    block = max(1, _CELLS // len(ids))
    step = block * thread_count()
    with one_thread():
        for low in range(0, len(ids), step):
            progress("duplicates", low, len(ids))
            known = sets.roots()[members]
            end = min(low + step, len(ids))
            parts = [slice(start, min(start + block, end)) for start in range(low, end, block)]
            for first, second in in_parallel(near, parts):
                sets.join(members[first], members[second])
    progress("duplicates", len(ids), len(ids))
