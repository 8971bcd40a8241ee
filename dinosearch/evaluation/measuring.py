"""From rankings to a `Run`: scores, comparison with exact search, worst queries. It neither indexes nor embeds."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from dinosearch.arguments import checked_fields
from dinosearch.evaluation import published, recognition
from dinosearch.evaluation.dataset import Dataset, Recognition
from dinosearch.evaluation.result import Cost, Example, IndexLoss, Run, Scores, Shown
from dinosearch.evaluation.scoring import ranking_depth, score, verdicts
from dinosearch.protocols import Progress

FULL = 50_000
"""Up to so many images a protocol that wants the whole ranking gets it; beyond, the first CUT ranks (the rest counts as
not found)."""
CUT = 10_000
LOSS_AT = (1, 10, 100)
SAMPLE = 1000
"""Queries that the index's recall is measured with, the first ones of a random order."""
TIMED = 200
BUDGET = 5000.0
"""Milliseconds after which timing ends."""
WORST, SHOWN = 5, 10


class Rankable(Protocol):
    """Something that ranks database rows for query vectors; see `gallery.Gallery.rankings`."""

    ids: np.ndarray

    def rankings(
        self,
        vectors: np.ndarray,
        depth: int | None,
        *,
        exact: bool = False,
        rerank: str = "fast",
        pictures: Sequence[Any] = (),
        progress: Progress | None = None,
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]: ...


@checked_fields
@dataclass(frozen=True)
class Options:
    """What a run may vary.

    Attributes:
        query_crop: ask with the boxes of the official protocol (True), or with whole images as the DINOv2 paper does.
        rectangular: rectangular instead of trapezoid AP where the protocol has a whole ranking's mAP.
        depth: ranks a query, None as the protocol wants.
        exact: brute force instead of the index.
        recall: recall target of the index.
        index_type: see `Collection.index`.
        rerank: see `Collection.query`.
        refine: what the searched vectors are refined by, see `collection.refining.Refinement.parse`.
        seed: of intervals and samples.
    """

    query_crop: bool = False
    rectangular: bool = False
    depth: int | None = None
    exact: bool = False
    recall: float = 0.98
    index_type: str | None = None
    rerank: str = "fast"
    refine: str = "none"
    seed: int = 0


def measure_run(
    dataset: Dataset,
    ranks: Rankable,
    vectors: np.ndarray,
    options: Options,
    label: str,
    facts: dict[str, Any],
    made: dict[str, Any],
    cost: Callable[[np.ndarray], Cost],
    pictures: Sequence[Any] = (),
    progress: Progress | None = None,
) -> Run:
    """Rank, score and compare.

    Args:
        dataset: the ground truth, as `with_measures` gives it.
        ranks: ranks the database.
        vectors: (queries, dimension) float32; NaN for a query that has none.
        options: what varies.
        label: what to call the run.
        facts: of the data set, for the report.
        made: the recipe.
        cost: told up to TIMED positions of queries, says what the run cost.
        pictures: the image of each query, for stages that compare images.
        progress: told about the stage `queries`.
    """
    depth = _depth(dataset, options, len(ranks.ids))
    first: list[tuple[np.ndarray, np.ndarray]] = []
    scores, used = _scores(dataset, ranks, vectors, depth, options, options.exact, pictures, first, progress)
    known = np.flatnonzero(~np.isnan(vectors[:, 0]))
    sample = known[np.random.default_rng(options.seed).permutation(len(known))[:SAMPLE]]
    loss = None
    if not options.exact:
        exact, _ = _scores(dataset, ranks, vectors, depth, options, True, pictures, None, progress)
        loss = IndexLoss(_recall(ranks, vectors[sample]), exact)
    made = {**made, "depth": depth or len(ranks.ids), **used}
    return Run(
        label=label,
        dataset=facts,
        recipe=made,
        scores=scores,
        queries=dataset.queries,
        cost=cost(sample[:TIMED]),
        loss=loss,
        worst=_worst(dataset, scores, first, options),
        published=published.find(dataset.name, len(dataset.images), made),
    )


