"""What a query asks beside its images: how many answers, which may be answered, and how they are ranked."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from numbers import Real
from typing import TYPE_CHECKING

from dinosearch.errors import SettingError

if TYPE_CHECKING:
    from dinosearch.retrieval import Rerank
    from dinosearch.store import Filter

DEFAULT = "balanced"
"""What a query is ranked by when it does not say: it gains where a thing has many photos and where it has few
(docs/benchmarks.md), for some milliseconds. Who asks for exact search wants the nearest vectors and gets those."""
Box = tuple[float, float, float, float]
"""Left, top, right, bottom."""


@dataclass(frozen=True)
class Asked:
    """The arguments of `Collection.query`, which explains them.

    Raises:
        SettingError: a stage, preset or precision that does not exist.
    """

    k: int = 10
    where: str | None = None
    threshold: float | None = None
    precision: float | None = None
    exact: bool = False
    unique: bool = False
    include_self: bool = False
    rerank: str | None = "fast"
    box: Box | None = None
    regions: bool | None = None

    def __post_init__(self) -> None:
        if self.precision is not None and not 0 < self.precision < 1:
            raise SettingError(f"precision {self.precision:g} is no share between 0 and 1, such as: --precision 0.95")
        _ = self.plan, self.filter  # refused before anything is loaded

    @cached_property
    def plan(self) -> Rerank:
        """The stages behind the first ranking."""
        from dinosearch.retrieval import Rerank

        try:
            return Rerank.parse(self.rerank or ("fast" if self.exact else DEFAULT))
        except ValueError as error:
            raise SettingError(f"{error}; leave it out for: --rerank balanced") from None

    @cached_property
    def filter(self) -> Filter | None:
        """`where`, parsed."""
        if not self.where:
            return None
        from dinosearch.store import parse_filter

        return parse_filter(self.where)


def four_sides(box: Box) -> list[float]:
    """The numbers of a box.

    Raises:
        SettingError: these are not four numbers.
    """
    if len(box) != 4 or not all(isinstance(number, Real) for number in box):
        raise SettingError(f"{box!r} is no box; give left, top, right, bottom, such as: (0.2, 0.1, 0.6, 0.8)")
    return [float(side) for side in box]


def box_within(box: Box, width: int, height: int) -> Box:
    """A box in pixels or fractions as fractions of an image of that size, cut to it.

    Numbers that are all at most 1 are fractions, others pixels of the upright image.

    Raises:
        SettingError: these are not four numbers, right is not beyond left, bottom not below top, a number is none, or
            nothing of it is inside.
    """
    four_sides(box)
    shown = ",".join(f"{number:g}" for number in box)
    sides = (1.0, 1.0) if max(box) <= 1 else (float(width), float(height))
    left, right = (min(max(box[i] / sides[0], 0.0), 1.0) for i in (0, 2))
    top, bottom = (min(max(box[i] / sides[1], 0.0), 1.0) for i in (1, 3))
    if not (box[0] < box[2] and box[1] < box[3]):
        raise SettingError(f"box {shown} has no area; give left,top,right,bottom, such as: --box 0.2,0.1,0.6,0.8")
    if not (left < right and top < bottom):
        raise SettingError(f"box {shown} lies outside of the image of {width} x {height} pixels; give one inside")
    return left, top, right, bottom
