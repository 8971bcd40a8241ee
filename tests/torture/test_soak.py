"""A collection in use for long: the short share of scripts/torture_soak.py, and what its verdict calls a leak."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from torture.live_memory import live_mebibytes
from torture.samples import Trend, flat, judge, trend
from torture.soak import ASKS, run
from torture.soak_writer import Plan
from torture.verdict import Verdict

SECONDS = np.arange(0, 2880, 10.0)  # an hour's samples after the warm-up
RUNS = np.floor(SECONDS / 5)  # changes by then
FILES = 300 + 500 * np.abs(SECONDS / 700 % 2 - 1)
ROWS = FILES + RUNS % 40 * 10  # vectors of removed images stay until they are compacted away
NOISE, SWING = 1.5, 15 * (FILES / 800) + 5 * (ROWS / 800)  # MiB; memory follows the size of the collection
SIZES = np.stack([FILES, ROWS])


def test_answers_are_right_all_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DINOSEARCH_DECODE")
    for seconds in (8, 60):  # a busy machine may need the longer one
        verdict = Verdict("soak", 1, "scripts/torture_soak.py")
        samples = run(tmp_path / str(seconds), Plan(1, seconds, least=20, most=60, every=1), verdict)
        if samples[-1]["settled"]:
            break
    # Whether it is flat cannot be judged of seconds on busy cores: descriptors rise while decoders start.
    assert verdict.failures == []
    done = {kind: times for kind, times in verdict.outcomes.items() if kind.startswith("writer: ")}
    asked = sum(times for kind, times in done.items() if "asked" in kind)
    assert asked == ASKS * (sum(done.values()) - asked) > 0
    assert sum(times for kind, times in verdict.outcomes.items() if kind.startswith("reader: ")) > 10
    assert max(sample["writer decoders"] for sample in samples) > 0
    assert samples[-1]["settled"] >= 1
    assert not live_mebibytes() or all(samples[-1][f"{name} settled live MiB"] > 20 for name in ("writer", "reader"))


def of(series: np.ndarray) -> Trend:
    return trend(SECONDS, series, RUNS, SIZES)


@pytest.mark.parametrize("seed", range(5))
def test_what_is_steady(seed: int) -> None:
    noise = np.random.default_rng(seed).normal(0, NOISE, len(SECONDS))
    little = 3 * SECONDS / 3600  # surely more, but by less than 2 % an hour
    for series in (noise, noise + SWING, little + noise / 100, 0 * noise):
        assert of(200 + series).steady


@pytest.mark.parametrize("seed", range(5))
def test_what_leaks(seed: int) -> None:
    noise = np.random.default_rng(seed).normal(0, NOISE, len(SECONDS))
    hours = SECONDS / 3600
    for leak in (RUNS * 10 / 1024, 40 * hours**2, np.floor(hours * 10) * 2.5, 30 * (hours > 0.6)):
        assert not of(200 + leak + noise).steady
        assert not of(200 + leak + noise + SWING).steady
    assert not of(200 + 5 * hours + noise / 100).steady  # 2.5 % an hour, and sure


def test_what_cannot_be_told_is_no_pass() -> None:
    slow = np.cumsum(np.random.default_rng(0).normal(0, 3, len(SECONDS)))
    assert not of(200 + slow - slow[-1] * SECONDS / SECONDS[-1]).steady  # as high in the end as in the beginning
    noise = np.random.default_rng(0).normal(0, 5, 12)
    assert not trend(SECONDS[:12], 200 + noise, RUNS[:12], SIZES[:, :12]).steady


def test_slope_and_error_are_those_of_least_squares() -> None:
    """By the normal equations, and by how far slopes of many independent noises lie apart."""
    rng = np.random.default_rng(0)
    found = [of(200 + RUNS / 100 + FILES / 50 + ROWS / 90 + rng.normal(0, 3, len(SECONDS))) for _ in range(200)]
    assert np.mean([one.slope for one in found]) == pytest.approx(1 / 100, rel=0.02)
    assert np.mean([one.error for one in found]) == pytest.approx(np.std([one.slope for one in found]), rel=0.2)
    assert found[0].hourly == pytest.approx(720, rel=0.01)
    exact = of(200 + RUNS / 100 + FILES / 50 + ROWS / 90)
    assert exact.slope == pytest.approx(1 / 100)


def test_the_verdict_fails_on_a_leaking_series() -> None:
    def judged(
        leak: float,
        descriptors: int,
        kept: float = 0,
        bloat: float = 0,
        maps: float = 0,
        settles: int = 5,
        pages: float = 0,
    ) -> list[str]:
        verdict = Verdict("soak", 1, "script")
        samples = [
            {
                "seconds": 10.0 * number,
                "writer runs": 2.0 * number,
                "rarest": number // 4,
                "files": 300 + number % 7,
                "rows": 400 + number % 5,
                "settled": number // settles,
                "writer settled runs": 2.0 * settles * (number // settles),
                "writer settled live MiB": 200 + leak * settles * (number // settles),
                "writer settled resident MiB": 240 + bloat * settles * (number // settles),
                "writer SQLite MiB": 3.0 + number % 6 + pages * number,
                "writer descriptors": 20.0,
                "writer least threads": 5 + kept * number,
                "writer mappings": 800 + maps * number,
            }
            for number in range(100)
        ]
        for sample in samples[60:]:
            sample["writer descriptors"] = descriptors
        judge(samples, verdict)
        return verdict.failures

    assert judged(0, 22) == []
    assert "memory in use of the writer: 206.8 MiB, +51.200 ± 0.000 KiB a run, +36.00" in judged(0.1, 20)[0]
    assert "memory of the writer: 246.8 MiB" in judged(0, 20, bloat=0.1)[0]
    assert "writer descriptors grow: at most 20, 23 in and after the warm-up" in judged(0, 23)[0]
    assert "writer least threads: 7 in the warm-up, 12 in the end" in judged(0, 20, 0.1)[0]
    assert "writer mappings: 878 in the warm-up, 1138 in the end" in judged(0, 20, maps=4)[0]
    assert "writer SQLite MiB: at least 3.0, then 7.2" in judged(0, 20, pages=0.1)[0]
    assert not flat([1, 1, 4, 4], 2)
    assert flat([1, 1, 9, 1, 1], 2)
    assert "settled 4 times, too few" in judged(0, 20, settles=15)[0]


def test_too_few_samples_are_no_pass() -> None:
    verdict = Verdict("soak", 1, "script")
    judge([], verdict)
    assert not verdict.ok


def test_memory_in_use_is_what_is_asked_for_and_not_given_back() -> None:
    before = live_mebibytes()
    if not before:
        pytest.skip("this C library does not tell")
    arrays = [np.ones(1 << 17) for _ in range(20)] + [np.ones(1 << 10) for _ in range(1280)]  # 20 and 10 MiB
    assert live_mebibytes() - before == pytest.approx(30, abs=1)
    small = [object() for _ in range(200_000)]
    assert 10 < live_mebibytes() - before - 30 < 40
    del arrays, small
    assert live_mebibytes() - before == pytest.approx(0, abs=1)
