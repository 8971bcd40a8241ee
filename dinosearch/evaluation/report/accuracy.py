"""The second table: whether the neighbours are the right ones; with several runs the change against the first run.

Figures are set side by side here; `statistics` computes the intervals, `figures` writes them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from dinosearch.evaluation.report.figures import (
    average,
    column,
    interval,
    is_mean,
    number,
    scores_of,
    signed,
    unit,
    units,
)
from dinosearch.evaluation.report.table import Column, Group, Row, Table
from dinosearch.evaluation.result import Run, Scores
from dinosearch.evaluation.statistics import Comparison, compare

_INTERVALS = "Intervals are 95 % bootstrap intervals over the queries."
_CHANGES = "A change is against the first run, paired query by query."
_P = "p is that of a two-sided randomisation test, not corrected for the number of runs."


def accuracy_table(runs: Sequence[Run]) -> Table:
    """Mean of each setup and measure with interval, queries and published figure; with several runs the change too."""
    several = len(runs) > 1
    groups: dict[str, list[Row]] = {}
    for setup, measure in dict.fromkeys((s.setup, m) for run in runs for s in run.scores for m in s.measures):
        for run in runs:
            scores = scores_of(run, setup)
            if scores is None or measure not in scores.measures:
                continue
            heading, first = (f"{setup} {measure}", run.label) if several else (setup, measure)
            rows = groups.setdefault(heading, [])
            rows.extend((first, *cells) for cells in _cells(run, scores, measure, runs[0]))
    return Table(
        title="Whether the neighbours are the right ones",
        lead=" ".join([units(runs), _INTERVALS, *((_CHANGES, _P) if several else ())]),
        group_column="measure" if several else "setup",
        columns=(
            Column("run" if several else "measure", numeric=False),
            Column("mean"),
            Column("95 % interval"),
            Column("queries"),
            Column("change", optional=True),
            Column("its 95 % interval", optional=True),
            Column("p", optional=True),
            Column("published", optional=True),
            Column("difference", optional=True),
            Column("source", numeric=False, optional=True),
        ),
        groups=tuple(Group(name, tuple(rows)) for name, rows in groups.items()),
        notes=tuple(_notes(runs)),
    ).trimmed()


def overview_table(runs: Sequence[Run]) -> Table:
    """Several runs at a glance: main measure of each setup with its change, time and size; one row a run."""
    main = [(scores.setup, scores.measures[0]) for scores in runs[0].scores]
    columns = [
        column for setup, measure in main for column in (Column(f"{setup} {measure}"), Column(f"change of {setup}"))
    ]
    return Table(
        title="The runs at a glance",
        lead=f"The first measure of each setup. {units(runs)} {_INTERVALS} {_CHANGES}",
        group_column="",
        columns=(Column("run", numeric=False), *columns, Column("ms a query"), Column("bytes an image")),
        groups=(Group("", tuple(_overview_row(run, runs[0], main) for run in runs)),),
    )


def _overview_row(run: Run, first: Run, main: Sequence[tuple[str, str]]) -> Row:
    cells: list[str | None] = [run.label]
    for setup, measure in main:
        scores = scores_of(run, setup)
        if scores is None or measure not in scores.measures:
            cells += [None, None]
            continue
        change, ends, _ = _change_cells(run, scores, measure, first)
        cells += [number(unit(measure).factor * average(scores, measure)), f"{change} ({ends})" if ends else change]
    return (*cells, number(run.cost.query_ms), number(run.cost.bytes_per_image, 0))


def _cells(run: Run, scores: Scores, measure: str, first: Run) -> Iterator[Row]:
    """The cells after the row's name: once, or once for each published figure."""
    factor, over_queries = unit(measure).factor, is_mean(scores)
    found = scores.mean(measure)
    own = (
        number(found.value * factor),
        interval(found, factor) if over_queries else None,
        str(found.queries) if over_queries else None,
        *_change_cells(run, scores, measure, first),
    )
    published = [one for one in run.published if (one.setup, one.measure) == (scores.setup, measure)]
    for one in published:
        source = f"{one.source} ({one.note})" if one.note else one.source
        yield *own, f"{one.value:g}", signed(found.value * factor - one.value), source
    if not published:
        yield *own, None, None, None


def _change_cells(run: Run, scores: Scores, measure: str, first: Run) -> tuple[str | None, str | None, str | None]:
    """Change, its interval, p; empty for the first run itself."""
    change = _change(run, scores, measure, first)
    if change is None:
        return None, None, None
    factor, difference = unit(measure).factor, change.difference
    if not is_mean(scores):
        return signed(difference.value * factor), None, None
    return signed(difference.value * factor), interval(difference, factor, with_sign=True), f"{change.p:.4f}"


def _change(run: Run, scores: Scores, measure: str, first: Run) -> Comparison | None:
    """None for the first run itself, and where the queries are not the same, because nothing can be paired then."""
    before = scores_of(first, scores.setup)
    if run is first or before is None or measure not in before.measures:
        return None
    if run.queries != first.queries or len(scores.values) != len(before.values):
        return None
    return compare(column(before, measure), column(scores, measure), before.seed)


def _notes(runs: Sequence[Run]) -> Iterator[str]:
    for scores in runs[0].scores:
        counting = int((~np.isnan(scores.values[:, 0])).sum())
        if scores.precision is not None and counting < len(scores.values):
            yield (
                f"{scores.setup}: {counting} of {len(scores.values)} queries count; nothing is relevant to the others, "
                "which are left out of the mean."
            )
    if not all(is_mean(scores) for run in runs for scores in run.scores):
        yield "A measure without an interval is one figure over all queries, not a mean over them."
    if not any(run.published for run in runs):
        yield "No published figure for this setting is known."
