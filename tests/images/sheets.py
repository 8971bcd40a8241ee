"""Contact sheets of one plain picture, drawn and read back: pixels of the PNG, elements of the page."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from dinosearch.images import contact_sheet
from dinosearch.records import Explanation, Hit
from tests.images.pictures import encoded

QUERY = [Image.new("RGB", (400, 300), (120, 0, 120))]
# Greyish pictures of another aspect than the tiles, so that no pixel of them is like a mark.
WIDE, GREY = (600, 200), (90, 100, 110)
PHOTO = encoded(Image.new("RGB", WIDE, GREY), "PNG")
BOX = (0.2, 0.1, 0.6, 0.8)
OUTLINE = np.array([(0.1, 0.2), (0.8, 0.1), (0.9, 0.9), (0.2, 0.7)], np.float32)
WHY = Explanation(
    score=0.9,
    without=0.25,
    inliers=34,
    bound=12,
    pairs=np.zeros((0, 4), np.float32),
    outline=OUTLINE,
    box=(0.1, 0.1, 0.9, 0.9),
    heat=(np.full((2, 6), 0.5, np.float32), np.linspace(0.1, 0.9, 12, dtype=np.float32).reshape(2, 6)),
    colours=(np.full((2, 2, 3), 90, np.uint8), np.full((2, 2, 3), 90, np.uint8)),
)
UNMATCHED = replace(WHY, without=None, inliers=1, outline=None, box=None)
LARGE = b"\x89PNG a large picture"


def hit(rank: int, path: str, score: float = 0.5) -> Hit:
    return Hit(rank, score, rank, path, 40, 30, "PNG", 100)


def pixels(output: Path) -> np.ndarray:
    with Image.open(output) as image:
        return np.asarray(image.convert("RGB")).astype(int)


def near(sheet: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    return np.abs(sheet - colour).max(axis=2) <= 6


def bounds(mask: np.ndarray) -> tuple[int, int, int, int]:
    """Left, top, right, bottom (exclusive) of the true pixels."""
    ys, xs = np.nonzero(mask)
    return int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1


def drawn(tmp_path: Path, found: Hit, data: bytes | None = PHOTO, **more: Any) -> np.ndarray:
    contact_sheet(QUERY, [(found, data)], tmp_path / "sheet.png", "t", **more)
    return pixels(tmp_path / "sheet.png")


class Page(HTMLParser):
    """Every element with its attributes, and the text by the class of the element that it stands in."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None], tuple[str, ...]]] = []
        self.open: list[tuple[str, str]] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(page)
        assert self.open == [], "every element is closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self.elements.append((tag, attributes, tuple(name for name, _ in self.open)))
        if tag not in {"meta", "img"}:
            self.open.append((tag, attributes.get("class") or ""))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs), tuple(name for name, _ in self.open)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        if self.open:
            self.texts.append((self.open[-1][1] or self.open[-1][0], data))

    def named(self, tag: str) -> list[dict[str, str]]:
        return [{key: value or "" for key, value in found.items()} for name, found, _ in self.elements if name == tag]

    def text(self, kind: str) -> list[str]:
        return [data for name, data in self.texts if name == kind]


def page(tmp_path: Path, hits: list[tuple[Hit, bytes | None]], **more: Any) -> Page:
    contact_sheet(QUERY, hits, tmp_path / "sheet.html", "t", **more)
    return Page((tmp_path / "sheet.html").read_text(encoding="utf-8"))


def corners(polygon: dict[str, str], size: tuple[int, int]) -> np.ndarray:
    return np.array([point.split(",") for point in polygon["points"].split()], float) / size


def without_bar(sheet: np.ndarray, photo: tuple[int, int, int, int]) -> np.ndarray:
    """Only the picture: the bar below has the colour of the frame."""
    left, top, right, bottom = photo
    return sheet[top:bottom, left:right]
