"""The torture runs can fail: what they are to find is found, and a failure names the command that does it again."""

from __future__ import annotations

import json
import random
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from torture.examine import examine
from torture.report import BEGIN, END, with_records
from torture.steps import flip, run, vector_places
from torture.verdict import Verdict, options
from torture.world import State, Step, World

from dinosearch.store.sums import register_sums


@pytest.fixture
def step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Step:
    """Photos indexed into tmp_path / "home"."""
    monkeypatch.setattr("dinosearch.collection.indexing.run._BATCH", 32)  # `run` sets it; this takes it back
    world = World(tmp_path / "photos")
    folder = world.add_folder(random.Random(1), 12)
    arguments = {"folder": folder, "batch": 4, "index_type": None}
    step = Step("index", arguments, State(), world.indexed(State(), folder), whole=False)
    run(step, tmp_path / "home", lambda kind, value: None)
    return step


def execute(home: Path, statement: str) -> None:
    database = sqlite3.connect(home / "metadata.sqlite")
    register_sums(database)  # the triggers that keep the checksums of rows call it
    database.execute(statement)
    database.commit()
    database.close()


def test_a_whole_home_has_no_problems(step: Step, tmp_path: Path) -> None:
    found = examine(tmp_path / "home")
    assert found.problems == []
    assert step.problems(found.state, 12, ended=True) == []


def test_a_lost_file_is_found(step: Step, tmp_path: Path) -> None:
    lost = next(iter(step.after.held))
    execute(tmp_path / "home", f"DELETE FROM locations WHERE path = '{lost}'")
    found = examine(tmp_path / "home")
    assert found.problems  # an image is alive that lies nowhere
    assert step.problems(found.state, 12, ended=False)  # 12 were acknowledged, 11 are there
    assert step.problems(found.state, 12, ended=True)
    assert step.problems(found.state, 11, ended=False) == []


def test_a_damaged_vector_is_found(step: Step, tmp_path: Path) -> None:
    from torture.photos import sha256_of

    contents = {sha256_of(seed) for seed in step.after.held.values()}
    file, offset, size = vector_places(tmp_path / "home", contents, 1, random.Random(1))[0]
    flip(file, offset + size // 2, random.Random(1))
    assert examine(tmp_path / "home").problems
    assert examine(tmp_path / "home", repair=True).problems == []


def test_a_state_between_two_is_no_whole_one(step: Step) -> None:
    half = State(dict(list(step.after.held.items())[:5]))
    assert step.problems(half, 5, ended=False) == []
    assert replace(step, whole=True).problems(half, 0, ended=False)
    assert step.problems(State({**step.after.held, "/never/given.png": 7}), 0, ended=False)


def test_a_verdict_says_how_to_do_it_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = options("text", runs=5).parse_args(["--seed", "7", "--json", str(tmp_path / "records.jsonl")])
    verdict = Verdict("kills", asked.seed, "scripts/torture_crash.py")
    assert [asked.random(number).random() for number in asked.numbers()][3] == asked.random(3).random()
    verdict.count("whole", 4)
    verdict.fail(3, "a row is lost")
    assert verdict.end(asked.json) == 1
    lines = capsys.readouterr().out.splitlines()
    assert "a row is lost; again: scripts/torture_crash.py --seed 7 --only 3" in lines[0]
    assert lines[-1].startswith("FAIL kills: 5 runs, 1 failures, seed 7")
    records = [json.loads(line) for line in (tmp_path / "records.jsonl").read_text().splitlines()]
    page = with_records(f"# page\n{BEGIN}| a | b |\n|---|---|\n| other | 1 |\n{END}\n", records * 2)
    assert "| other | 1 |" in page
    assert "| kills | 10 | 2 | 8 whole | 7 |" in page


def test_nothing_tried_is_no_pass() -> None:
    assert not Verdict("nothing", 1, "script").ok


def test_the_table_tells_kills_by_verb_and_faults_by_kind() -> None:
    outcomes = {
        "killed in add at fsync": 2, "killed in add at write": 3, "killed in add, found in part": 1,
        "EIO once in index: said so": 4, "EIO once in remove: said so": 5, "EIO once in remove: went on": 6,
    }  # fmt: skip
    record = {"name": "all", "seed": 1, "date": "2026-01-01", "outcomes": outcomes, "failures": [], "figures": {}}
    page = with_records(f"{BEGIN}| a |\n|---|\n{END}\n", [record])
    told = "9 EIO once: said so; 6 EIO once: went on; 5 killed in add; 1 killed in add, found in part"
    assert f"| all | 21 | 0 | {told} | 1 |" in page


def test_the_slowest_of_two_pieces_is_told_with_its_name() -> None:
    pieces = [{"slowest file, s": figure} for figure in ("9.5 a.tif", "11.7 b.tif", "0.3 c.tif")]
    record = {"name": "images", "seed": 1, "date": "2026-01-01", "outcomes": {"indexed": 1}, "failures": []}
    page = with_records(f"{BEGIN}| a |\n|---|\n{END}\n", [{**record, "figures": figures} for figures in pieces])
    assert "slowest file, s: 11.7 b.tif |" in page
