"""What contact sheets mark: the box, how sure, the outline and the heat; pixels of the PNG, elements of the page."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dinosearch.images import contact_sheet
from dinosearch.images.drawing import look
from dinosearch.records import Hit
from tests.images.sheets import (
    BOX,
    GREY,
    LARGE,
    OUTLINE,
    PHOTO,
    QUERY,
    UNMATCHED,
    WHY,
    bounds,
    corners,
    drawn,
    hit,
    near,
    page,
    pixels,
    without_bar,
)


def test_the_box_is_framed_and_nothing_else(tmp_path: Path) -> None:
    plain = drawn(tmp_path, hit(1, "/a.png"))
    photo = bounds(near(plain, GREY))
    width, height = photo[2] - photo[0], photo[3] - photo[1]
    assert width / height == pytest.approx(3, rel=0.02)
    shown = without_bar(drawn(tmp_path, replace(hit(1, "/a.png"), box=BOX)), photo)
    frame = near(shown, look.ACCENT)
    left, top, right, bottom = bounds(frame)
    expected = (BOX[0] * width, BOX[1] * height, BOX[2] * width, BOX[3] * height)
    assert (left, top, right, bottom) == pytest.approx(expected, abs=3)
    ys, xs = np.nonzero(frame)
    to_edge = np.minimum(np.minimum(xs - left, right - 1 - xs), np.minimum(ys - top, bottom - 1 - ys))
    assert to_edge.max() <= 4, "the inside of the box is left as it is"
    middle = int((BOX[1] + BOX[3]) / 2 * height)
    assert frame[middle, left : left + 4].any() and frame[middle, right - 4 : right].any()
    assert not near(without_bar(plain, photo), look.ACCENT).any()


@pytest.mark.parametrize("box", [(0.0, 0.0, 1.0, 1.0), (0.5, 0.5, 0.5, 0.5), (float("nan"), 0.0, 1.0, 1.0)])
def test_any_box_stays_inside_its_picture(tmp_path: Path, box: tuple[float, float, float, float]) -> None:
    plain = drawn(tmp_path, hit(1, "/a.png"))
    left, top, right, bottom = bounds(near(plain, GREY))
    sheet = drawn(tmp_path, replace(hit(1, "/a.png"), box=box))
    changed = (sheet[: plain.shape[0]] != plain).any(axis=2)
    is_drawn = changed[top:bottom, left:right].any()
    assert is_drawn == (box[0] == box[0])
    changed[top:bottom, left:right] = False
    assert not changed[:, left - 40 :].any()


def test_the_frame_on_the_page_has_the_shape_of_the_picture_and_the_place_of_the_box(tmp_path: Path) -> None:
    found = page(tmp_path, [(replace(hit(1, "/a.png"), box=BOX), PHOTO)])
    (svg,) = found.named("svg")
    view = [float(number) for number in svg["viewbox"].split()]
    assert view[:2] == [0, 0] and view[2] / view[3] == 3
    polygons = found.named("polygon")
    assert [polygon["class"] for polygon in polygons] == ["dark", "accent"]
    for polygon in polygons:
        points = corners(polygon, (int(view[2]), int(view[3])))
        assert sorted(map(tuple, points.round(3).tolist())) == [(0.2, 0.1), (0.2, 0.8), (0.6, 0.1), (0.6, 0.8)]
    style = "".join(found.text("style"))
    # Image and drawing fill the same tile and keep the same aspect in it: `meet` and the middle are an svg's defaults.
    assert re.search(r"\.tile img \{[^}]*width: 100%; height: 100%; object-fit: contain", style)
    assert re.search(r"svg \{[^}]*inset: 0; width: 100%; height: 100%", style)
    assert "preserveaspectratio" not in svg and "vector-effect: non-scaling-stroke" in style


@pytest.mark.parametrize(
    ("confidence", "words"),
    [
        (0.934, "about 93 % sure it is the same"),
        (0.5, "about 50 % sure it is the same"),
        (0.9999, "over 99 % sure it is the same"),
        (1.0, "over 99 % sure it is the same"),
        (0.0, "under 1 % sure it is the same"),
        (None, None),
        (float("nan"), None),
    ],
)
def test_confidence_in_words_and_as_an_estimate(tmp_path: Path, confidence: float | None, words: str | None) -> None:
    found = page(tmp_path, [(replace(hit(1, "/a.png"), confidence=confidence), PHOTO)])
    assert found.text("sure") == ([] if words is None else [words])
    assert any("estimate" in text for text in found.text("p")) == (words is not None)
    alt = found.named("img")[1]["alt"]
    assert "score 0.500" in alt and (words or "a.png") in alt and ("sure" in alt) == (words is not None)
    plain, shown = (drawn(tmp_path, replace(hit(1, "/a.png"), confidence=value)) for value in (None, confidence))
    assert (plain.shape != shown.shape or (plain != shown).any()) == (words is not None)


def test_alternative_texts_tell_score_and_box(tmp_path: Path) -> None:
    found = page(tmp_path, [(replace(hit(3, "/p/a.png", 0.75), box=BOX), PHOTO)], box=(0.1, 0.0, 0.5, 1.0))
    query, tile = found.named("img")
    assert tile["alt"] == (
        "a.png, rank 3, score 0.750, most like the query from 20% to 60% of the width and from 10% to 80% of the height"
    )
    assert "from 10% to 50% of the width" in query["alt"]
    assert found.text("label") == ["query: the framed part"]


def test_the_part_asked_with_is_framed_on_the_query(tmp_path: Path) -> None:
    contact_sheet(QUERY, [], tmp_path / "plain.png", "t")
    contact_sheet(QUERY, [], tmp_path / "box.png", "t", box=(0.25, 0.5, 0.75, 0.9))
    left, top, right, bottom = bounds(near(pixels(tmp_path / "plain.png"), (120, 0, 120)))
    frame = bounds(near(pixels(tmp_path / "box.png"), look.ACCENT))
    width, height = right - left, bottom - top
    expected = (left + 0.25 * width, top + 0.5 * height, left + 0.75 * width, top + 0.9 * height)
    assert frame == pytest.approx(expected, abs=3)
    assert not near(pixels(tmp_path / "plain.png"), look.ACCENT).any()


def test_an_explained_hit_has_its_outline_heat_and_count(tmp_path: Path) -> None:
    found = page(tmp_path, [(hit(1, "/a.png"), PHOTO)], explained=[(WHY, LARGE)])
    dark, accent = found.named("polygon")
    assert corners(accent, (600, 200)) == pytest.approx(OUTLINE, abs=1e-3)
    shown = "".join(text for _, text in found.texts)
    assert "34" in shown and "12 are enough" in shown and "score without: 0.25" in shown
    sources = [img["src"] for img in found.named("img")]
    assert sum(source == look.data_uri(LARGE, "image/png") for source in sources) == 1
    (warm,) = [img for img in found.named("img") if img["alt"].startswith("heat map")]
    with Image.open(io.BytesIO(base64.b64decode(warm["src"].split(",")[1]))) as image:
        light = np.asarray(image.convert("L")).astype(int)
    assert light[-4, -4] > light[4, 4] + 60, "the heat grows to the bottom right"
    plain = drawn(tmp_path, hit(1, "/a.png"))
    photo = bounds(near(plain, GREY))
    sheet = drawn(tmp_path, hit(1, "/a.png"), explained=[(WHY, b"")])
    for x, y in OUTLINE:
        at = int(photo[1] + y * (photo[3] - photo[1])), int(photo[0] + x * (photo[2] - photo[0]))
        assert near(sheet[at[0] - 2 : at[0] + 3, at[1] - 2 : at[1] + 3], look.ACCENT).any()
    assert sheet.shape[0] > plain.shape[0], "what is below the name needs room"


def test_box_and_outline_together_have_two_colours_and_the_legend_names_both(tmp_path: Path) -> None:
    found = page(tmp_path, [(replace(hit(1, "/a.png"), box=BOX), PHOTO)], explained=[(WHY, b"")])
    assert [polygon["class"] for polygon in found.named("polygon")] == ["dark", "light", "dark", "accent"]
    legend = found.text("p")
    assert sum(text.startswith("White frame") for text in legend) == 1
    assert sum(text.startswith("Orange outline") for text in legend) == 1


def test_the_large_picture_opens_without_a_script_and_belongs_to_its_hit(tmp_path: Path) -> None:
    hits: list[tuple[Hit, bytes | None]] = [(hit(i, f"/{i}.png"), PHOTO) for i in (1, 2, 3, 4)]
    whys = [(WHY, LARGE + b"1"), None, (UNMATCHED, LARGE + b"3")]
    found = page(tmp_path, hits, explained=whys)
    large = [img for img in found.named("img") if img["src"].startswith("data:image/png")]
    assert [base64.b64decode(img["src"].split(",")[1]) for img in large] == [LARGE + b"1", LARGE + b"3"]
    assert large[0]["alt"].startswith("The same thing: 34 places")
    assert len(found.named("details")) == len(found.named("summary")) == 2
    summarised = [parents for tag, attributes, parents in found.elements if "tile" in (attributes.get("class") or "")]
    assert ["summary" in parents for parents in summarised] == [True, False, True, False]
    assert any("first 3 of 4 hits" in text for text in found.text("p"))
    assert "place agrees" in "".join(text for _, text in found.texts)
    assert found.named("script") == []


def test_an_explained_hit_that_cannot_be_read_keeps_its_tile(tmp_path: Path) -> None:
    found = page(tmp_path, [(replace(hit(1, "/a.png"), box=BOX), None)], explained=[None])
    assert "cannot be read" in found.text("tile")
    assert found.named("svg") == found.named("details") == []
    drawn(tmp_path, hit(1, "/a.png"), None, explained=[(WHY, LARGE)])


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nothing_but_wrong_numbers_is_drawn_without_marks(tmp_path: Path, bad: float) -> None:
    heat = (np.full((2, 2), bad, np.float32),) * 2
    broken = replace(WHY, heat=heat, outline=np.full((4, 2), bad, np.float32), without=bad)
    found = page(tmp_path, [(hit(1, "/a.png", bad), PHOTO)], explained=[(broken, b"")])
    assert found.named("polygon") == []
    photo = bounds(near(drawn(tmp_path, hit(1, "/a.png")), GREY))
    sheet = drawn(tmp_path, hit(1, "/a.png", bad), explained=[(broken, b"")])
    assert not near(without_bar(sheet, photo), look.ACCENT).any()
