"""A collection in use for long: the short share of scripts/torture_soak.py, and what its verdict calls a leak."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from torture.samples import flat, judge, trend
from torture.soak import run
from torture.soak_writer import Plan
from torture.verdict import Verdict

SECONDS = np.arange(0, 2880, 10.0)  # an hour's samples after the warm-up


def test_descriptors_and_threads_stay_flat_and_answers_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DINOSEARCH_DECODE")
    verdict = Verdict("soak", 1, "scripts/torture_soak.py")
    samples = run(tmp_path, Plan(1, 8, least=20, most=60, every=1), verdict)
    judge(samples, verdict, long=False, warm_up=0.5)
    assert verdict.failures == []
    asked = [kind for kind in verdict.outcomes if "asked" in kind]
    assert len(asked) == 6
    assert sum(times for kind, times in verdict.outcomes.items() if kind.startswith("reader: ")) > 10
    assert max(sample["writer decoders"] for sample in samples) > 0


@pytest.mark.parametrize("seed", range(5))
def test_what_is_steady(seed: int) -> None:
    rng = np.random.default_rng(seed)
    noise = rng.normal(0, 3, len(SECONDS))
    swing = 15 * (SECONDS / 700 % 1)  # memory follows the size of the collection
    for series in (200 + noise, 200 + noise + swing, 200 + 0.2 * SECONDS / 3600 + noise / 100, np.full(288, 200.0)):
        assert trend(SECONDS, series).steady


@pytest.mark.parametrize("seed", range(5))
def test_what_leaks(seed: int) -> None:
    rng = np.random.default_rng(seed)
    noise = rng.normal(0, 3, len(SECONDS))
    swing = 15 * (SECONDS / 700 % 1)
    hours = SECONDS / 3600
    for leak in (10 * hours, 40 * hours**2, np.floor(hours * 10) * 2.5):
        assert not trend(SECONDS, 200 + leak + noise).steady
        assert not trend(SECONDS, 200 + 3 * leak + swing + noise).steady
    assert not trend(SECONDS, 200 + 1.5 * hours + noise / 100).steady  # little, but sure
    assert not trend(SECONDS, 200 + 30 * (hours > 0.6) + 0 * noise).steady  # at once
    assert trend(SECONDS, 200 + 10 * hours).slope == pytest.approx(10)


def test_the_verdict_fails_on_a_leaking_series() -> None:
    def judged(leak: float, descriptors: int, kept: float = 0) -> list[str]:
        verdict = Verdict("soak", 1, "script")
        samples = [
            {
                "seconds": 10.0 * number,
                "writer least MiB": 200 + leak * number,
                "writer descriptors": 20.0,
                "writer least threads": 5 + kept * number,
            }
            for number in range(100)
        ]
        samples[90]["writer descriptors"] = descriptors
        judge(samples, verdict)
        return verdict.failures

    assert judged(0, 22) == []
    assert "memory of the writer: +36.00" in judged(0.1, 20)[0]
    assert "writer descriptors: 20 in the warm-up, 23 after" in judged(0, 23)[0]
    assert "writer least threads: 6 in the warm-up, 11 in the end" in judged(0, 20, 0.1)[0]
    assert not flat([1, 1, 4], 2)


def test_too_few_samples_are_no_pass() -> None:
    verdict = Verdict("soak", 1, "script")
    judge([], verdict)
    assert not verdict.ok
