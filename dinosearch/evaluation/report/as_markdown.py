"""The report as Markdown (GitHub's tables); it decides no figures, only their form."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from dinosearch.evaluation.report.chapter import Chapter, chapters
from dinosearch.evaluation.report.table import NOTHING, Table
from dinosearch.evaluation.result import Run
from dinosearch.images.drawing.thumbnails import printable

_SPECIAL = re.compile(r"([\\`*\[\]<>|&])")


def markdown(runs: Sequence[Run]) -> str:
    """The report on these runs, at least one."""
    return markdown_text(chapters(runs))


def markdown_text(parts: Sequence[Chapter]) -> str:
    """The report on these chapters."""
    blocks = ["# Benchmark report", *(block for chapter in parts for block in _chapter(chapter))]
    return "\n\n".join(blocks) + "\n"


def _chapter(chapter: Chapter) -> Iterator[str]:
    yield f"## {_escape(chapter.title)}: {_escape(chapter.setting)}"
    for table in chapter.tables:
        yield from _table(table)
    for remarks in chapter.remarks:
        yield f"### {_escape(remarks.title)}"
        yield "\n".join(f"- {_escape(item)}" for item in remarks.items)
    for table in chapter.recipe:
        yield from _table(table)


def _table(table: Table) -> Iterator[str]:
    yield f"### {_escape(table.title)}"
    yield _escape(table.lead)
    if table.groups:
        named = [table.group_column] if table.group_column else []
        marks = [*("---" for _ in named), *("---:" if column.numeric else "---" for column in table.columns)]
        lines = [_line([*named, *(column.name for column in table.columns)]), f"| {' | '.join(marks)} |"]
        lines += [
            _line([*([group.name] if named else []), *(NOTHING if cell is None else cell for cell in row)])
            for group in table.groups
            for row in group.rows
        ]
        yield "\n".join(lines)
    yield from map(_escape, table.notes)


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(map(_escape, cells))} |"


def _escape(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", printable(text))
