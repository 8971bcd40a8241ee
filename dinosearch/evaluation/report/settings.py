"""The recipe as tables: the facts that all runs share, and those in which they differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dinosearch.evaluation.report.table import Column, Group, Table
from dinosearch.evaluation.result import Run

_PARTS = ("data set", "run")
_ELSEWHERE = {"title", "notes", "unreadable"}
"""Facts about the data set that the report shows in places of their own."""


def settings_tables(runs: Sequence[Run]) -> Iterator[Table]:
    """One table of what holds for all runs; with several runs that differ, one more with a row a run."""
    facts = [_all_facts(run) for run in runs]
    keys = list(dict.fromkeys(key for found in facts for key in found))
    differing = [key for key in keys if len({found.get(key) for found in facts}) > 1]
    shared = [key for key in keys if key not in differing]
    yield Table(
        title="Recipe",
        lead="Everything that the figures depend on.",
        group_column="part",
        columns=(Column("setting", numeric=False), Column("value", numeric=False)),
        groups=tuple(
            Group(part, tuple((name, facts[0][part, name]) for of, name in shared if of == part)) for part in _PARTS
        ),
    )
    if differing:
        rows = [(run.label, *map(found.get, differing)) for run, found in zip(runs, facts, strict=True)]
        yield Table(
            title="What differs between the runs",
            lead="The settings of the recipe that are not the same in all runs.",
            group_column="",
            columns=(Column("run", numeric=False), *(Column(name, numeric=False) for _, name in differing)),
            groups=(Group("", tuple(rows)),),
        )


def _all_facts(run: Run) -> dict[tuple[str, str], str]:
    """Texts by part and name."""
    dataset = {name: fact for name, fact in run.dataset.items() if name not in _ELSEWHERE}
    parts = (dataset, run.recipe)
    return {(part, name): text for part, found in zip(_PARTS, parts, strict=True) for name, text in _facts(found)}


def _facts(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Name and text of each fact; those inside a mapping carry its name in front, joined by a dot."""
    for name, fact in value.items():
        if isinstance(fact, Mapping):
            yield from _facts(fact, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", _text(fact)


def _text(fact: Any) -> str:
    if fact is None:
        return "none"
    if isinstance(fact, bool):
        return "yes" if fact else "no"
    if isinstance(fact, (list, tuple)):
        return ", ".join(_text(item) for item in fact) or "none"
    return str(fact)
