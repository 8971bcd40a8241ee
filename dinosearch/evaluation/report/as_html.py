"""The report as one page with everything inside it: tables, plots, pictures. No scripts, nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dinosearch.evaluation.report.chapter import Chapter, Remarks, chapters
from dinosearch.evaluation.report.figures import average, column, is_mean, number, scores_of, unit
from dinosearch.evaluation.report.markup import escape
from dinosearch.evaluation.report.plots import Curve, bar_plot, curve_plot
from dinosearch.evaluation.report.style import STYLE
from dinosearch.evaluation.report.table import NOTHING, Column, Table
from dinosearch.evaluation.report.worst import LEGEND, Pictures, worst_queries
from dinosearch.evaluation.result import Run

# A name that slipped through the escaping could still load and run nothing.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def html(runs: Sequence[Run]) -> str:
    """The page on these runs, at least one."""
    return html_page(chapters(runs))


def html_page(parts: Sequence[Chapter]) -> str:
    """The page on these chapters."""
    pictures = Pictures()
    title = escape(", ".join(dict.fromkeys(chapter.title for chapter in parts)))
    articles = "\n".join(
        "\n".join(["<article>", *_chapter(chapter, place, pictures), "</article>"])
        for place, chapter in enumerate(parts)
    )
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}: benchmark report</title>
<style>{STYLE}</style>
</head>
<body>
<h1>Benchmark report</h1>
{articles}
</body>
</html>
"""


def _chapter(chapter: Chapter, place: int, pictures: Pictures) -> Iterator[str]:
    yield f'<h2>{escape(chapter.title)}</h2>\n<p class="setting">{escape(chapter.setting)}</p>'
    for position, table in enumerate(chapter.tables):
        yield from _table(table, f"table-{place}-{position}")
    if curves := list(_curves(chapter.runs)):
        yield "<h3>Precision and recall</h3>"
        yield '<p class="lead">Precision interpolated at 101 steps of recall, mean over the queries.</p>'
        yield f'<div class="plots">{"".join(curves)}</div>'
    if bars := list(_bars(chapter.runs)):
        yield "<h3>Query by query</h3>"
        yield '<p class="lead">The first measure of each setup for every query; the name appears on pointing.</p>'
        yield f'<div class="plots">{"".join(bars)}</div>'
    if any(run.worst for run in chapter.runs):
        yield f'<h3>The worst queries</h3>\n<p class="lead">{LEGEND}</p>'
    for run in chapter.runs:
        if run.worst:
            yield worst_queries(run, pictures, name=run.label if len(chapter.runs) > 1 else "")
    yield from map(_remarks, chapter.remarks)
    for position, table in enumerate(chapter.recipe):
        yield from _table(table, f"recipe-{place}-{position}")


def _table(table: Table, name: str) -> Iterator[str]:
    yield f'<h3 id="{name}">{escape(table.title)}</h3>\n<p class="lead">{escape(table.lead)}</p>'
    if table.groups:
        head = "".join(f'<th scope="col" class="{_kind(one)}">{escape(one.name)}</th>' for one in table.columns)
        # Tabbing into it lets the keyboard scroll a table that is wider than the page.
        yield f'<div class="wide" role="region" aria-labelledby="{name}" tabindex="0"><table>'
        yield f"<thead><tr>{head}</tr></thead>"
        for group in table.groups:
            yield "<tbody>"
            if group.name:
                yield f'<tr><th class="group" colspan="{len(table.columns)}">{escape(group.name)}</th></tr>'
            for row in group.rows:
                first, *others = map(_cell, row, table.columns)
                yield f'<tr><th scope="row"{first}</th>{"".join(f"<td{other}</td>" for other in others)}</tr>'
            yield "</tbody>"
        yield "</table></div>"
    yield from (f'<p class="note">{escape(note)}</p>' for note in table.notes)


def _cell(text: str | None, of: Column) -> str:
    """The end of the opening tag and the content."""
    shown = text or NOTHING
    if of.numeric:
        shown = shown.replace("-", "\N{MINUS SIGN}")
    return f' class="{_kind(of)}">{escape(shown)}'


def _kind(of: Column) -> str:
    return "number" if of.numeric else "text"


def _curves(runs: Sequence[Run]) -> Iterator[str]:
    """One plot with a line a setup; with several runs a plot a setup with a line a run."""
    drawn = [
        (run.label, scores.setup, Curve("", scores.precision))
        for run in runs
        for scores in run.scores
        if scores.precision is not None
    ]
    if not drawn:
        return
    if len(runs) == 1:
        curves = [Curve(setup, curve.precision) for _, setup, curve in drawn]
        yield _figure("all setups" if len(curves) > 1 else drawn[0][1], "", curve_plot(curves, "precision over recall"))
        return
    for setup in dict.fromkeys(setup for _, setup, _ in drawn):
        curves = [Curve(label, curve.precision) for label, of, curve in drawn if of == setup]
        yield _figure(setup, "", curve_plot(curves, f"precision over recall, {setup}"))


def _bars(runs: Sequence[Run]) -> Iterator[str]:
    for setup in dict.fromkeys(scores.setup for run in runs for scores in run.scores):
        for run in runs:
            scores = scores_of(run, setup)
            if scores is None or not is_mean(scores):
                continue
            names = run.queries if len(run.queries) == len(scores.values) else [""] * len(scores.values)
            measure = scores.measures[0]
            mean = number(average(scores, measure) * unit(measure).factor)
            if mean is not None:
                plot = bar_plot(column(scores, measure), names, unit(measure), measure)
                yield _figure(setup, run.label if len(runs) > 1 else "", plot)


def _figure(name: str, remark: str, plot: str) -> str:
    remark = f" <span>{escape(remark)}</span>" if remark else ""
    return f"<figure><figcaption>{escape(name)}{remark}</figcaption>{plot}</figure>"


def _remarks(remarks: Remarks) -> str:
    items = "\n".join(f"<li>{escape(item)}</li>" for item in remarks.items)
    return f"<h3>{escape(remarks.title)}</h3>\n<ul>\n{items}\n</ul>"
