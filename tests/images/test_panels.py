"""Sheets of panels, numbered places, and colours over photos: where things lie and what they look like."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from dinosearch.images.drawing.look import LIGHT, TILE
from dinosearch.images.drawing.overlays import PARTS, cut_from, edges, mask_png, on_tile, parts_over, parts_png
from dinosearch.images.drawing.panels import Legend, Panel, draw_panels, panel_picture
from dinosearch.images.drawing.places_png import draw_places

RED, BLUE = (200, 30, 40), (30, 60, 200)


def opened(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("RGB"))


def boxes(sheet: np.ndarray, colour: tuple[int, int, int]) -> list[tuple[int, int]]:
    """Top left corners of the rectangles of a colour, row by row, by their middles, as corners are rounded."""
    mask = (sheet == colour).all(axis=2)
    rows = np.nonzero(mask.any(axis=1))[0]
    found = []
    for start, end in runs(rows):
        columns = np.nonzero(mask[(start + end) // 2])[0]
        found += [(left, start) for left, _ in runs(columns)]
    return found


def runs(numbers: np.ndarray) -> list[tuple[int, int]]:
    parts = np.split(numbers, np.nonzero(np.diff(numbers) > 1)[0] + 1)
    return [(int(part[0]), int(part[-1])) for part in parts if len(part)]


@pytest.mark.parametrize(("count", "columns"), [(1, 1), (2, 2), (5, 5), (6, 6), (7, 4), (8, 4), (13, 5)])
def test_photos_stand_above_what_was_made_of_them(count: int, columns: int) -> None:
    above, below = (panel_picture(Image.new("RGB", (400, 300), colour), count) for colour in (RED, BLUE))
    sheet = opened(draw_panels("A title", "Words.", [Panel((above, below), f"{i}.jpg", "note") for i in range(count)]))
    assert sheet.shape[1] == 1480
    reds, blues = boxes(sheet, RED), boxes(sheet, BLUE)
    assert len(reds) == len(blues) == count
    assert len({y for _, y in reds}) == -(-count // columns)
    for (x, y), (under, lower) in zip(reds, blues, strict=True):
        assert under == x and y + above.height < lower < y + above.height + 20


@pytest.mark.parametrize("size", [(1, 1), (3000, 10), (10, 3000), (5000, 5000)])
def test_any_size_and_name_is_drawn(size: tuple[int, int]) -> None:
    picture = panel_picture(Image.new("RGB", size, RED), 3)
    assert picture.width <= 460 and picture.height <= 650
    panels = [Panel((picture,), name) for name in ("", "x" * 5000 + ".jpg", "a\x00\u202eb\udce9.jpg")]
    sheet = opened(draw_panels("t" * 500, "w " * 600, panels, Legend([(BLUE, "m" * 30)] * 3, ("low", "high"))))
    assert (sheet[:, 1475:] == sheet[0, 0]).all(), "the margin stays free"
    assert opened(draw_panels("Nothing", "", [])).shape[1] == 1480


def test_places_lie_where_they_belong_in_both_pictures() -> None:
    first, second = Image.new("RGB", (300, 400), RED), Image.new("RGB", (500, 250), BLUE)
    pairs = np.array([(0.1, 0.2, 0.9, 0.8), (0.5, 0.5, 0.5, 0.5), (0.9, 0.9, 0.2, 0.3)])
    plain = opened(draw_places((first, second), ("a.jpg", "b.jpg"), pairs[:0], "Title", "Words"))
    sheet = opened(draw_places((first, second), ("a.jpg", "b.jpg"), pairs, "Title", "Words"))
    for colour, places in ((RED, pairs[:, :2]), (BLUE, pairs[:, 2:])):
        ys, xs = np.nonzero((plain == colour).all(axis=2))
        left, top, width, height = xs.min(), ys.min(), np.ptp(xs) + 1, np.ptp(ys) + 1
        for number, (x, y) in enumerate(places):
            column, row = round(left + x * width), round(top + y * height)
            around = sheet[row - 9 : row + 10, column - 9 : column + 10].reshape(-1, 3)
            assert (around == PARTS[number]).all(axis=1).mean() > 0.4
            ring = sheet[row - 13, column]
            assert (ring.astype(int) > 200).all(), "a light ring around it"
    assert (sheet[:100] == plain[:100]).all()


def labels() -> np.ndarray:
    grid = np.zeros((40, 60), np.uint8)
    grid[10:30, 10:30], grid[10:30, 30:50] = 1, 2
    return grid


def test_parts_are_tinted_and_the_background_is_grey() -> None:
    photo = Image.new("RGB", (60, 40), (120, 130, 120))
    shown = np.asarray(parts_over(photo, labels())).astype(int)
    assert np.ptp(shown[5, 5]) == 0
    assert shown[20, 20].argmax() == np.argmax(PARTS[0]) and shown[20, 40].argmax() == np.argmax(PARTS[1])
    assert tuple(shown[20, 29]) == LIGHT and edges(labels())[20, 29]
    assert not edges(labels())[20, 20]


def test_the_subject_keeps_its_colours() -> None:
    photo = Image.new("RGB", (60, 40), (40, 200, 90))
    shown = np.asarray(cut_from(photo, labels() > 0))
    assert tuple(shown[20, 20]) == tuple(shown[20, 30]) == (40, 200, 90)
    assert np.ptp(shown[5, 5].astype(int)) == 0
    tile = np.asarray(on_tile(np.full((40, 60, 3), 7, np.uint8), labels() == 1))
    assert tuple(tile[20, 20]) == (7, 7, 7) and tuple(tile[20, 40]) == TILE


def test_masks_hold_the_labels() -> None:
    assert (opened(mask_png(labels()))[..., 0] == np.where(labels() > 0, 255, 0)).all()
    many = np.arange(65, dtype=np.uint8)[None]
    with Image.open(io.BytesIO(parts_png(many))) as image:
        assert (np.asarray(image) == many).all()
        colours = np.asarray(image.convert("RGB"))[0]
    assert tuple(colours[0]) == (0, 0, 0) and tuple(colours[1]) == tuple(colours[1 + len(PARTS)]) == PARTS[0]
