"""What the drawings share: heat over a picture, contrast of text, and no borrowed private names."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dinosearch.images.drawing import look
from dinosearch.images.drawing.heat_map import heat_over, heat_scale
from tests.images.sheets import GREY


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
