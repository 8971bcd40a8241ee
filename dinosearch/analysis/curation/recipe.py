"""What a curation is asked to do: the settings of its steps, and what they are where nobody says."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from dinosearch.advice import run
from dinosearch.analysis.curation.thresholds import thresholds_of
from dinosearch.analysis.duplicates.keeping import Keep
from dinosearch.analysis.neighbours import USUAL
from dinosearch.errors import SettingError

METHODS = ("sample", "cluster", "both")


@dataclass(frozen=True)
class CurationRecipe:
    """Settings of all steps; figures in brackets are LVD-142M's (DINOv2, arXiv 2304.07193, appendix A).

    Attributes:
        threshold: cosine from which two images of the pool are copies; None takes the measured one of the model (0.6,
            of SSCD vectors).
        against_threshold: cosine from which an image is too near to a reference; None likewise (0.45, of SSCD).
        neighbours: that each image of the pool is compared with (64).
        keep: which of several copies stays: rules as `dinosearch.analysis.duplicates` has them.
        method: `sample` keeps the nearest of each seed, `cluster` samples from the clusters that seeds lie in, `both`
            does the one and the other.
        per_seed: images that each seed retrieves (4; 32 for a set of 1.2 million).
        clusters: of the k-means; None for 4 times the root of the images that are left (100,000 of 744 million, which
            is 3.7 times), at least 10 images each.
        seeds_above: a cluster counts with more seeds than this (3).
        per_cluster: images sampled from a cluster that counts, at most (10,000).
        cap: images kept, at most (1 million a set); None for no limit.
        seed: of what is left to chance.
        where: only images of the pool that match (docs/filters.md); None for all.
    """

    threshold: float | None = None
    against_threshold: float | None = None
    neighbours: int = USUAL
    keep: tuple[str, ...] = ("largest",)
    method: str = "sample"
    per_seed: int = 4
    clusters: int | None = None
    seeds_above: int = 3
    per_cluster: int = 10_000
    cap: int | None = None
    seed: int = 0
    where: str | None = None

    def __post_init__(self) -> None:
        for name in ("threshold", "against_threshold"):
            value = getattr(self, name)
            if value is not None and not -1 < value <= 1:
                raise SettingError(f"{name} is a cosine above -1 and up to 1, not {value}; leave it out for the usual")
        for name in ("neighbours", "per_seed", "clusters", "per_cluster", "cap"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise SettingError(f"{name} is at least 1, not {value}; leave it out for the usual")
        if self.seeds_above < 0 or self.seed < 0:
            raise SettingError(f"seeds_above and seed are not negative, not {self.seeds_above} and {self.seed}")
        if self.method not in METHODS:
            raise SettingError(f"method {self.method!r} is not one of {', '.join(METHODS)}")
        Keep(self.keep)

    def settled(self, checkpoint: str, *, against: bool) -> CurationRecipe:
        """The same with the thresholds of the model where none are given.

        Args:
            checkpoint: name of the model.
            against: whether there are references; without them nothing needs their threshold.

        Raises:
            SettingError: nobody has measured them for this model.
        """
        copies, near = self.threshold, self.against_threshold
        if copies is None or near is None:
            known = thresholds_of(checkpoint)
            if known is None and (copies is None or against):
                raise SettingError(
                    f"nobody has measured which cosine means a copy for {checkpoint}; look at pairs with: ",
                    run("duplicates"),
                    f", then say it with: --threshold{' and --against-threshold' if against else ''}",
                )
            copies = copies if copies is not None else known.copies if known else None
            near = near if near is not None else known.against if known else copies
        return dataclasses.replace(self, threshold=copies, against_threshold=near)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {**dataclasses.asdict(self), "keep": list(self.keep)}
