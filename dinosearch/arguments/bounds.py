"""How large a number may be, by the name of the argument."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Bounds:
    """What a number may be.

    Attributes:
        least: the smallest.
        most: the largest.
        above: the smallest is not allowed itself.
        what: in words, what is counted or measured.
    """

    least: float
    most: float = math.inf
    above: bool = False
    what: str = ""

    def holds(self, value: Any) -> bool:
        """Whether the number is allowed."""
        return bool(self.least <= value <= self.most and not (self.above and value == self.least))

    def __str__(self) -> str:
        least = f"above {self.least:g}" if self.above else f"at least {self.least:g}"
        return least if self.most == math.inf else f"{least} and at most {self.most:,g}"


SHARE = Bounds(0, 1, above=True, what="a share")
BOUNDS = {
    "k": Bounds(1, what="the number of hits wanted"),
    "outliers.k": Bounds(1, what="the number of neighbours"),
    "threshold": Bounds(-math.inf),
    "recall": SHARE,
    "workers": Bounds(1, 1024, what="the number of decoding processes"),
    "batch": Bounds(1, 65_536, what="the number of images in a forward pass"),
    "side": Bounds(1, 65_536, what="the longest side in pixels"),
    "dimensions": Bounds(1, 65_536, what="the number of principal components"),
    "power": Bounds(0, 10),
    "shrinkage": Bounds(0, 10),
    "augment": Bounds(0, 10_000, what="the number of neighbours to move towards"),
    "edges": Bounds(1, 10_000, what="the number of nearest images"),
    "truncation": Bounds(1, 1_000_000, what="the number of images around each one"),
    "timeout": Bounds(0, above=True, what="a number of seconds"),
    "retries": Bounds(0, 1000, what="the number of times to ask again"),
    "seed": Bounds(0),
    "depth": Bounds(1, what="the number of ranks"),
    "min_size": Bounds(2, what="the number of images of the smallest cluster"),
    "folds": Bounds(2, what="the number of parts"),
}
"""By the name of the argument, or of function and argument; one without may be any number but nan."""
