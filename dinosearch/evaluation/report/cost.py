"""The third table: what a run costs in time and space."""

from __future__ import annotations

from collections.abc import Sequence

from dinosearch.evaluation.report.figures import number
from dinosearch.evaluation.report.table import Column, Group, Row, Table
from dinosearch.evaluation.result import Run


def cost_table(runs: Sequence[Run]) -> Table:
    """Times and sizes, one row a run."""
    return Table(
        title="What it costs",
        lead="Wall-clock times on the machine of the recipe; a query is one search for 10 neighbours, without decoding "
        "and embedding.",
        group_column="",
        columns=(
            Column("run", numeric=False),
            Column("ms a query"),
            Column("ms to embed a query"),
            Column("bytes an image"),
            Column("seconds of indexing"),
            Column("images embedded"),
        ),
        groups=(Group("", tuple(map(_row, runs))),),
        notes=("0 images embedded: all vectors were there before this run.",)
        if any(run.cost.embedded == 0 for run in runs)
        else (),
    )


def _row(run: Run) -> Row:
    cost = run.cost
    return (
        run.label,
        number(cost.query_ms),
        number(cost.query_embed_ms),
        number(cost.bytes_per_image, 0),
        number(cost.index_seconds, 1),
        number(cost.embedded, 0),
    )
