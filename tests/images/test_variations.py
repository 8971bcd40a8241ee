"""Random variations: repeatable, inside the picture, never mirrored."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from dinosearch.images import variations
from dinosearch.images.variations import variation


def ramp(width: int = 240, height: int = 160) -> Image.Image:
    """Red grows to the right, green grows downwards."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[..., 0] = np.linspace(60, 200, width).astype(np.uint8)[None, :]
    pixels[..., 1] = np.linspace(60, 200, height).astype(np.uint8)[:, None]
    pixels[..., 2] = 120
    return Image.fromarray(pixels)


def test_the_same_state_gives_the_same_variation_and_another_state_another() -> None:
    picture = ramp()
    first, again = (variation(picture, np.random.default_rng(7)) for _ in range(2))
    assert first.size == again.size
    assert first.tobytes() == again.tobytes()
    assert variation(picture, np.random.default_rng(8)).tobytes() != first.tobytes()


def test_the_picture_is_left_as_it_is() -> None:
    picture = ramp()
    before = picture.tobytes()
    variation(picture, np.random.default_rng(0))
    assert picture.tobytes() == before


def test_it_is_an_rgb_picture_that_is_never_larger_and_loses_a_part() -> None:
    sizes = []
    for seed in range(60):
        varied = variation(ramp(), np.random.default_rng(seed))
        assert varied.mode == "RGB"
        sizes.append(varied.width * varied.height / (240 * 160))
    assert max(sizes) <= 1.01
    assert min(sizes) < 0.5 < max(sizes)
    # a crop of 40 % turned by 15 degrees fits into a picture of 3 : 2; only larger ones are made smaller
    assert min(sizes) > 0.35


def test_nothing_from_outside_the_picture_comes_into_view(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow fills with black what lies outside: a white picture that is only cut stays white."""
    monkeypatch.setattr(variations, "LIGHT", 0.0)
    white = Image.new("RGB", (200, 120), (255, 255, 255))
    for seed in range(60):
        darkest, _ = variation(white, np.random.default_rng(seed)).convert("L").getextrema()
        assert darkest >= 250


def test_it_is_never_mirrored_nor_upside_down() -> None:
    for seed in range(60):
        found = np.asarray(variation(ramp(), np.random.default_rng(seed)).convert("RGB")).astype(float)
        if np.ptp(found, axis=2).max() < 8:
            continue  # grey
        third = found.shape[1] // 3, found.shape[0] // 3
        assert found[:, -third[0] :, 0].mean() > found[:, : third[0], 0].mean()
        assert found[-third[1] :, :, 1].mean() > found[: third[1], :, 1].mean()


def test_some_are_grey_and_most_are_not() -> None:
    grey = sum(
        np.ptp(np.asarray(variation(ramp(), np.random.default_rng(seed))).astype(int), axis=2).max() < 8
        for seed in range(150)
    )
    assert 3 <= grey <= 40


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (200, 2)])
def test_the_smallest_pictures_survive(size: tuple[int, int]) -> None:
    for seed in range(10):
        assert min(variation(Image.new("RGB", size, (9, 99, 199)), np.random.default_rng(seed)).size) >= 1
