"""Where the files of deploy/ lie, and what reads them; a check whose tool is not here is skipped and says so."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

DEPLOY = Path(__file__).parents[2] / "deploy"
KUBERNETES = "1.33"


@pytest.fixture(scope="session")
def read():
    """Reads a YAML file of deploy/."""
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
    return lambda name: yaml.safe_load((DEPLOY / name).read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def valid_object():
    """Checks a Kubernetes object against the schema of its kind, fields that do not exist included."""
    library = pytest.importorskip("kubernetes_validate", reason="kubernetes-validate is not installed")
    return lambda thing: library.validate(thing, KUBERNETES, strict=True)


def named_folder(variable: str, what: str) -> Path:
    """A folder that the environment names; skips where it names none."""
    named = os.environ.get(variable)
    if not named:
        pytest.skip(f"no {what} here; set {variable} to a folder with it to run this test")
    return Path(named)


def texts(thing: Any) -> list[str]:
    """Every text anywhere inside."""
    if isinstance(thing, dict):
        return [text for value in thing.values() for text in texts(value)]
    if isinstance(thing, list):
        return [text for value in thing for text in texts(value)]
    return [str(thing)]
