"""What a contact sheet shows of a query and its hits: words and outlines that all its drawings share; no layout."""

from __future__ import annotations

import math
from dataclasses import dataclass

from PIL import Image

from dinosearch.images.drawing.heat_map import heat_scale
from dinosearch.images.drawing.look import ACCENT, LIGHT, hundredths
from dinosearch.images.drawing.pair_lines import Shape, corners_of
from dinosearch.images.drawing.thumbnails import display_name
from dinosearch.records import Explanation, Hit

Box = tuple[float, float, float, float]
"""Left, top, right, bottom as fractions of the upright image."""


@dataclass(frozen=True)
class Tile:
    """One hit.

    Attributes:
        hit: what was found.
        picture: RGB; None where it cannot be read.
        why: its comparison with the query; None where it was not explained.
        large: encoded PNG of that comparison, empty without one.
    """

    hit: Hit
    picture: Image.Image | None
    why: Explanation | None = None
    large: bytes = b""

    @property
    def sure(self) -> str:
        """The estimate that it shows the same thing in words; empty without one."""
        confidence = self.hit.confidence
        if confidence is None or not math.isfinite(confidence):
            return ""
        # Nothing estimated is certain: neither end is named.
        percent = "over 99" if confidence > 0.99 else "under 1" if confidence < 0.01 else f"about {confidence:.0%}"[:-1]
        return f"{percent} % sure it is the same"

    @property
    def share(self) -> float:
        """The score as the filled part of a bar, 0..1."""
        score = self.hit.score
        return min(max(score, 0.0), 1.0) if math.isfinite(score) else 0.0

    @property
    def marks(self) -> dict[str, Shape]:
        """What is outlined on the picture, by what it means, the later ones on top."""
        box = _finite(self.hit.box)
        if self.why is None or self.why.outline is None:
            return (
                {}
                if box is None
                else {"Orange frame: the part of the hit that is most like the query.": (corners_of(box), ACCENT)}
            )
        outline = {"Orange outline: the edges of the query, found again in the hit.": (self.why.outline, ACCENT)}
        compared = {} if box is None else {"White frame: the part that was compared.": (corners_of(box), LIGHT)}
        return {**compared, **outline}

    @property
    def described(self) -> str:
        """The picture in words, for those who do not see it."""
        words = [display_name(self.hit.path), f"rank {self.hit.rank}", f"score {self.hit.score:.3f}", self.sure]
        if self.hit.box is not None:
            words.append(f"most like the query {extent(self.hit.box)}")
        if self.why is not None and self.why.box is not None:
            words.append(f"the query is seen {extent(self.why.box)}")
        return ", ".join(filter(None, words))


@dataclass(frozen=True)
class Sheet:
    """A query and its hits.

    Attributes:
        title: one line.
        query: RGB pictures that were asked with.
        tiles: the hits in order.
        box: the part of the one query picture that was asked with; None for all of it.
        asked_why: so many of the first hits were to be explained.
    """

    title: str
    query: list[Image.Image]
    tiles: list[Tile]
    box: Box | None = None
    asked_why: int = 0

    @property
    def label(self) -> str:
        """What stands below the query."""
        if len(self.query) > 1:
            return f"query: {len(self.query)} images combined"
        return "query" if self.box is None else "query: the framed part"

    @property
    def shapes(self) -> list[Shape]:
        """What is outlined on the query."""
        return [] if self.box is None else [(corners_of(self.box), ACCENT)]

    @property
    def explained(self) -> list[Tile]:
        """Tiles that show why."""
        return [tile for tile in self.tiles if tile.why is not None and tile.picture is not None]

    @property
    def scale(self) -> tuple[float, float]:
        """Ends of the heat's scale, one for all hits."""
        return heat_scale(tile.why.heat[1] for tile in self.explained if tile.why is not None)

    @property
    def legend(self) -> list[str]:
        """What the marks mean, as far as they are on the sheet; a paragraph each."""
        texts = dict.fromkeys(mark for tile in self.tiles if tile.picture is not None for mark in tile.marks)
        if any(tile.sure for tile in self.tiles):
            texts["“Sure” is an estimate, made from the score: how likely both show the same thing."] = None
        if self.explained:
            texts["Places agree where they look alike and also lie alike in both pictures."] = None
            if any(tile.why is not None and tile.why.without is not None for tile in self.explained):
                texts["Score without: what it would be with the outlined part painted over."] = None
            compared = "the first image of the query" if len(self.query) > 1 else "the query"
            if self.asked_why < len(self.tiles):
                texts[f"The first {self.asked_why} of {len(self.tiles)} hits are compared with {compared}."] = None
            elif len(self.query) > 1:
                texts[f"The hits are compared with {compared}."] = None
        return list(texts)


def agreement(why: Explanation) -> tuple[str, list[str]]:
    """How many places agree, and what that means on short lines."""
    lines = ["place agrees" if why.inliers == 1 else "places agree"]
    lines.append(f"{why.bound} are {'enough' if why.matched else 'needed'}")
    if why.without is not None and math.isfinite(why.without):
        lines.append(f"score without: {hundredths(why.without)}")
    return str(why.inliers), lines


def extent(box: Box) -> str:
    """A box in words; what is not finite counts as the image's edge."""
    left, top, right, bottom = _finite(box) or (0.0, 0.0, 1.0, 1.0)
    return f"from {left:.0%} to {right:.0%} of the width and from {top:.0%} to {bottom:.0%} of the height"


def _finite(box: Box | None) -> Box | None:
    return box if box is not None and all(map(math.isfinite, box)) else None
