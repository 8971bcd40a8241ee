"""A second, independent, slow implementation of the measures, written from their definitions with loops and sets."""

from __future__ import annotations

import math
from collections.abc import Sequence


def without_junk(ranking: Sequence[int], junk: set[int]) -> list[int]:
    return [row for row in ranking if row not in junk]


def trapezoid(ranking: Sequence[int], relevant: set[int], junk: set[int]) -> float:
    """Area under the precision-recall curve: after each right image one trapezoid of width 1 / relevant."""
    area, right, seen = 0.0, 0, 0
    for row in without_junk(ranking, junk):
        if row in relevant:
            before = 1.0 if seen == 0 else right / seen
            right += 1
            area += (before + right / (seen + 1)) / 2 * (1 / len(relevant))
        seen += 1
    return area


def rectangular(ranking: Sequence[int], relevant: set[int], junk: set[int], k: int | None = None) -> float:
    clean = without_junk(ranking, junk)[:k]
    sums = [len(relevant & set(clean[: i + 1])) / (i + 1) for i, row in enumerate(clean) if row in relevant]
    return math.fsum(sums) / (min(k, len(relevant)) if k else len(relevant))


def revisited_precision(ranking: Sequence[int], relevant: set[int], junk: set[int], k: int) -> float:
    """k shrinks to the rank of the last relevant image; one that was not found stands beyond every k."""
    clean = without_junk(ranking, junk)
    ranks = [clean.index(row) + 1 if row in clean else math.inf for row in relevant]
    if not any(math.isfinite(rank) for rank in ranks):
        return 0.0
    shrunk = int(min(k, max(ranks)))
    return sum(rank <= shrunk for rank in ranks) / shrunk


def hits(ranking: Sequence[int], relevant: set[int], junk: set[int], k: int) -> int:
    return len(relevant.intersection(without_junk(ranking, junk)[:k]))


def ndcg(ranking: Sequence[int], relevant: set[int], junk: set[int], k: int) -> float:
    clean = without_junk(ranking, junk)[:k]
    gain = sum(1 / math.log2(rank + 1) for rank, row in enumerate(clean, start=1) if row in relevant)
    return gain / sum(1 / math.log2(rank + 1) for rank in range(1, min(k, len(relevant)) + 1))
