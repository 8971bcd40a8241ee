"""Mosaics: what the page says, where the picture shows the images, and what cannot be read."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dinosearch.images import Piece, Row, mosaic, write_mosaic
from tests.images.pictures import encoded

RED, GREEN, BLUE = (200, 30, 30), (30, 200, 30), (30, 30, 200)


def rows(folder: Path) -> list[Row]:
    Image.new("RGB", (400, 300), RED).save(folder / "red.png")
    return [
        Row(
            "first",
            [Piece(str(folder / "red.png"), note="0.9"), Piece(encoded(Image.new("RGB", (40, 400), GREEN), "PNG"))],
        ),
        Row("<i>second", [Piece(Image.new("RGB", (400, 300), BLUE), "<b>blue", marked=True)], "1 image"),
        Row("gone", [Piece(str(folder / "gone.png")), Piece(b"text", "broken"), Piece(None)]),
        Row("empty", []),
    ]


def test_pictures_stand_in_their_rows(tmp_path: Path) -> None:
    write_mosaic(rows(tmp_path), tmp_path / "m.png", "a title", "a note " * 60)
    with Image.open(tmp_path / "m.png") as image:
        sheet = np.asarray(image.convert("RGB")).astype(int)
    assert sheet.shape[1] == 1496
    places = []
    for colour in (RED, GREEN, BLUE):
        ys, xs = np.nonzero(np.abs(sheet - colour).max(axis=2) <= 2)
        places.append((xs.min(), xs.max(), ys.min(), ys.max()))
    red, green, blue = places
    assert red[1] < green[0] and red[2] < green[3], "beside each other"
    assert abs((red[2] + red[3]) - (green[2] + green[3])) <= 2
    assert red[3] < blue[2] and abs(blue[0] - red[0]) <= 3, "below, on the same left edge"
    assert red[1] - red[0] > 180 and green[3] - green[2] > 130
    frame = (np.abs(sheet - (196, 77, 44)).max(axis=2) <= 1).sum()
    assert frame > 4 * 300


def test_pieces_wrap(tmp_path: Path) -> None:
    Image.new("RGB", (40, 30), RED).save(tmp_path / "red.png")
    heights = []
    for count in (7, 8, 21):
        write_mosaic([Row("t", [Piece(str(tmp_path / "red.png"))] * count)], tmp_path / "m.png", "t")
        with Image.open(tmp_path / "m.png") as image:
            heights.append(image.height)
    assert heights[2] - heights[1] == heights[1] - heights[0] > 100


def test_page_holds_everything_and_escapes_names(tmp_path: Path) -> None:
    page = mosaic(rows(tmp_path), "<b>title", suffix=".html").decode()
    assert "<b>title" not in page and "&lt;b&gt;title" in page and "<b>blue" not in page and "<i>second" not in page
    assert not re.search(r'(?:src|href)="(?!data:)', page), "nothing outside the file"
    assert (
        page.count("data:image/jpeg") == 3 and page.count("cannot be read") == 3 and page.count('class="marked"') == 1
    )
    assert page.count("<section>") == 4 and page.count("<p>none</p>") == 1


@pytest.mark.parametrize("suffix", [".png", ".html"])
def test_nothing_to_show(suffix: str) -> None:
    assert len(mosaic([], "t", suffix=suffix)) > 300
    with pytest.raises(ValueError, match=r"\.png or \.html"):
        mosaic([], "t", suffix=".gif")
