"""Contact sheets: what the page says, and where the picture shows the images."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dinosearch.images import contact_sheet, thumbnail
from dinosearch.images.drawing.thumbnails import display_name, shorten
from dinosearch.records import Hit
from tests.images.pictures import encoded
from tests.images.sheets import QUERY, hit

COLOURS = [(200, 30, 30), (30, 200, 30), (30, 30, 200)]


def hits() -> list[tuple[Hit, bytes | None]]:
    found: list[tuple[Hit, bytes | None]] = [
        (hit(i + 1, f"/photos/{i}.png", 0.9 - i / 5), encoded(Image.new("RGB", (400, 300), colour), "PNG"))
        for i, colour in enumerate(COLOURS)
    ]
    return [*found, (hit(4, "/photos/gone.png", 0.1), None), (hit(5, "/photos/broken.png", -0.2), b"text")]


def test_picture_shows_the_query_and_each_hit_in_order(tmp_path: Path) -> None:
    output = tmp_path / "sheet.png"
    contact_sheet(QUERY, hits(), output, "a query")
    with Image.open(output) as image:
        sheet = np.asarray(image.convert("RGB")).astype(int)
    places = []
    for colour in [(120, 0, 120), *COLOURS]:
        ys, xs = np.nonzero(np.abs(sheet - colour).max(axis=2) <= 2)
        places.append((xs.min(), xs.max(), ys.min(), ys.max(), len(xs)))
    query, *tiles = places
    assert query[1] - query[0] > max(right - left for left, right, *_ in tiles), "the query is largest"
    assert query[1] < tiles[0][0]
    assert [tile[0] for tile in tiles] == sorted(tile[0] for tile in tiles)
    assert all(tile[4] > 200 * 150 for tile in tiles)


def test_longer_bars_for_higher_scores(tmp_path: Path) -> None:
    lengths = []
    for score in (1.0, 0.5, 0.0, -1.0):
        contact_sheet(QUERY, [(hit(1, "/a.png", score), None)], tmp_path / "s.png", "t")
        with Image.open(tmp_path / "s.png") as image:
            lengths.append(int((np.asarray(image.convert("RGB")) == (196, 77, 44)).all(axis=2).sum()))
    assert lengths[0] > 1.8 * lengths[1] > 0
    assert lengths[2] == lengths[3] == 0


def test_page_holds_everything_and_escapes_names(tmp_path: Path) -> None:
    output = tmp_path / "sheet.html"
    evil = "/photos/<script>alert(1)</script>\" onload='x'&\udcff.png"
    contact_sheet(QUERY, [*hits(), (hit(6, evil, 0.123456), None)], output, "<b>title</b>")
    page = output.read_text(encoding="utf-8")
    assert "<script" not in page and "<b>title" not in page and "&lt;b&gt;title" in page
    assert not re.search(r'(?:src|href)="(?!data:)', page), "nothing outside the file"
    assert "prefers-color-scheme: dark" in page
    assert re.findall(r"<b>(\d+)</b>", page) == ["1", "2", "3", "4", "5", "6"]
    assert re.findall(r"<span>(-?[\d.]+)</span>", page) == ["0.900", "0.700", "0.500", "0.100", "-0.200", "0.123"]
    assert page.count("cannot be read") == 3
    sources = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', page)
    assert len(sources) == 1 + len(COLOURS)
    for source, colour in zip(sources[1:], COLOURS, strict=True):
        with Image.open(io.BytesIO(base64.b64decode(source))) as image:
            assert np.abs(np.asarray(image).astype(int).mean(axis=(0, 1)) - colour).max() < 4


@pytest.mark.parametrize("suffix", [".png", ".html"])
def test_no_hits_and_many_queries(tmp_path: Path, suffix: str) -> None:
    contact_sheet(QUERY * 6, [], tmp_path / f"sheet{suffix}", "t" * 500)
    assert (tmp_path / f"sheet{suffix}").stat().st_size > 500


def test_another_suffix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"\.png or \.html"):
        contact_sheet(QUERY, [], tmp_path / "sheet.pdf", "t")
    assert not list(tmp_path.iterdir())


def test_thumbnail_keeps_aspect_and_never_enlarges() -> None:
    assert thumbnail(Image.new("RGB", (400, 200)), 100).size == (100, 50)
    assert thumbnail(Image.new("RGB", (1, 900)), 100).size == (1, 100)
    assert thumbnail(Image.new("RGB", (40, 20)), 100).size == (40, 20)


def test_names_for_display() -> None:
    assert display_name("/a/b.tar::c/d.png") == "d.png"
    assert display_name("/a/b\udcff\n.png") == "b\N{REPLACEMENT CHARACTER} .png"
    short = shorten("a" * 50 + ".jpeg", lambda text: len(text) <= 20)
    assert len(short) == 20 and short.startswith("aaa") and short.endswith(".jpeg") and "..." in short
    assert shorten("abc", lambda text: len(text) <= 3) == "abc"
