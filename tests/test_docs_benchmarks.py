"""docs/benchmarks.md has the tables that scripts/make_benchmark_reference.py makes of the code."""

from __future__ import annotations

import make_benchmark_reference

from dinosearch.evaluation.published import TABLE


def test_tables_are_current():
    page = make_benchmark_reference.TARGET.read_text(encoding="utf-8")
    assert page == make_benchmark_reference.updated(page), "run: scripts/make_benchmark_reference.py"


def test_every_published_figure_stands_there():
    page = make_benchmark_reference.TARGET.read_text(encoding="utf-8")
    for row in TABLE:
        assert all(f"{setup} {measure} {value:g}" in page for setup, measure, value in row.values)
