"""Contact sheets: what the page says, and where the picture shows the images."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dinosearch.images import contact_sheet, look, thumbnail
from dinosearch.images.heat_map import heat_over, heat_scale
from dinosearch.images.thumbnail import display_name, shorten
from dinosearch.records import Explanation, Hit
from tests.images.pictures import encoded


def hit(rank: int, path: str, score: float = 0.5) -> Hit:
    return Hit(rank, score, rank, path, 40, 30, "PNG", 100)


COLOURS = [(200, 30, 30), (30, 200, 30), (30, 30, 200)]
QUERY = [Image.new("RGB", (400, 300), (120, 0, 120))]


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


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_heat_that_is_no_number_is_left_grey_and_changes_nothing_else(bad: float) -> None:
    picture = Image.new("RGB", (120, 40), GREY)
    heat = np.full((4, 12), 0.5, np.float32)
    heat[0, 0] = 0.0
    heat[0, 11] = 1.0
    holed = heat.copy()
    holed[2:, 5:7] = bad
    assert heat_scale([holed]) == heat_scale([heat]) == (0.0, 1.0)
    with np.errstate(all="raise"):
        whole, shown = (np.asarray(heat_over(picture, of, (0.0, 1.0))).astype(int) for of in (heat, holed))
    hole = shown[30:, 55:65]
    assert (hole == hole[..., :1]).all(), "grey"
    far = np.ones(shown.shape[:2], bool)
    far[10:, 40:80] = False
    assert (shown[far] == whole[far]).all()
    # Half a patch around the hole the neighbours' heat is seen as it is, not drawn to another value.
    assert np.abs(shown[25, 45] - whole[25, 45]).max() <= 1


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nothing_but_wrong_numbers_is_drawn_without_marks(tmp_path: Path, bad: float) -> None:
    heat = (np.full((2, 2), bad, np.float32),) * 2
    broken = replace(WHY, heat=heat, outline=np.full((4, 2), bad, np.float32), without=bad)
    found = page(tmp_path, [(hit(1, "/a.png", bad), PHOTO)], explained=[(broken, b"")])
    assert found.named("polygon") == []
    photo = bounds(near(drawn(tmp_path, hit(1, "/a.png")), GREY))
    sheet = drawn(tmp_path, hit(1, "/a.png", bad), explained=[(broken, b"")])
    assert not near(without_bar(sheet, photo), look.ACCENT).any()


def test_text_on_its_ground_is_readable() -> None:
    def luminance(colour: tuple[int, int, int]) -> float:
        linear = [s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in (c / 255 for c in colour)]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for text, ground in ((look.INK, look.PAPER), (look.INK, look.TILE), (look.MUTED, look.PAPER)):
        assert (luminance(ground) + 0.05) / (luminance(text) + 0.05) >= 4.5, "WCAG 2.2, 1.4.3"


def test_no_drawing_takes_private_names_of_another() -> None:
    folder = Path(look.__file__).parent
    taken = re.findall(
        r"from dinosearch\.images\.\w+ import .*\b_\w+", "".join(p.read_text() for p in folder.glob("*.py"))
    )
    assert taken == []
