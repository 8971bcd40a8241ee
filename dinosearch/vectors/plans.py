"""How a search is answered: by brute force over all rows or over a subset, or by the index with the rows behind it.

Every plan ends in the same exact ranking. What is kept between searches belongs to `local`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from dinosearch.records import IndexInfo
from dinosearch.vectors.exact import FEW, scan, scan_slots
from dinosearch.vectors.ladder import storage_of, widen_of
from dinosearch.vectors.probes import expected_lists
from dinosearch.vectors.ranking import products, rank
from dinosearch.vectors.row_table import RowTable
from dinosearch.vectors.subset import Subset
from dinosearch.vectors.threads import in_parallel, split
from dinosearch.vectors.tuning import candidates_for, nprobe_for
from dinosearch.vectors.vector_file import VectorFile
from dinosearch.vectors.vector_index import VectorIndex

EXACT_SUBSET = 10_000
"""A filter that leaves so few rows is answered by brute force over them where they lie, in the time that the index
takes (0.4 to 2 ms, 384 numbers); one that leaves more, once they are copied, see `subset`."""
DEEPER = 2
"""Candidates of a filtered search for each of one without: what a filter leaves may be far from the query, about
equally far, so that codes tell it apart less well (recall@10 0.98 with as many, 0.997 with twice as many)."""
SEVERAL = 16
"""Queries from which products of matrices are faster than going through the one list of a small index for each: with 32
and 20,000 rows of 384 numbers 8 ms in place of 24, with 1,024 and 40,000 rows 0.2 s in place of 1.3. Both are exact."""
SPARE = 16
"""Rows of the tail that are ranked exactly beyond the last rank, where equal scores are told apart by ids."""
_LEAST, _MOST = 8, 256
"""Queries that are worth a thread of their own, and that are searched together."""


@dataclass(frozen=True)
class Plan:
    """What a search may use, as it is at one moment.

    Attributes:
        file: the vectors.
        table: which rows count.
        subset: those that a filter leaves; None without a filter.
        base: the index; None for brute force.
        info: how it was built.
    """

    file: VectorFile
    table: RowTable
    subset: Subset | None = None
    base: VectorIndex | None = None
    info: IndexInfo | None = None

    @property
    def live(self) -> np.ndarray | None:
        """(rows,) bool, rows that may be answered; None for all."""
        return self.table.live if self.subset is None else self.subset.live

    @property
    def selected(self) -> int:
        """How many these are."""
        return self.table.live_count if self.subset is None else len(self.subset.slots)


def nearest(plan: Plan, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k nearest rows of each query.

    Args:
        plan: what to use.
        queries: (n, dimension) float32.
        k: neighbours wanted.

    Returns:
        slots: (n, k) int64, nearest first, ties by smaller id; -1 where there are fewer.
        scores: (n, k) float32; -inf where the slot is -1.
    """
    base, info = plan.base, plan.info
    small = plan.subset is not None and len(plan.subset.slots) <= EXACT_SUBSET
    if base is None or info is None or small:
        return _brute(plan, queries, k)

    covers = min(base.covers, plan.table.rows)  # rows added meanwhile are in the tail, or newer than the table
    left = base.left_out(plan.table)
    left = left[left < covers]
    given = (
        None
        if plan.subset is not None
        else base.batch_candidates(queries, *_effort(plan, base, info, k), plan.table.live)
    )

    is_exact = base.nlist == 1 and storage_of(info.type) == "Flat"
    if is_exact and given is None and plan.subset is None and len(queries) >= SEVERAL:
        return _brute(plan, queries, k)

    def part(chosen: slice) -> tuple[np.ndarray, np.ndarray]:
        return _visit(plan, base, info, queries[chosen], k, left, covers, None if given is None else given[chosen])

    return _joined(in_parallel(part, split(len(queries), _LEAST, _MOST)))


def _brute(plan: Plan, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k nearest among all the live rows, or those of the subset."""
    file, table, subset = plan.file, plan.table, plan.subset
    if subset is None:
        slots = scan(file, queries, k, 0, table.rows, table.live)
    else:
        slots = scan_slots(file, queries, k, subset.slots)

    def part(chosen: slice) -> tuple[np.ndarray, np.ndarray]:
        return rank(file, table.ids, queries[chosen], k, slots[chosen])[:2]

    return _joined(in_parallel(part, split(len(queries), _LEAST, max(1, len(queries)))))


def _effort(plan: Plan, base: VectorIndex, info: IndexInfo, k: int) -> tuple[int, int]:
    """Candidates to score and lists to visit."""
    nprobe = nprobe_for(info.nprobe, k, base.nlist)
    if plan.subset is None:  # removed rows thin all the lists alike
        nprobe = min(base.nlist, -(-nprobe * plan.table.rows // max(1, plan.selected)))
    return candidates_for(info.candidates, k, widen_of(info.type)), nprobe


def _visit(
    plan: Plan,
    base: VectorIndex,
    info: IndexInfo,
    queries: np.ndarray,
    k: int,
    left: np.ndarray,
    covers: int,
    given: np.ndarray | None,
) -> tuple[np.ndarray, np.ndarray]:
    """The k nearest by the index, in one thread, and by brute force where it cannot tell.

    The slots `left` and those from `covers` on are searched one by one. `given` are the candidates of the index where
    they are known already, of all other slots at least.
    """
    file, table, subset = plan.file, plan.table, plan.subset
    wanted, nprobe = _effort(plan, base, info, k)
    if given is not None:
        slots = given
    elif subset is not None:
        held, sizes = subset.held(base)
        choose = partial(expected_lists, held=held, sizes=sizes, k=k, least=nprobe, spread=base.spread(file.read))
        slots = base.candidates(queries, DEEPER * wanted, nprobe, subset.bits, choose)
    else:
        slots = base.candidates(queries, wanted, nprobe, table.bits)
    lost = (slots < 0).all(axis=1) if subset is not None else np.zeros(len(queries), bool)
    slots[slots >= covers] = -1
    if len(left):
        slots[np.isin(slots, left)] = -1  # added meanwhile
    tail = np.concatenate([left, np.arange(covers, table.rows)])
    if len(tail) and plan.live is not None:
        tail = tail[plan.live[tail]]
    if len(tail):
        slots = np.concatenate([slots, _best(file, queries, k, tail)], axis=1)
    found, scores, equal = rank(file, table.ids, queries, k, slots)
    short = (found >= 0).sum(axis=1) < min(k, plan.selected)
    again = np.flatnonzero(short | equal | lost)  # too few, or none, in the lists, or chance decided, not smaller ids
    if len(again):
        found[again], scores[again] = _brute(replace(plan, base=None), queries[again], k)
    return found, scores


def _joined(parts: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    if len(parts) == 1:
        return parts[0]
    return np.concatenate([slots for slots, _ in parts]), np.concatenate([scores for _, scores in parts])


def _best(file: VectorFile, queries: np.ndarray, k: int, slots: np.ndarray) -> np.ndarray:
    """(n, m) int64 of the (t,) slots, few in number, those that may be among the k nearest of each query."""
    if len(queries) <= FEW:
        scores = products(file, queries, np.tile(slots, (len(queries), 1)))
    else:
        scores = np.einsum("nd,td->nt", queries, file.read(slots))
    scores[~(scores > -np.inf)] = -np.inf
    if len(slots) <= k + SPARE:
        return np.where(scores > -np.inf, slots, -1)
    best = np.argpartition(-scores, k + SPARE - 1, axis=1)[:, : k + SPARE]
    return np.where(np.take_along_axis(scores, best, 1) > -np.inf, slots[best], -1)
