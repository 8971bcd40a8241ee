"""Which cosine means a copy, for each family of models; measured by `scripts/bench_curate.py --part thresholds`.

LVD-142M's 0.6 and 0.45 are cosines of SSCD vectors, which were trained to tell copies apart. Vectors that were trained
to see what a picture shows are much nearer to each other: see docs/benchmarks.md#curation.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Thresholds:
    """Smallest cosines.

    Attributes:
        copies: of two copies within the pool.
        against: of an image and a reference that it is too near to; smaller, as an image too many costs less there.
    """

    copies: float
    against: float


MEASURED = {
    "mini": Thresholds(0.97, 0.95),
    "dinov2": Thresholds(0.97, 0.95),
}
"""By the first word of the checkpoint's name. `copies` is the smallest hundredth that at most 3 in 100 photos have
another photo at, of 2,233 for `mini` and of 1,326 and 1,274 for DINOv2 ViT-S/14; `against` likewise with 6 in 100."""


def thresholds_of(checkpoint: str) -> Thresholds | None:
    """What was measured for the family of a checkpoint, such as `dinov2_vits14`; None where nothing was."""
    return MEASURED.get(checkpoint.partition("_")[0])
