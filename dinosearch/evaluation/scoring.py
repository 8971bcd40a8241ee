"""Hold rankings against a data set's ground truth, query by query; it ranks nothing itself."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from dinosearch.arguments import checked
from dinosearch.evaluation.dataset import Dataset, Setup
from dinosearch.evaluation.measures import Found, find, measure, needed_depth
from dinosearch.evaluation.result import Scores

RECALL_POINTS = np.linspace(0, 1, 101)


@checked
def score(dataset: Dataset, rankings: Iterable[np.ndarray], seed: int = 0) -> tuple[Scores, ...]:
    """Score one ranking for each query.

    Args:
        dataset: the ground truth.
        rankings: for each of `dataset.queries` the int64 database rows, best first; possibly cut off, possibly empty (a
            query that could not be read: it counts as 0).
        seed: of the bootstrap intervals.

    Returns:
        One `Scores` for each setup; rows of queries without relevant images are NaN.

    Raises:
        ValueError: another number of rankings than queries, or a row that is ranked twice.
    """
    sheets = [_Sheet(setup, seed) for setup in dataset.setups]
    count = 0
    for query, ranking in enumerate(rankings):
        if query == len(dataset.queries):
            raise ValueError(f"there are more rankings than the {query} queries")
        if len(np.unique(ranking)) != len(ranking):
            raise ValueError(f"the ranking of query {query} names a database image twice")
        for sheet in sheets:
            sheet.add(query, np.asarray(ranking, np.int64))
        count += 1
    if count != len(dataset.queries):
        raise ValueError(f"there are {count} rankings for {len(dataset.queries)} queries")
    return tuple(sheet.scores() for sheet in sheets)


def ranking_depth(dataset: Dataset) -> int | None:
    """Ranks that a ranking must hold, so that every measure sees what it looks at behind the junk; None for all."""
    depths = [_setup_depth(setup) for setup in dataset.setups]
    known = [depth for depth in depths if depth is not None]
    if len(known) < len(depths):
        return None
    return max([*known, dataset.depth or 1])


def verdicts(setup: Setup, query: int, ranking: np.ndarray) -> list[str]:
    """`relevant`, `wrong` or `junk` for each row of a ranking."""
    judgement = setup.truth[query]
    junk, relevant = np.isin(ranking, judgement.junk), np.isin(ranking, judgement.relevant)
    return ["junk" if j else "relevant" if r else "wrong" for j, r in zip(junk, relevant, strict=True)]


class _Sheet:
    """The values of one setup as they come in."""

    def __init__(self, setup: Setup, seed: int) -> None:
        self._setup, self._seed = setup, seed
        self._measures = [measure(name) for name in setup.measures]
        self._values: list[list[float]] = []
        self._precision = np.zeros(len(RECALL_POINTS))
        self._counted = 0

    def add(self, query: int, ranking: np.ndarray) -> None:
        found = find(ranking, self._setup.truth[query])
        if not found.relevant:
            self._values.append([float("nan")] * len(self._measures))
            return
        self._values.append([of(found) for of in self._measures])
        self._precision += interpolated_precision(found)
        self._counted += 1

    def scores(self) -> Scores:
        values = np.array(self._values, np.float64).reshape(-1, len(self._measures))
        curve = self._precision / self._counted if self._counted else None
        return Scores(self._setup.name, self._setup.measures, values, curve, self._seed)


def interpolated_precision(found: Found) -> np.ndarray:
    """Precision at RECALL_POINTS: the best precision at this recall or beyond (Manning et al. 2008, section 8.4)."""
    hits = np.arange(1, len(found.positions) + 1)
    best = np.maximum.accumulate((hits / (found.positions + 1))[::-1])[::-1]
    # the smallest number of hits that reaches each recall; the tolerance keeps 0.3 * 10 from needing a fourth hit
    needed = np.maximum(1, np.ceil(RECALL_POINTS * found.relevant - 1e-9).astype(np.int64))
    return np.where(needed <= len(best), np.append(best, 0.0)[np.minimum(needed - 1, len(best))], 0.0)


def _setup_depth(setup: Setup) -> int | None:
    depth = needed_depth(setup.measures)
    if depth is None:
        return None
    return depth + max((len(setup.truth[query].junk) for query in range(len(setup.truth))), default=0)
