"""Measure the index's recall on held-out exact answers, and choose the cheapest search that reaches what is asked.

A search has two knobs: how many lists it visits, and how many of the best candidates are scored exactly. Lists alone
are too coarse where few are visited (1, 2, 4 of 4,096 lists gave 0.68, 0.85, 0.94; performance.md, section C). One
search with many candidates tells the recall for every smaller number of them, so that a pair costs nothing more.

The queries are stored vectors, each excluded from its own answer: to the index they are what a new photo of the same
kind is. Queries of another kind lose more in the lists and less in the codes: stored vectors moved as far as their
nearest neighbour is lie beside the clusters, where the neighbours are spread over more lists and easier to tell apart.
On 1,000,000 vectors of scripts/bench/vectors.py, pairs that give unseen vectors 0.9 give moved ones this:

    lists         3      4      6      8      12     20     60
    candidates    31     26     22     21     20     19     19
    moved ones    0.876  0.891  0.901  0.908  0.912  0.916  0.926

and pairs for 0.98, with 20, 28, 40 and 60 lists, 0.976, 0.979, 0.983 and 0.984. So a pair is looked for that loses
about half in the lists and half by the codes: it gives both kinds what was asked.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from dinosearch.protocols import Progress
from dinosearch.vectors.exact import scan
from dinosearch.vectors.ranking import rank
from dinosearch.vectors.threads import in_parallel, split
from dinosearch.vectors.vector_file import VectorFile
from dinosearch.vectors.vector_index import VectorIndex

KS = (10, 100)
SAMPLE = 1200
"""Queries: their mean is then within 0.003 to 0.006 of that of all queries (one standard error), at any recall."""
MARGIN = 0.5
"""Standard errors above the target that are aimed at: low enough to land on it, high enough not to fall short often."""
DEEPEST = {10: 400, 100: 800}
"""Most candidates, by k."""
SPARE = 2
"""Candidates beyond k that are always taken, so that equal scores are told from each other by their ids."""
RANDOM_READ = 4
"""A byte of a row read anywhere in the vector file costs as much as so many of a list, which lie side by side: 64
candidates of 1,536 bytes take 15 microseconds, 100,000 codes bytes 4 (4 cores)."""
_TOGETHER = 256
"""Queries that are answered exactly in one pass over the file: where 12,500 images look the same, all are as near
as the 100th and kept for each query, which took 1.5 GiB for all the queries together."""
EVEN = 0.005
"""A pair that loses more than half of what may be lost in the lists, or less, by this much, is taken only where no
other is more even."""
COARSE = 0.004
"""A pair that overshoots by more is taken only where no other comes nearer."""


@dataclass(frozen=True)
class Tuning:
    """What was measured: lists to visit, candidates to score and recall by k, and how many queries measured it."""

    nprobe: dict[int, int]
    candidates: dict[int, int]
    recall: dict[int, float]
    sample: int


@dataclass(frozen=True)
class _Truth:
    """Queries and their exact answers.

    Attributes:
        queries: (n, dimension) float32.
        own: (n,) int64 slot of each query, which it must not find.
        slots: (n, depth) int64 answers, nearest first.
        scores: (n, depth) float32.
    """

    queries: np.ndarray
    own: np.ndarray
    slots: np.ndarray
    scores: np.ndarray

    def curves(self, found: np.ndarray, k: int, rows: int) -> np.ndarray:
        """(n, m - 1) recall@k of each query, where the first 1, 2, ... of the (n, m) found slots are scored exactly."""
        k = min(k, self.slots.shape[1])
        right = self.scores >= self.scores[:, k - 1 : k] - 1e-6  # equal scores count as equal answers
        hits = np.zeros((len(found), found.shape[1] - 1), np.int32)
        wanted = np.zeros(rows + 1, bool)  # the last for -1, which is never wanted
        for number, slots in enumerate(found):
            foreign = slots[slots != self.own[number]][: hits.shape[1]]
            answers = self.slots[number][right[number]]
            wanted[answers] = True
            wanted[-1] = False
            hits[number, : len(foreign)] = wanted[foreign]
            wanted[answers] = False
        return np.asarray(np.minimum(np.cumsum(hits, axis=1), k) / k)


def tune(
    file: VectorFile,
    ids: np.ndarray,
    live: np.ndarray | None,
    index: VectorIndex,
    widen: int,
    target: float,
    progress: Progress | None = None,
) -> Tuning:
    """Choose lists to visit and candidates to score, for each of `KS`.

    Args:
        file: the vectors.
        ids: (rows_of_file,) int64 image ids by slot.
        live: (rows_of_file,) bool, or None for all.
        index: what is measured; it covers all the rows.
        widen: 1 where the index holds the vectors as they are, so that more candidates would gain nothing.
        target: recall wanted, 0..1.
        progress: told about stage `measure`.
    """
    rows = index.covers
    slots = np.arange(rows) if live is None else np.flatnonzero(live[:rows])
    if len(slots) < 2 or index.nlist == 1:
        return Tuning(dict.fromkeys(KS, 1), {}, dict.fromkeys(KS, 1.0), len(slots))
    truth = _truth(file, ids, live, rows, slots)
    measured = _Measured(truth, index, live, widen == 1)
    chosen = {}
    for done, k in enumerate(KS, start=1):
        chosen[k] = _choice(measured, k, target, file.dimension * 4)
        if progress is not None:
            progress("measure", done, len(KS))
    return Tuning(
        {k: nprobe for k, (nprobe, _, _) in chosen.items()},
        {} if widen == 1 else {k: count for k, (_, count, _) in chosen.items()},
        {k: round(recall, 6) for k, (_, _, recall) in chosen.items()},
        len(truth.queries),
    )


def nprobe_for(nprobe: Mapping[int, int], k: int, nlist: int) -> int:
    """Lists to visit for k hits: the entry of the smallest measured k that is not smaller; beyond, in proportion."""
    return min(nlist, _for(nprobe, k))


def candidates_for(candidates: Mapping[int, int], k: int, widen: int) -> int:
    """Candidates to score for k hits, likewise; `widen` a hit where none were measured."""
    if not candidates:
        return k * widen + 16
    return max(k + SPARE, _for(candidates, k))


def _for(measured: Mapping[int, int], k: int) -> int:
    larger = [known for known in sorted(measured) if known >= k]
    if larger:
        return measured[larger[0]]
    most = max(measured)
    return -(-measured[most] * k // most)


class _Measured:
    """Curves of recall by candidates, for numbers of lists, each searched once."""

    def __init__(self, truth: _Truth, index: VectorIndex, live: np.ndarray | None, as_they_are: bool) -> None:
        self.truth, self.index, self.as_they_are = truth, index, as_they_are
        self.deepest = {k: min(index.count, k + SPARE if as_they_are else deepest) for k, deepest in DEEPEST.items()}
        self._bits = None if live is None else np.packbits(live[: index.covers], bitorder="little")
        self._found: dict[tuple[int, int], tuple[np.ndarray, np.ndarray]] = {}

    def curve(self, k: int, nprobe: int) -> tuple[np.ndarray, np.ndarray]:
        """(m,) mean recall@k for 1, 2, ... m candidates, and the standard error of each."""
        if (k, nprobe) not in self._found:
            truth, depth = self.truth, self.deepest[k]

            def part(chosen: slice) -> np.ndarray:
                return self.index.candidates(truth.queries[chosen], depth + 1, nprobe, self._bits)

            found = np.concatenate(in_parallel(part, split(len(truth.queries), 16, 256)))
            curves = truth.curves(found, k, self.index.covers)
            self._found[k, nprobe] = curves.mean(axis=0), curves.std(axis=0) / len(curves) ** 0.5
        return self._found[k, nprobe]

    def uneven(self, k: int, nprobe: int, target: float) -> float:
        """How far from half of what may be lost is lost in the lists, beyond `EVEN`; 0 where codes lose nothing."""
        lost = 1 - float(self.curve(k, nprobe)[0][-1])
        return 0.0 if self.as_they_are else max(0.0, abs(lost - (1 - target) / 2) - EVEN)


def _choice(measured: _Measured, k: int, target: float, row_bytes: int) -> tuple[int, int, float]:
    """Lists, candidates and their recall: the cheapest pair that meets the target closely and for any queries."""
    index = measured.index

    def fewest(nprobe: int) -> int | None:
        """Candidates that meet the target with so many lists; None where no number of them does."""
        mean, error = measured.curve(k, nprobe)
        enough = np.flatnonzero(mean >= np.minimum(target + MARGIN * error, 1.0))
        return None if not len(enough) else int(min(max(enough[0] + 1, k + SPARE), len(mean)))

    high = 1
    while fewest(high) is None and high < index.nlist:
        high = min(index.nlist, 2 * high)
    low = high // 2  # the fewest lists that can do are above
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fewest(middle) is None else (low, middle)
    tried = {high + step for step in range(5)} | {math.ceil(high * factor) for factor in (1.25, 1.5, 2, 3)}
    pairs = []
    for nprobe in sorted(min(lists, index.nlist) for lists in tried):
        count = fewest(nprobe)
        if count is not None:
            recall = float(measured.curve(k, nprobe)[0][count - 1])
            scanned = nprobe * (index.count / index.nlist) * index.row_bytes
            over = max(0.0, recall - target - COARSE)
            cost = scanned + RANDOM_READ * count * row_bytes
            pairs.append((over, measured.uneven(k, nprobe, target), cost, nprobe, count, recall))
    if not pairs:  # not even every list and the most candidates do
        return index.nlist, measured.deepest[k], float(measured.curve(k, index.nlist)[0][-1])
    *_, nprobe, count, recall = min(pairs)
    return nprobe, count, recall


def _truth(file: VectorFile, ids: np.ndarray, live: np.ndarray | None, rows: int, slots: np.ndarray) -> _Truth:
    """Queries drawn from the live slots, (m,) int64, and the exact answers to them."""
    rng = np.random.default_rng(0)
    own = np.sort(rng.choice(slots, min(SAMPLE, len(slots)), replace=False))
    own = own[~file.damaged(own)]
    queries = file.read(own)
    depth = min(max(KS), len(slots) - 1)
    return _Truth(queries, own, *_answers(file, ids, live, rows, queries, own, depth))


def _answers(
    file: VectorFile,
    ids: np.ndarray,
    live: np.ndarray | None,
    rows: int,
    queries: np.ndarray,
    own: np.ndarray,
    depth: int,
) -> tuple[np.ndarray, np.ndarray]:
    """(n, depth) int64 slots and float32 scores of the exact answers, the queries' own slots left out."""
    found = []
    for low in range(0, len(queries), _TOGETHER):
        part = slice(low, low + _TOGETHER)
        slots = scan(file, queries[part], depth + 1, 0, rows, live)
        slots = np.where(slots == own[part, None], -1, slots)
        found.append(rank(file, ids, queries[part], depth, slots)[:2])
    answers, scores = zip(*found, strict=True)
    return np.concatenate(answers), np.concatenate(scores)
