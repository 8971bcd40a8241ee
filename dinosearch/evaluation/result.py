"""What a benchmark run found: values of each query, what the index lost, what it cost, and the recipe. Data only.

`report/` writes it as JSON, Markdown and HTML; `run` makes it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dinosearch.evaluation.statistics import Mean, mean


@dataclass(frozen=True)
class Scores:
    """The values of one setup (`easy`, `medium` ...) or recognition part.

    Attributes:
        setup: its name.
        measures: such as `mAP` and `mP@10`.
        values: float64 (queries, measures), shares in 0..1 (N-S: 0..4); NaN for queries that are left out because
            nothing is relevant to them. For recognition whose measure is no mean over queries (GAP): (1, measures).
        precision: float64 (101,) mean interpolated precision at recall 0, 0.01 ... 1; None for recognition.
        seed: of the intervals.
    """

    setup: str
    measures: tuple[str, ...]
    values: np.ndarray
    precision: np.ndarray | None = None
    seed: int = 0

    def mean(self, measure: str) -> Mean:
        """Mean over the queries that count, with its bootstrap interval."""
        return mean(self.values[:, self.measures.index(measure)], self.seed)


@dataclass(frozen=True)
class Shown:
    """One answer to a query, for the report: path on disk, score, and `relevant`, `wrong` or `junk`."""

    path: str
    score: float
    verdict: str


@dataclass(frozen=True)
class Example:
    """One query with its first answers, for the report.

    Attributes:
        setup: the setup whose verdicts are shown.
        query: name of the query in the data set.
        path: its file.
        box: the part that was asked with, None for the whole image.
        value: the setup's first measure for this query.
        answers: the first ranks.
    """

    setup: str
    query: str
    path: str
    box: tuple[float, float, float, float] | None
    value: float
    answers: tuple[Shown, ...]


@dataclass(frozen=True)
class IndexLoss:
    """What the approximate index lost against exact search over the same vectors.

    Attributes:
        recall: share of the exact k nearest that the index answered, by k.
        exact: the scores of exact search, in the order of `Run.scores`.
    """

    recall: dict[int, float]
    exact: tuple[Scores, ...]


@dataclass(frozen=True)
class Cost:
    """What the run cost.

    Attributes:
        embedded: images that went through the model in this run; 0 when all were known.
        index_seconds: wall-clock time of indexing in this run.
        query_ms: median wall-clock milliseconds of one search with k 10, without decoding and embedding.
        query_embed_ms: median milliseconds to decode and embed one query image; None when vectors were given.
        bytes_per_image: bytes of the home for each image.
    """

    embedded: int
    index_seconds: float
    query_ms: float
    query_embed_ms: float | None
    bytes_per_image: float


@dataclass(frozen=True)
class Published:
    """One published figure for the same setting.

    Attributes:
        setup: as in `Scores.setup`.
        measure: as in `Scores.measures`.
        value: in percent, as printed in the source.
        source: paper or repository, with the place in it.
        note: in what the setting may differ.
    """

    setup: str
    measure: str
    value: float
    source: str
    note: str = ""


@dataclass(frozen=True)
class Run:
    """One row of a benchmark: one recipe on one data set.

    Attributes:
        label: short text that tells it from the other rows, such as `mini squash-224`.
        dataset: JSON-ready facts: name, title, images, queries, unreadable (paths and reasons), truth_sha256, notes.
        recipe: JSON-ready facts that the figures depend on: version, commit, library versions, device, fingerprint,
            query_crop, index, depth, seed and so on.
        scores: of the product's own search, one for each setup and recognition part.
        queries: names of the queries, the rows of `Scores.values`.
        loss: what the index lost; None when search was exact.
        cost: what it cost.
        worst: the worst queries of each setup.
        published: published figures for the same setting.
    """

    label: str
    dataset: dict[str, Any]
    recipe: dict[str, Any]
    scores: tuple[Scores, ...]
    queries: tuple[str, ...]
    cost: Cost
    loss: IndexLoss | None = None
    worst: tuple[Example, ...] = ()
    published: tuple[Published, ...] = field(default=())
