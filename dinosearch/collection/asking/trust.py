"""Which scores are good enough to answer, and how sure they make: thresholds and the collection's calibration."""

from __future__ import annotations

from dataclasses import dataclass

from dinosearch.advice import run
from dinosearch.collection.opened import OpenedHome
from dinosearch.errors import SettingError
from dinosearch.records import Calibration

SETTING = "calibration"


@dataclass(frozen=True)
class Trust:
    """What a score is worth.

    Attributes:
        threshold: smallest score to answer; None for all.
        calibration: estimates by score; None where the collection is not calibrated.
    """

    threshold: float | None = None
    calibration: Calibration | None = None

    @classmethod
    def of(cls, opened: OpenedHome, threshold: float | None, precision: float | None) -> Trust:
        """What the collection knows of its scores.

        Raises:
            SettingError: a precision without a calibration, or one that no score reaches.
        """
        calibration = calibration_of(opened)
        if precision is not None:
            if calibration is None:
                raise SettingError(
                    "a precision needs a calibrated collection; calibrate it once with: ",
                    run("calibrate", of=opened.named),
                )
            least = calibration.threshold(precision)
            if least is None:
                raise SettingError(
                    f"no score of this collection is right so often as {precision:g}; ask for less, or give verdicts "
                    "with: ",
                    run("confirm", "QUERY", "RESULT"),
                )
            threshold = least if threshold is None else max(threshold, least)
        return cls(threshold, calibration)

    def accepts(self, score: float) -> bool:
        """Whether the score is high enough."""
        return self.threshold is None or score >= self.threshold

    def confidence(self, score: float) -> float | None:
        """Estimate that a hit with this score shows the same instance; None without a calibration."""
        return None if self.calibration is None else self.calibration.confidence(score)


def calibration_of(opened: OpenedHome) -> Calibration | None:
    """The calibration of the vectors that answer queries now; one of other vectors does not count."""
    stored = opened.setting(SETTING)
    if not stored:
        return None
    calibration = Calibration.from_dict(stored)
    generation = opened.answering()[0].generation
    return calibration if calibration.generation == generation.number else None
