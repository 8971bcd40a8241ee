"""The first table: what the index loses against exact search over the same vectors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dinosearch.evaluation.report.figures import average, number, unit, units
from dinosearch.evaluation.report.table import Column, Group, Row, Table
from dinosearch.evaluation.result import Run


def loss_table(runs: Sequence[Run]) -> Table:
    """Recall of the index and means of exact search beside the product's; where search was exact it says so."""
    several = len(runs) > 1
    groups: dict[str, list[Row]] = {}
    for run in runs:
        # Several runs make a long table, and the first measure of a setup tells enough there.
        for part, measure, cells in _losses(run, measures=1 if several else None):
            heading, first = (f"{part} {measure}", run.label) if several else (part, measure)
            groups.setdefault(heading, []).append((first, *cells))
    return Table(
        title="What the index loses",
        lead="The product's own search against exact search over the same vectors; the recall of neighbours is the "
        f"share of the exact k nearest that the index answers. {units(runs)}",
        group_column="measure" if several else "part",
        columns=(
            Column("run" if several else "measure", numeric=False),
            Column("exact"),
            Column("product"),
            Column("lost"),
        ),
        groups=tuple(Group(name, tuple(rows)) for name, rows in groups.items()),
        notes=tuple(_notes(runs)),
    )


def _losses(run: Run, measures: int | None) -> Iterator[tuple[str, str, Row]]:
    """Part, measure, and the three cells; nothing where search was exact. `measures` is how many a setup, None all."""
    if run.loss is None:
        return
    for k, recall in sorted(run.loss.recall.items()):
        yield "neighbours", f"recall@{k}", (number(100.0), number(100 * recall), number(100 - 100 * recall, 3))
    for own, exact in zip(run.scores, run.loss.exact, strict=True):
        for measure in own.measures[:measures]:
            factor = unit(measure).factor
            best, found = factor * average(exact, measure), factor * average(own, measure)
            yield own.setup, measure, (number(best), number(found), number(best - found, 3))


def _notes(runs: Sequence[Run]) -> Iterator[str]:
    exact = [run.label for run in runs if run.loss is None]
    if len(exact) == len(runs):
        yield "Search was exact: there is no index that could lose anything."
    elif exact:
        yield f"Search was exact, so nothing is lost, in: {', '.join(exact)}."
