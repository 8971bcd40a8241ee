"""Turned and painted views against plain geometry."""

from __future__ import annotations

import numpy as np
from PIL import Image

from dinosearch.images import painted_over, turned
from dinosearch.images.resizing import MEAN_COLOUR


def test_a_right_angle_turns_clockwise() -> None:
    pixels = np.zeros((40, 40, 3), np.uint8)
    pixels[5:10, 20:25] = 255  # above the centre
    found = np.asarray(turned(Image.fromarray(pixels), 90)).astype(int)
    assert found[20:25, 30:35].min() > 200  # now right of it
    assert found[5:10, 20:25].max() < 50


def test_corners_that_come_into_view_have_the_mean_colour() -> None:
    found = turned(Image.new("RGB", (60, 40), (255, 255, 255)), 30)
    assert found.size == (60, 40)
    assert found.getpixel((0, 0)) == MEAN_COLOUR
    assert found.getpixel((30, 20)) == (255, 255, 255)


def test_no_turn_is_the_image_itself() -> None:
    image = Image.new("RGB", (6, 4))
    assert turned(image, 0) is image


def test_a_part_is_painted_over_also_beyond_the_edges() -> None:
    image = Image.new("RGB", (100, 50), (255, 255, 255))
    found = painted_over(image, np.array([[-1, -1], [0.5, -1], [0.5, 2], [-1, 2]]))
    assert found.getpixel((10, 25)) == MEAN_COLOUR
    assert found.getpixel((90, 25)) == (255, 255, 255)
    assert image.getpixel((10, 25)) == (255, 255, 255)
