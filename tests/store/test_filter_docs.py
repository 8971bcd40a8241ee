"""docs/filters.md: its table is made from the fields, its examples parse, its claims hold."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dinosearch.store import FIELDS, parse_filter
from dinosearch.store.filters.fields import FORMATS, field_table
from dinosearch.store.filters.glob import MAX_PATTERN, path_pattern
from dinosearch.store.filters.parse import MAX_DEPTH, MAX_LENGTH, MAX_VALUES
from dinosearch.store.filters.syntax import Glob
from dinosearch.store.paths import split_path

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "filters.md").read_text(encoding="utf-8")
EXAMPLES = [line for block in re.findall(r"```filter\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]
MATCHES = re.findall(r"^\| `((?:path|name|folder) ~ [^`]*)` \| `([^`]*)` \| `([^`]*)` \|$", PAGE, re.MULTILINE)


def test_field_table() -> None:
    found = re.search(r"<!-- fields.*?-->\n(.*?)\n<!-- /fields -->", PAGE, re.DOTALL)
    assert found and found[1] == field_table(), f"put this table into docs/filters.md:\n{field_table()}"


@pytest.mark.parametrize("text", EXAMPLES + [field.example for field in FIELDS.values()])
def test_examples_parse(text: str) -> None:
    parse_filter(text)


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 12
    assert len(MATCHES) == 6
    assert all(field.example.startswith(name) for name, field in FIELDS.items())


@pytest.mark.parametrize(("text", "yes", "no"), MATCHES)
def test_pattern_table(text: str, yes: str, no: str) -> None:
    test = parse_filter(text).root
    assert isinstance(test, Glob)
    for path, matched in ((yes, True), (no, False)):
        value = {"path": path, "name": split_path(path)[1], "folder": split_path(path)[0]}[test.field]
        assert (path_pattern(test.pattern).fullmatch(value) is not None) == matched, path


def test_limits() -> None:
    limits = PAGE[PAGE.index("## Limits") :].replace("\n", " ")
    for number, what in ((MAX_LENGTH, "characters"), (MAX_VALUES, "values"), (MAX_DEPTH, "levels")):
        assert f"{number:,} {what}" in limits
    assert f"{MAX_PATTERN:,} characters" in limits
    assert ", ".join(FORMATS) in PAGE
