"""docs/cli.md is what scripts/make_cli_reference.py makes of the help texts."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import make_cli_reference

from dinosearch.cli import cli
from dinosearch.collection import CollectionInfo, CompactReport
from dinosearch.records import Hit, ImageRecord, IndexSummary, Problem


def test_reference_is_current():
    page = Path(__file__).parents[1] / "docs" / "cli.md"
    assert page.read_text(encoding="utf-8") == make_cli_reference.reference(), "run: scripts/make_cli_reference.py"


def test_reference_names_every_verb_and_option():
    page = make_cli_reference.reference()
    for name, command in cli.commands.items():
        section = page.partition(f"## dinosearch {name}\n")[2].partition("\n## ")[0]
        assert section, name
        for parameter in command.params:
            if parameter.param_type_name == "option":
                assert parameter.opts[-1] in section, (name, parameter.opts)


def names(record: type) -> list[str]:
    return [field.name for field in dataclasses.fields(record)]


def test_promised_json_fields_are_the_records():
    """The hit, summary and reports have exactly the fields that the page names."""
    promised = {kind: fields.split(", ") for _, kind, fields in make_cli_reference.OBJECTS}
    assert promised["hit"] == names(Hit)
    assert promised["summary"] == [name for name in names(IndexSummary) if name != "failures"]
    assert promised["info"] == names(CollectionInfo)
    assert promised["compact"] == names(CompactReport)
    assert promised["failure"] == names(Problem)
    assert promised["file"] == names(ImageRecord)
