"""The small set-up for docker compose: its schema, and what must hold of it. It was not started: no daemon was here."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

from dinosearch.cli import cli

from .conftest import DEPLOY

FILE = "compose/compose.yaml"


def test_it_keeps_to_the_schema_of_compose():
    pytest.importorskip("check_jsonschema", reason="check-jsonschema is not installed")
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(DEPLOY / FILE)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_only_this_machine_is_answered_and_the_database_nobody_from_outside(read):
    services = read(FILE)["services"]
    assert services["serve"]["ports"] == ["${DINOSEARCH_BIND:-127.0.0.1}:8765:8765"]
    assert all("ports" not in service for name, service in services.items() if name != "serve")
    assert services["db"]["networks"] == ["inside"]
    assert read(FILE)["networks"]["inside"]["internal"] is True


def test_no_secret_stands_in_it_and_none_has_a_default(read):
    file = read(FILE)
    for service in file["services"].values():
        for name, value in service["environment"].items():
            if re.search("PASSWORD|TOKEN", name):
                assert re.fullmatch(r"\$\{\w+:\?set \w+ in \.env\}", value), name
    assert "@" in file["services"]["serve"]["environment"]["DINOSEARCH_HOME"]
    assert ":" not in file["services"]["serve"]["environment"]["DINOSEARCH_HOME"].split("//")[1].split("@")[0]


def test_every_variable_is_in_the_example(read):
    named = set(re.findall(r"\$\{(\w+)", json.dumps(read(FILE))))
    lines = (DEPLOY / "compose/example.env").read_text().splitlines()
    given = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    assert named - {"PGVECTOR_IMAGE"} == set(given)
    assert not given["POSTGRES_PASSWORD"] + given["DINOSEARCH_TOKEN"]


def test_what_lasts_and_what_waits_is_declared(read):
    file = read(FILE)
    for service in file["services"].values():
        assert set(service["networks"]) <= set(file["networks"])
        for volume in service["volumes"]:
            if isinstance(volume, str):
                assert volume.partition(":")[0] in file["volumes"]
    for name in ("db", "serve"):
        assert file["services"][name]["healthcheck"]["test"]
        assert file["services"][name]["restart"] == "unless-stopped"
    for name in ("serve", "index"):
        assert file["services"][name]["depends_on"] == {"db": {"condition": "service_healthy"}}
        assert file["services"][name]["read_only"] is True
        assert file["services"][name]["cap_drop"] == ["ALL"]


def test_pgvector_is_new_enough(read):
    image = read(FILE)["services"]["db"]["image"]
    version = tuple(map(int, re.search(r"pgvector:(\d+)\.(\d+)\.(\d+)-pg\d+", image).groups()))
    assert version >= (0, 8, 2)  # CVE-2026-3172


@pytest.mark.parametrize("service", ["serve", "index"])
def test_the_commands_are_dinosearchs(read, service):
    check_command(read(FILE)["services"][service]["command"])


def test_the_image_builds_what_is_there():
    lines = (DEPLOY / "Dockerfile").read_text().replace("\\\n", " ").splitlines()
    instructions = [line.split(None, 1) for line in lines if line and not line.startswith("#")]
    assert instructions[0][0] == "FROM"
    copied = [word for name, rest in instructions if name == "COPY" for word in shlex.split(rest)[:-1]]
    assert copied and all((DEPLOY.parent / name).exists() for name in copied)
    assert [rest for name, rest in instructions if name == "USER"] == ["10001"]
    assert extras(next(rest for name, rest in instructions if name == "ARG")) <= offered()


def check_command(words: list[str]) -> None:
    """That `dinosearch VERB OPTIONS` names a verb and options that are there."""
    assert words[0] == "dinosearch"
    verb = cli.commands[words[1]]
    options = {name for option in verb.params if isinstance(option, click.Option) for name in option.opts}
    assert {word for word in words[2:] if word.startswith("--")} <= options


def extras(argument: str) -> set[str]:
    return set(argument.split("=")[1].split(","))


def offered() -> set[str]:
    text = Path(DEPLOY.parent / "pyproject.toml").read_text()
    part = text.partition("[project.optional-dependencies]")[2].partition("\n[")[0]
    return set(re.findall(r"^(\w+) = \[", part, re.MULTILINE))