def _scores(
    dataset: Dataset,
    ranks: Rankable,
    vectors: np.ndarray,
    depth: int | None,
    options: Options,
    exact: bool,
    pictures: Sequence[Any],
    first: list[tuple[np.ndarray, np.ndarray]] | None,
    progress: Progress | None,
) -> tuple[tuple[Scores, ...], dict[str, Any]]:
    """Scores of setups and recognition parts; the first ranks of each query are put into `first`."""
    kept: list[tuple[np.ndarray, np.ndarray]] = []
    near = max([SHOWN, *(recognition.depth(part) for part in _parts(dataset))])
    # a query that counts nowhere is not asked: in a folder of photos it may be most of them
    vectors = np.where(_counting(dataset)[:, None], vectors, np.float32(np.nan))

    def passing() -> Iterator[np.ndarray]:
        for rows, cosines in ranks.rankings(
            vectors, depth, exact=exact, rerank=options.rerank, pictures=pictures, progress=progress
        ):
            kept.append((rows[: near + SHOWN], cosines[: near + SHOWN]))
            yield rows

    scores = list(score(dataset, passing(), options.seed))
    used: dict[str, Any] = {}
    for part in dataset.recognition:
        found, settings = recognition.recognise(part, lambda query: kept[query], options.seed)
        scores.append(found)
        used[f"settings_{part.name}"] = settings
    if first is not None:
        first.extend(kept)
    return tuple(scores), used


def _counting(dataset: Dataset) -> np.ndarray:
    """(queries,) bool: whether anything is relevant to a query, or its label is predicted."""
    counting = np.zeros(len(dataset.queries), bool)
    for part in _parts(dataset):
        counting[part.queries] = True
    for query in np.flatnonzero(~counting):
        counting[query] = any(len(setup.truth[int(query)].relevant) for setup in dataset.setups)
    return counting


def _parts(dataset: Dataset) -> list[Recognition]:
    return [part for whole in dataset.recognition for part in (whole, whole.tuned_on) if part is not None]


def with_measures(dataset: Dataset, options: Options) -> Dataset:
    """The data set with rectangular AP in place of the trapezoid where that is asked for."""
    if not options.rectangular:
        return dataset
    setups = (
        replace(setup, measures=tuple("mAP-rectangular" if name == "mAP" else name for name in setup.measures))
        for setup in dataset.setups
    )
    return replace(dataset, setups=tuple(setups))


def _depth(dataset: Dataset, options: Options, images: int) -> int | None:
    if options.depth is not None:
        return options.depth
    wanted = ranking_depth(dataset) if dataset.setups else 1
    if wanted is None:
        return None if images <= FULL else CUT
    return max([wanted, SHOWN, *(recognition.depth(part) for part in _parts(dataset))])


def _recall(ranks: Rankable, sample: np.ndarray) -> dict[int, float]:
    """Share of the exact k nearest that the index answers, by k."""
    out = {}
    for k in (k for k in LOSS_AT if k <= len(ranks.ids)):
        shares = []
        pairs = zip(ranks.rankings(sample, k), ranks.rankings(sample, k, exact=True), strict=True)
        for (rows, _), (true, cosines) in pairs:
            # what is as near as the k-th nearest is a right answer too
            shares.append(np.isin(rows, true).sum() / max(1, len(true)) if len(cosines) else 1.0)
        out[k] = float(np.mean(shares)) if shares else float("nan")
    return out


def milliseconds(does: Callable[[Any], object], sample: Iterable[Any]) -> float:
    """Median wall-clock time of one call at a time, over as much of the sample as BUDGET allows; NaN for none."""
    times: list[float] = []
    for one in sample:
        if sum(times) > BUDGET:
            break
        started = time.perf_counter()
        does(one)
        times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times) if times else float("nan")


def _worst(
    dataset: Dataset, scores: Sequence[Scores], first: list[tuple[np.ndarray, np.ndarray]], options: Options
) -> tuple[Example, ...]:
    """The queries of each setup with the smallest first measure, with the verdict on their first ranks."""
    boxes = dataset.boxes if options.query_crop and dataset.boxes else (None,) * len(dataset.queries)
    found = []
    for setup, values in zip(dataset.setups, scores, strict=False):
        column = values.values[:, 0]
        order = [int(i) for i in np.argsort(column, kind="stable") if not np.isnan(column[i])]
        for query in order[:WORST]:
            rows, cosines = (part[:SHOWN] for part in first[query])
            shown = zip(rows.tolist(), cosines.tolist(), verdicts(setup, query, rows), strict=True)
            found.append(
                Example(
                    setup=setup.name,
                    query=dataset.queries[query],
                    path=os.path.join(dataset.root, dataset.queries[query]),
                    box=boxes[query],
                    value=float(column[query]),
                    answers=tuple(
                        Shown(os.path.join(dataset.root, dataset.images[row]), score, verdict)
                        for row, score, verdict in shown
                    ),
                )
            )
    return tuple(found)
