"""The picture of an explanation: where lines, outline and heat lie, and what the verdict says."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from dinosearch.images.drawing.explanation_png import draw_explanation, verdict
from dinosearch.images.drawing.heat_map import heat_colours
from dinosearch.images.drawing.look import ACCENT
from dinosearch.images.drawing.pair_lines import LINES, MAX_LINES, clip, spread
from dinosearch.records import Explanation

NAMES = ("query.jpg", "result.jpg")
PURPLE, TEAL = (120, 0, 120), (0, 120, 120)
QUERY, RESULT = Image.new("RGB", (400, 300), PURPLE), Image.new("RGB", (300, 420), TEAL)
NO_PAIRS = np.zeros((0, 4), np.float32)
NOTHING = Explanation(
    score=0.34,
    without=None,
    inliers=5,
    bound=12,
    pairs=NO_PAIRS,
    outline=None,
    box=None,
    heat=(np.full((4, 5), 0.2, np.float32), np.full((6, 4), 0.8, np.float32)),
    colours=(np.full((2, 2, 3), 90, np.uint8), np.full((2, 2, 3), 90, np.uint8)),
)
SQUARE = np.array([(0.2, 0.3), (0.7, 0.2), (0.8, 0.6), (0.3, 0.7)], np.float32)
MATCHED = replace(NOTHING, score=0.91, without=0.62, inliers=34, outline=SQUARE, box=(0.2, 0.2, 0.8, 0.7))

Rectangle = tuple[int, int, int, int]


def drawn(
    explanation: Explanation,
    query: Image.Image = QUERY,
    result: Image.Image = RESULT,
    names: tuple[str, str] = NAMES,
) -> np.ndarray:
    """(height, width, 3) int of the decoded picture."""
    with Image.open(io.BytesIO(draw_explanation(explanation, query, result, names))) as image:
        assert (image.format, image.mode) == ("PNG", "RGB")
        return np.asarray(image).astype(int)


def bounds(mask: np.ndarray) -> Rectangle:
    """Left, top, width, height of the true pixels."""
    ys, xs = np.nonzero(mask)
    return int(xs.min()), int(ys.min()), int(xs.max() - xs.min() + 1), int(ys.max() - ys.min() + 1)


def found(sheet: np.ndarray, colour: tuple[int, int, int]) -> Rectangle:
    return bounds((sheet == colour).all(axis=2))


def at(sheet: np.ndarray, rectangle: Rectangle, x: float, y: float) -> tuple[int, int, int]:
    """The pixel at a place given in fractions of a rectangle."""
    left, top, width, height = rectangle
    r, g, b = sheet[int(top + y * height), int(left + x * width)].tolist()
    return r, g, b


def difference(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a != b).any(axis=2)


def luminance(colours: np.ndarray) -> np.ndarray:
    return colours @ np.array([0.2126, 0.7152, 0.0722])


def test_pictures_lie_side_by_side_with_their_aspects_and_the_same_bytes_come_again() -> None:
    sheet = drawn(MATCHED)
    assert sheet.shape[1] == 1480
    left, right = found(drawn(NOTHING), PURPLE), found(drawn(NOTHING), TEAL)
    assert left[0] + left[2] < right[0]
    for (_, _, width, height), image in ((left, QUERY), (right, RESULT)):
        assert width / height == pytest.approx(image.width / image.height, rel=0.01)
    assert draw_explanation(MATCHED, QUERY, RESULT, NAMES) == draw_explanation(MATCHED, QUERY, RESULT, NAMES)


def test_a_line_begins_and_ends_at_its_pair_in_a_colour_of_its_own() -> None:
    pairs = np.array([(0.3, 0.1, 0.6, 0.1), (0.9, 0.5, 0.2, 0.5), (0.1, 0.9, 0.7, 0.8)], np.float32)
    plain = drawn(NOTHING)
    query, result = found(plain, PURPLE), found(plain, TEAL)
    sheet = drawn(replace(NOTHING, pairs=pairs[::-1]))
    for colour, (x, y, x_result, y_result) in zip(LINES, pairs.tolist(), strict=False):
        assert at(sheet, query, x, y) == colour
        assert at(sheet, result, x_result, y_result) == colour
    # Half of the way, where the line runs over the ground between the pictures.
    x, y, x_result, y_result = pairs[1].tolist()
    ends = [
        np.array((place[0] + fx * place[2], place[1] + fy * place[3]))
        for place, fx, fy in ((query, x, y), (result, x_result, y_result))
    ]
    between = (query[0] + query[2] + result[0]) / 2
    share = (between - ends[0][0]) / (ends[1][0] - ends[0][0])
    middle = ends[0] + share * (ends[1] - ends[0])
    near = sheet[int(middle[1]) - 1 : int(middle[1]) + 2, int(between)]
    ground = plain[int(middle[1]), int(between)]
    assert np.abs(near - LINES[1]).sum(axis=1).min() < 0.5 * np.abs(ground - LINES[1]).sum()


def test_lines_leave_the_other_rows_alone() -> None:
    plain = drawn(NOTHING)
    query, result = found(plain, PURPLE), found(plain, TEAL)
    changed = bounds(difference(plain, drawn(replace(NOTHING, pairs=np.array([(0.5, 0, 0.5, 1)], np.float32)))))
    assert changed[1] >= min(query[1], result[1]) - 6
    assert changed[1] + changed[3] <= max(query[1] + query[3], result[1] + result[3]) + 6


def test_many_pairs_become_sixty_lines_and_the_caption_says_so() -> None:
    x, y = np.meshgrid(np.linspace(0.05, 0.95, 20), np.linspace(0.05, 0.95, 20))
    pairs = np.stack([x, y, x, y], axis=-1).reshape(-1, 4).astype(np.float32)
    plain, sheet = drawn(NOTHING), drawn(replace(NOTHING, pairs=pairs))
    query = found(plain, PURPLE)
    dots = sum(at(sheet, query, *pair[:2]) in LINES for pair in pairs.tolist())
    assert MAX_LINES <= dots < 1.5 * MAX_LINES, "a line may run over the place of a pair that is not drawn"
    captions = difference(plain, sheet)[: query[1] - 30]
    assert captions.any()


def test_chosen_pairs_are_spread_evenly() -> None:
    random = np.random.default_rng(3)
    pairs = np.concatenate(
        [0.5 + random.uniform(-0.01, 0.01, (1000, 4)), random.uniform(0, 1, (20, 4))], dtype=np.float32
    )
    chosen = spread(pairs)
    assert len(chosen) == MAX_LINES
    rows = {row.tobytes() for row in chosen}
    assert len(rows) == MAX_LINES <= len(rows | {row.tobytes() for row in pairs}) == 1020
    assert rows >= {row.tobytes() for row in pairs[1000:]}, "the clump does not crowd out the rest"
    assert (np.diff(chosen[:, 1]) >= 0).all()
    assert spread(pairs[:7]).tolist() == sorted(pairs[:7].tolist(), key=lambda row: (row[1], row[0]))
    assert len(spread(np.zeros((100, 4), np.float32))) == MAX_LINES


def test_outline_and_box_lie_where_the_explanation_says() -> None:
    plain, sheet = drawn(NOTHING), drawn(MATCHED)
    query, result = found(plain, PURPLE), found(plain, TEAL)
    for corner, after in zip(SQUARE, np.roll(SQUARE, -1, axis=0), strict=True):
        for share in (0.0, 0.3, 0.5):
            place = corner + share * (after - corner)
            assert at(sheet, result, *place.tolist()) == ACCENT
    assert at(sheet, result, 0.5, 0.45) == TEAL
    assert at(sheet, result, 0.2, 0.5) == (255, 255, 255), "left side of the box"
    assert at(sheet, result, 0.5, 0.7) == (255, 255, 255), "its bottom"
    # The query's own edges, framed in the same colour.
    left, top, width, height = query
    for x, y in ((left + 3, top + 3), (left + width - 4, top + 3), (left + width // 2, top + height - 4)):
        assert tuple(sheet[y, x]) == ACCENT


@pytest.mark.parametrize("reach", [1.4, 1e6, -3.0])
def test_an_outline_beyond_the_result_stays_inside_it(reach: float) -> None:
    outline = np.array([(0.4, 0.4), (reach, 0.4), (reach, 0.6), (0.4, 0.6)], np.float32)
    plain = drawn(replace(MATCHED, outline=SQUARE))
    sheet = drawn(replace(MATCHED, outline=outline))
    result = found(drawn(NOTHING), TEAL)
    changed = bounds(difference(plain, sheet))
    assert changed[0] >= result[0]
    assert changed[0] + changed[2] <= result[0] + result[2]
    assert at(sheet, result, 0.4, 0.5) == ACCENT
    beyond = (0.7, 0.1)[reach < 0]
    assert at(sheet, result, beyond, 0.4) == ACCENT
    assert at(sheet, result, 1 - beyond - 0.15, 0.4) == TEAL


def test_clipped_polygons_cover_what_lies_in_both() -> None:
    random = np.random.default_rng(5)
    y, x = (np.mgrid[:400, :400] + 0.5) / 200 - 0.5
    for _ in range(20):
        angles = np.sort(random.uniform(0, 2 * np.pi, 4))
        corners = random.uniform(0, 1, 2) + random.uniform(0.2, 1.5) * np.stack([np.cos(angles), np.sin(angles)], -1)
        inside = (x >= 0) & (x <= 1) & (y >= 0) & (y <= 1)
        for (ax, ay), (bx, by) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
            inside &= (bx - ax) * (y - ay) - (by - ay) * (x - ax) >= 0
        cut = clip(corners, (0, 0), (1, 1))
        following = np.roll(cut, -1, axis=0)
        area = (cut[:, 0] * following[:, 1] - following[:, 0] * cut[:, 1]).sum() / 2
        assert area == pytest.approx(inside.mean() * 4, abs=0.02)
    assert clip(np.array([(2.0, 2.0), (3, 2), (3, 3)]), (0, 0), (1, 1)).shape == (0, 2)


GREY = Image.new("RGB", (400, 300), (128, 128, 128))


def heat_places() -> tuple[Rectangle, Rectangle]:
    """Where the second row shows two pictures as large as GREY: the second rows that change with their brightness."""
    darker = Image.new("RGB", GREY.size, (90, 90, 90))
    mask = difference(drawn(NOTHING, GREY, GREY), drawn(NOTHING, darker, darker))
    rows = np.nonzero(mask.any(axis=1))[0]
    mask[: rows[np.nonzero(np.diff(rows) > 1)[0][0]] + 1] = False
    x, y, width, height = bounds(mask[:, : mask.shape[1] // 2])
    return (x, y, width, height), (mask.shape[1] - x - width, y, width, height)


def test_heat_grows_lighter_with_its_number_on_one_scale_for_both() -> None:
    ramp = np.linspace(0, 1, 9, dtype=np.float32)[None].repeat(3, axis=0)
    shown = drawn(replace(NOTHING, heat=(ramp, ramp * 0.5)), GREY, GREY)
    lights = []
    for x, y, width, height in heat_places():
        strip = luminance(shown[y + height // 2, x : x + width].astype(float))
        assert (np.diff(strip) >= -1).all(), "whole numbers may be rounded down"
        lights.append(strip)
    assert lights[0][-1] - lights[0][0] > 100
    assert lights[1][0] == pytest.approx(lights[0][0], abs=2)
    assert lights[1][-1] == pytest.approx(lights[0][len(lights[0]) // 2], abs=4)


def test_heat_colours_are_ordered_by_luminance_and_from_blue_to_yellow() -> None:
    colours = heat_colours(np.linspace(-0.5, 1.5, 401))
    assert (np.diff(luminance(colours[100:301])) > 0).all()
    assert (colours[:101] == colours[0]).all() and (colours[300:] == colours[-1]).all()
    # What is left without the red-green difference: the blue share falls from first to last.
    share = colours[:, 2] / colours.sum(axis=1)
    assert share[0] > 0.5 > 0.35 > share[-1]


def test_constant_heat_is_one_colour() -> None:
    flat = (np.full((3, 4), 0.7, np.float32), np.full((2, 2), 0.7, np.float32))
    with np.errstate(all="raise"):
        sheet = drawn(replace(NOTHING, heat=flat), GREY, GREY)
    for x, y, width, height in heat_places():
        assert len(np.unique(sheet[y : y + height, x : x + width].reshape(-1, 3), axis=0)) == 1


def test_patch_colours_are_shown_as_they_are() -> None:
    first = np.array([[(250, 0, 0), (0, 250, 0)], [(0, 0, 250), (250, 250, 0)]], np.uint8)
    sheet = drawn(replace(NOTHING, colours=(first, first[:, ::-1])))
    red, green = (np.argwhere((sheet == colour).all(axis=2)) for colour in first[0])
    blue = np.argwhere((sheet == first[1, 0]).all(axis=2))
    middle = sheet.shape[1] // 2
    red_left, green_left, red_right, green_right = (
        places[(places[:, 1] < middle) == of_left, 1].mean() for of_left in (True, False) for places in (red, green)
    )
    assert red_left < green_left < green_right < red_right
    assert blue[:, 0].min() > red[:, 0].max() - 1
    assert len(red) > 2 * 100 * 100


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {},
            "The same thing: 34 places agree (fewer than 12 could be chance). Similarity 0.91; "
            "0.62 without the matched part.",
        ),
        ({"without": None}, "The same thing: 34 places agree (fewer than 12 could be chance). Similarity 0.91."),
        (
            {"outline": None, "inliers": 5},
            "No common thing found: 5 places agree, 12 would be needed. Similarity 0.91.",
        ),
        (
            {"outline": None, "inliers": 1, "score": -0.001},
            "No common thing found: 1 place agrees, 12 would be needed. Similarity 0.00.",
        ),
        (
            {"outline": None, "inliers": 0, "score": -0.25},
            "No common thing found: 0 places agree, 12 would be needed. Similarity -0.25.",
        ),
    ],
)
def test_verdict_in_words(changes: dict[str, Any], words: str) -> None:
    assert verdict(replace(MATCHED, **changes)) == words


@pytest.mark.parametrize(
    "sizes",
    [((20, 20), (5000, 3000)), ((3000, 10), (10, 3000)), ((1, 1), (1, 20000)), ((20000, 1), (300, 400))],
    ids=str,
)
def test_any_size_and_aspect_is_drawn(sizes: tuple[tuple[int, int], tuple[int, int]]) -> None:
    query, result = (Image.new("RGB", size, colour) for size, colour in zip(sizes, (PURPLE, TEAL), strict=True))
    explanation = replace(MATCHED, pairs=np.array([(0.1, 0.2, 0.3, 0.4)], np.float32))
    sheet = drawn(explanation, query, result)
    assert sheet.shape[1] == 1480
    assert 500 < sheet.shape[0] < 1800
    plain = drawn(NOTHING, query, result)
    for image, colour in ((query, PURPLE), (result, TEAL)):
        _, _, width, height = found(plain, colour)
        scale = max(width, height) / max(image.size)
        assert (width, height) == tuple(max(1, round(side * scale)) for side in image.size)


def test_a_picture_of_any_size_shows_its_content_where_it_belongs() -> None:
    query = Image.new("RGB", (24, 16), PURPLE)
    ImageDraw.Draw(query).rectangle((0, 0, 11, 15), fill=(250, 250, 0))
    sheet = drawn(NOTHING, query, query.resize((4800, 3200), Image.Resampling.NEAREST))
    purple = (sheet == PURPLE).all(axis=2)
    yellow = (sheet == (250, 250, 0)).all(axis=2)
    for half in (slice(0, 740), slice(740, None)):
        assert np.nonzero(yellow[:, half])[1].max() < np.nonzero(purple[:, half])[1].min()
        assert yellow[:, half].sum() == pytest.approx(purple[:, half].sum(), rel=0.05)


def header(names: tuple[str, str]) -> np.ndarray:
    return drawn(NOTHING, names=names)[:80]


def test_names_are_shown_without_folders_and_control_characters() -> None:
    assert (header(("/a/b/query.jpg", "C:\\x\\result.jpg")) == header(NAMES)).all()
    assert (header(("a\x00\n\x1b\u202eb.jpg", "c\udce9.jpg")) == header(("a    b.jpg", "c\ufffd.jpg"))).all()
    assert (header(("other.jpg", "result.jpg")) != header(NAMES)).any()


@pytest.mark.parametrize("name", ["", "w" * 100_000 + ".jpg", "\u0301" * 50, "a" * 300, "\U0001f600" * 200], ids=len)
def test_any_name_leaves_the_margins_free(name: str) -> None:
    sheet = drawn(NOTHING, names=(name, name))
    assert sheet.shape == drawn(NOTHING).shape
    paper = sheet[0, 0]
    assert (sheet[:80, 1440:] == paper).all()
    assert difference(sheet, drawn(NOTHING))[:80].any()
