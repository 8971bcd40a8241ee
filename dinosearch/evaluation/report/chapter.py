"""What the report says, before it has a form: runs of one data set and setting, with their tables and remarks.

Runs of another query crop never come into the same chapter, and so never into the same table: the published DINOv2
figures are of whole query images, the official Oxford/Paris protocol asks with a part of each.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from dinosearch.evaluation.report.accuracy import accuracy_table, overview_table
from dinosearch.evaluation.report.cost import cost_table
from dinosearch.evaluation.report.loss import loss_table
from dinosearch.evaluation.report.settings import settings_tables
from dinosearch.evaluation.report.table import Table
from dinosearch.evaluation.result import Run

UNREADABLE_SHOWN = 10

_IDENTITY = ("name", "title", "truth_sha256", "images")
"""Facts that make two data sets the same one. Not the checksum of the images: a run that could read one image more is
still comparable, and the settings that differ are listed."""

_SETTINGS = {
    "none": "whole query images (query_crop none)",
    "bbx": "queries cut to their boxes (query_crop bbx)",
    "as in the file": "queries as in the descriptor file",
    "None": "query crop not stated",
}


@dataclass(frozen=True)
class Remarks:
    """A list of sentences or clauses under a heading."""

    title: str
    items: tuple[str, ...]


@dataclass(frozen=True)
class Chapter:
    """One data set in one setting.

    Attributes:
        title: the data set's full name.
        setting: how queries were cut, in words.
        runs: at least one.
        tables: the three results; with several runs the main figures at a glance before them.
        remarks: the data set's notes, and what could not be read.
        recipe: everything that the figures depend on.
    """

    title: str
    setting: str
    runs: tuple[Run, ...]
    tables: tuple[Table, ...]
    remarks: tuple[Remarks, ...]
    recipe: tuple[Table, ...]


def chapters(runs: Sequence[Run]) -> list[Chapter]:
    """Split the runs by data set, ground truth and query crop, in the order of their first appearance.

    Raises:
        ValueError: no runs.
    """
    if not runs:
        raise ValueError("a report needs at least one run")
    parts: dict[tuple[str, ...], list[Run]] = {}
    for run in runs:
        key = (*(str(run.dataset.get(name)) for name in _IDENTITY), _crop(run))
        parts.setdefault(key, []).append(run)
    return [_chapter(part) for part in parts.values()]


def _chapter(runs: Sequence[Run]) -> Chapter:
    crop, dataset = _crop(runs[0]), runs[0].dataset
    overview = (overview_table(runs),) if len(runs) > 1 else ()
    return Chapter(
        title=str(dataset.get("title") or dataset["name"]),
        setting=_SETTINGS.get(crop, f"query_crop {crop}"),
        runs=tuple(runs),
        tables=(*overview, loss_table(runs), accuracy_table(runs), cost_table(runs)),
        remarks=tuple(_remarks(runs)),
        recipe=tuple(settings_tables(runs)),
    )


def _crop(run: Run) -> str:
    return str(run.recipe.get("query_crop"))


def _remarks(runs: Sequence[Run]) -> Iterator[Remarks]:
    if notes := dict.fromkeys(str(note) for run in runs for note in run.dataset.get("notes", ())):
        yield Remarks("Notes", tuple(notes))
    if files := {file["path"]: file["reason"] for run in runs for file in run.dataset.get("unreadable", ())}:
        items = [f"{path}: {reason}" for path, reason in islice(files.items(), UNREADABLE_SHOWN)]
        if len(files) > UNREADABLE_SHOWN:
            items.append(f"and {len(files) - UNREADABLE_SHOWN} more, listed in report.json")
        yield Remarks(f"Images that are missing or cannot be read: {len(files)}", tuple(items))
