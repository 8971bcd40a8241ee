"""The share of scripts/torture_where.py that runs every time: 1,000 filters, their meaning, 1,000 mutated ones."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
from torture.expressions import INJECTIONS, Writer
from torture.meaning import globbed
from torture.paths import cli
from torture.verdict import Verdict
from torture.where import Filters

SEED = 20261121
PATIENCE = 30.0  # seconds: the limit of a second is for the full run, on a machine that is not shared


@pytest.fixture(scope="module")
def filters(tmp_path_factory: pytest.TempPathFactory):
    with Filters(tmp_path_factory.mktemp("where"), SEED, 100) as filters:
        yield filters


def test_filters_mean_what_the_reference_says(filters: Filters) -> None:
    verdict = Verdict("filters", SEED, "scripts/torture_where.py")
    for number in range(1000):
        filters.try_one(number, random.Random(f"{SEED} {number}"), verdict, PATIENCE, full=number % 10 == 0)
    filters.finish(verdict)
    assert verdict.failures == []
    assert verdict.outcomes["whole: equal to the oracle"] == 1000
    assert verdict.outcomes["wrong: refused with a place"] == 100
    assert int(verdict.figures["filters that split the records in two"]) > 300


def test_the_oracle_can_tell_wrong_from_right() -> None:
    file = {"path": "/photos/2020/May/a.jpg"}
    for pattern, matched in (("*/2020/**", True), ("2020/*", False), ("/photos/**/a.jpg", True), ("a.jpg", True)):
        assert globbed("path", pattern)(file) is matched


def test_on_the_command_line_a_wrong_filter_is_a_sentence(tmp_path: Path, filters: Filters) -> None:
    home = os.fspath(filters.home)
    for text in (INJECTIONS[0], "name = 'a\x1b[31m", "x" * 100_000):
        done = cli(tmp_path, "export", "-", "--home", home, "--where", text)
        assert done.returncode == 2
        assert done.stdout == b""
        assert b"character" in done.stderr or b"at its end" in done.stderr
        assert b"Traceback" not in done.stderr and b"\x1b" not in done.stderr


def test_the_same_seed_writes_the_same_filters(filters: Filters) -> None:
    made = [Writer(random.Random(f"{SEED} 7"), filters.files).filter()[0] for _ in range(2)]
    assert made[0] == made[1]
