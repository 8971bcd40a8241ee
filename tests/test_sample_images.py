"""sample_images/ is what scripts/make_sample_images.py makes: complete, small, dated, all different, reproducible."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from itertools import combinations
from pathlib import Path

import make_sample_images
import numpy as np
import pytest
from PIL import Image

from render.random_scene import random_views

FOLDER = Path(__file__).resolve().parents[1] / "sample_images"
FILES = sorted(FOLDER.rglob("*.jpg"))
EXIF_IFD, MAKE, MODEL, TAKEN = 0x8769, 0x010F, 0x0110, 0x9003


def test_at_least_14_landmarks_in_6_views_and_20_others() -> None:
    counts = Counter(path.parent.name for path in FILES)
    assert counts.pop("other") == 20
    assert len(counts) >= 14
    assert set(counts.values()) == {6}
    for path in FILES:
        assert path.stem.rpartition("_")[0] == path.parent.name


def test_the_folder_holds_exactly_what_the_script_makes() -> None:
    assert [path.relative_to(FOLDER).as_posix() for path in FILES] == sorted(make_sample_images.names())


def test_the_folder_is_small_and_says_that_it_is_free() -> None:
    assert sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()) < 8_000_000
    assert "CC0" in (FOLDER / "README.md").read_text(encoding="utf-8")


def test_every_picture_opens_as_a_small_photo_with_camera_and_date() -> None:
    shapes, years, models = set(), set(), set()
    for path in FILES:
        with Image.open(path) as picture:
            picture.load()
            assert picture.format == "JPEG" and picture.mode == "RGB", path.name
            assert 200 <= min(picture.size) and max(picture.size) <= 480, path.name
            # A blank or nearly blank picture would open just as well.
            assert np.asarray(picture, dtype=np.float32).std() > 15, path.name
            shapes.add("upright" if picture.height > picture.width else "wide")
            tags = picture.getexif()
            assert tags[MAKE], path.name
            models.add(tags[MODEL])
            years.add(datetime.strptime(tags.get_ifd(EXIF_IFD)[TAKEN], "%Y:%m:%d %H:%M:%S").year)
    assert shapes == {"upright", "wide"}
    assert years == set(range(2019, 2026))
    assert len(models) > 1


def test_no_two_pictures_are_alike() -> None:
    small = []
    for path in FILES:
        with Image.open(path) as picture:
            small.append(np.asarray(picture.convert("RGB").resize((32, 32)), dtype=np.float32).ravel())
    for (a, first), (b, second) in combinations(zip(FILES, small, strict=True), 2):
        assert np.abs(first - second).mean() > 3, f"{a.name} and {b.name} are nearly the same"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["windmill/windmill_1.jpg", "temple/temple_3.jpg", "other/other_02.jpg"])
def test_a_picture_made_again_is_the_same_and_is_the_stored_one(name: str) -> None:
    first, second = (np.asarray(make_sample_images.make(name, 0.25)) for _ in range(2))
    assert np.array_equal(first, second)
    height, width = first.shape[:2]
    likeness = {path: _psnr(first, path, (width, height)) for path in FILES}
    assert max(likeness, key=lambda path: likeness[path]) == FOLDER / name
    # Measured 22.7 to 28.0 dB (fewer rays, other grain than at full size); the nearest other picture has 15 to 17.
    assert likeness[FOLDER / name] > 18


def test_the_tags_are_those_that_the_script_draws() -> None:
    for path in FILES:
        with Image.open(path) as picture:
            stored, drawn = picture.getexif(), make_sample_images.exif(path.relative_to(FOLDER).as_posix())
            assert (stored[MAKE], stored[MODEL]) == (drawn[MAKE], drawn[MODEL])
            assert stored.get_ifd(EXIF_IFD)[TAKEN] == drawn.get_ifd(EXIF_IFD)[TAKEN]


def test_random_views_keep_their_seed_and_differ_between_seeds() -> None:
    first, again, other = (random_views(seed, 2, 64, 48) for seed in (5, 5, 6))
    for a, b in zip(first, again, strict=True):
        assert a.shape == (48, 64, 3) and a.dtype == np.uint8
        assert np.array_equal(a, b)
    assert not np.array_equal(first[0], first[1])
    assert np.abs(first[0].astype(int) - other[0].astype(int)).mean() > 3


def _psnr(made: np.ndarray, path: Path, size: tuple[int, int]) -> float:
    """Peak signal-to-noise ratio in dB of a small rendering against a stored picture reduced to its size."""
    with Image.open(path) as picture:
        stored = np.asarray(picture.convert("RGB").resize(size, Image.Resampling.BOX), dtype=np.float64)
    return float(10 * np.log10(255**2 / np.mean((made.astype(np.float64) - stored) ** 2)))
