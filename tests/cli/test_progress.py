"""The plain progress lines: how often, and what they say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import dinosearch
from dinosearch.cli.progress import Bar, Display, Lines, amount, duration, pace
from dinosearch.records.stages import STAGES


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_line_every_ten_seconds_at_most(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    lines = Lines(every=10, clock=clock)
    for second in range(36):
        clock.now = 1000.0 + second
        lines("index", second * 20, 1200)
    written = capsys.readouterr()
    assert written.out == ""
    assert written.err.splitlines() == [
        "indexing: 200 of 1,200 images, 20/s, 50 s left",
        "indexing: 400 of 1,200 images, 20/s, 40 s left",
        "indexing: 600 of 1,200 images, 20/s, 30 s left",
    ]


def test_a_short_run_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    with Lines(clock=clock) as lines:
        for stage in ("scan", "index", "build"):
            clock.now += 3
            lines(stage, 1, None)
    assert capsys.readouterr().err == ""


def test_many_short_stages_still_say_something(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    lines = Lines(clock=clock)
    for number in range(30):
        clock.now += 1
        lines(f"stage {number}", 0, None)
        lines(f"stage {number}", 1, None)
    assert len(capsys.readouterr().err.splitlines()) == 2


def test_quiet_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with Display() as silent:
        silent("index", 1, 2)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("stage", "done", "total", "said"),
    [
        ("scan", 1500, None, "1,500 files"),
        ("fetch", 1_500_000, 88_283_115, "1.5 MB of 88.3 MB"),
        ("index", 0, 0, "0 of 0 images"),
        ("something new", 3, 4, "3 of 4 steps"),
    ],
)
def test_amount(stage: str, done: int, total: int | None, said: str) -> None:
    assert amount(stage, done, total) == said


def test_every_stage_has_words() -> None:
    """Those that modules report by name or hand on, and those that docstrings promise."""
    package = Path(dinosearch.__file__).parent
    named: set[str] = set()
    for text in (path.read_text(encoding="utf-8") for path in package.rglob("*.py")):
        named |= set(re.findall(r'\b(?:progress|tell)\("([a-z ]+)", (?!\{)', text))
        named |= set(re.findall(r'\bstage(?:: str)? ?= ?"([a-z ]+)"', text))
        for told in re.findall(r"told about the stages? ([^\n]+)", text):
            named |= set(re.findall(r"`([a-z]+(?: [a-z]+)*)`", told))
    assert {"scan", "neighbours", "duplicates", "upgrade", "learn", "copies"} <= named
    assert sorted(named - set(STAGES)) == []
    assert all(doing == doing.lower() and unit for doing, unit in STAGES.values())


def test_pace() -> None:
    assert pace("index", 0, 5, 10) == ""
    assert pace("index", 2.5, 5, 10) == ", 2.5/s, 2 s left"
    assert pace("index", 1234, 10, 10) == ", 1,234/s"
    assert pace("fetch", 2e6, 0, 88_000_000) == ", 2.0 MB/s, 44 s left"


def test_duration() -> None:
    assert [duration(s) for s in (0.4, 89, 91, 5340, 12_000)] == ["0 s", "89 s", "2 min", "89 min", "3 h 20 min"]


def test_a_bar_may_be_closed_twice_and_used_again() -> None:
    bar = Bar()
    bar.close()
    bar("scan", 1, None)
    bar("index", 1, 2)
    bar.close()
    bar.close()
    bar("index", 2, 2)
    bar.close()
