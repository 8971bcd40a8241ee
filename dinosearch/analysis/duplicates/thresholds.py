"""From which cosine on two images are looked at as duplicates, for each tier and family of models.

`near-copy` decides by the pictures, so its cosine only has to let copies through; what it costs is pairs to compare.
`same-instance` has nothing else to go by: a calibrated collection says itself which score is right how often.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dinosearch.analysis.duplicates.group import NEAR_COPY, SAME_INSTANCE

if TYPE_CHECKING:
    from dinosearch.collection import Collection

MEASURED: dict[str, dict[str, float]] = {
    "mini": {NEAR_COPY: 0.7, SAME_INSTANCE: 0.97},
    "dinov2": {NEAR_COPY: 0.75, SAME_INSTANCE: 0.85},
}
"""By the first word of the checkpoint's name. `mini`: 40 photos with 14 copies each among 329 photos. From
0.7 on lie nine tenths of most kinds of copies and 1.2 % of the pairs of different photos, from 0.97 on 18 of 53,956.
Those of DINOv2 are set by judgement: its weights were not to be had."""
OTHERS = "dinov2"
"""Whose numbers a family gets that nobody has measured."""
PRECISION = 0.95
"""Share of right pairs among those of a calibrated collection's `same-instance`, as it estimates it."""


def thresholds_of(collection: Collection) -> dict[str, float]:
    """The smallest cosine of a pair by tier."""
    fingerprint = collection.info().fingerprint
    family = fingerprint.checkpoint.partition("_")[0] if fingerprint else OTHERS
    found = dict(MEASURED.get(family, MEASURED[OTHERS]))
    calibration = collection.calibration
    # A calibration of refined vectors says nothing of the model's own, which pairs are compared by.
    if calibration is not None and not collection.is_refined:
        learned = calibration.threshold(PRECISION)
        found[SAME_INSTANCE] = found[SAME_INSTANCE] if learned is None else learned
    return found
