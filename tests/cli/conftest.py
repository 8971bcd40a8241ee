"""A command line in this process with an embedder that needs no weights."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from dinosearch.cli import cli
from tests.conftest import FakeEmbedder

Run = Callable[..., Result]


@pytest.fixture
def embedders(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The arguments of every embedder that is opened; all of them are fakes."""
    opened: list[dict[str, Any]] = []

    def open_fake(model: str = "auto", **settings: Any) -> FakeEmbedder:
        opened.append({"model": model, **settings})
        return FakeEmbedder()

    monkeypatch.setattr("dinosearch.embedding.open_embedder", open_fake)
    return opened


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, embedders: list[dict[str, Any]]) -> Run:
    """Run the command line in an empty current folder; what would be a traceback is raised."""
    monkeypatch.setenv("DINOSEARCH_DECODE", "inline")
    monkeypatch.delenv("DINOSEARCH_HOME", raising=False)
    monkeypatch.chdir(tmp_path)

    def invoke(*arguments: str | os.PathLike[str], stdin: bytes | None = None, color: bool = False) -> Result:
        return CliRunner().invoke(
            cli, [os.fspath(a) for a in arguments], input=stdin, color=color, catch_exceptions=False
        )

    return invoke


@pytest.fixture
def indexed(run: Run, photo_folder: Path) -> Path:
    """The folder of twelve photos, indexed into ./index."""
    assert run("index", photo_folder).exit_code == 0
    return photo_folder


def objects(result: Result) -> list[dict[str, Any]]:
    """The JSON objects on stdout, each with the schema that the reference promises."""
    found = [json.loads(line) for line in result.stdout.splitlines()]
    assert all(found_one["schema"] == 1 and isinstance(found_one["type"], str) for found_one in found)
    return found
