"""Near copies: what was made from a photo is found, other photos are not, and what was said of pairs is remembered."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dinosearch import Collection
from dinosearch.analysis.duplicates import Keep, Scope, find_duplicates
from dinosearch.analysis.duplicates.likeness import change, compare
from dinosearch.analysis.duplicates.pyramid import Pyramid, inverse
from dinosearch.errors import SettingError
from tests.analysis.duplicate_homes import COPIES, another_shot, photo
from tests.conftest import FakeEmbedder


def pyramid(image: Image.Image) -> Pyramid:
    return Pyramid(np.array(image.convert("RGB").resize((256, 256), Image.Resampling.BICUBIC)), image.size)


@pytest.mark.parametrize("kind", COPIES)
def test_a_copy_is_one_either_way(kind: str) -> None:
    original = photo(1)
    one, other = pyramid(original), pyramid(COPIES[kind](original))
    for pair in ((one, other), (other, one)):
        found = compare(*pair)
        assert found is not None and found.is_copy


def test_where_a_part_was_cut_is_found() -> None:
    original = photo(2)
    box = (30, 20, 290, 215)
    one, part = pyramid(original), pyramid(original.crop(box))
    found = compare(one, part)
    assert found is not None and found.is_copy
    corners = np.array([[-1, 1], [-1, 1], [1, 1]], float)  # of the part, as columns: left top, right bottom
    placed = (inverse(found.matrix) @ corners).T
    wanted = np.array([[box[0] / 160, box[1] / 120], [box[2] / 160, box[3] / 120]]) - 1
    assert np.abs(placed - wanted).max() < 0.01
    assert change(found.matrix, original.size, (260, 195)) == f"{260 * 195 / 320 / 240:.0%} of it".replace("%", " %")
    back = change(inverse(found.matrix), (260, 195), original.size)
    assert back == "with more around it"


def test_changes_in_words() -> None:
    original = photo(3)
    said = {}
    for kind in ("mirrored", "quarter", "grey", "turned"):
        copy = COPIES[kind](original)
        found = compare(pyramid(original), pyramid(copy))
        assert found is not None
        said[kind] = change(found.matrix, original.size, copy.size)
    assert said == {"mirrored": "mirrored", "quarter": "turned 90°", "grey": "", "turned": "turned 4°"}


def test_other_photos_and_another_shot_are_none() -> None:
    pairs = [(photo(seed), photo(seed + 50)) for seed in range(3)] + [another_shot(seed) for seed in range(5)]
    for one, other in pairs:
        found = compare(pyramid(one), pyramid(other))
        assert found is None or not found.is_copy


def test_few_edges_at_the_same_places_are_none(tmp_path: Path) -> None:
    """Boards of random colours, and a thing in two colours: edges alone would fit."""
    from tests.conftest import write_photo

    boards = [pyramid(Image.open(write_photo(tmp_path / f"{seed}.png", seed))) for seed in range(6)]
    for one, other in combinations(boards, 2):
        found = compare(one, other)
        assert found is None or not found.is_copy
    light = np.array(photo(4).convert("L"))
    dyes = (np.stack([light, light // 2, light // 2], 2), np.stack([light // 2, light // 2, light], 2))
    shirt, exchanged = (pyramid(Image.fromarray(dyed)) for dyed in dyes)
    found = compare(shirt, exchanged)
    assert found is not None and found.share > 0.9 and not found.is_copy


def test_empty_pages_are_copies_where_their_colours_agree() -> None:
    white, grey, red = (pyramid(Image.new("RGB", (300, 200), colour)) for colour in ("white", (120, 120, 120), "red"))
    nearly = pyramid(Image.new("RGB", (200, 200), (253, 253, 255)))
    found = compare(white, nearly)
    assert found is not None and found.is_copy
    assert all((other := compare(white, page)) is None or not other.is_copy for page in (grey, red))


@pytest.fixture
def collection(tmp_path: Path) -> Callable[[], Collection]:
    """Photos 0, 1 and 2, copies of the first two, and two shots of one scene; indexed again at every call."""
    folder = tmp_path / "photos"
    for name in ("originals", "copies", "shots"):
        (folder / name).mkdir(parents=True)
    for seed in range(3):
        photo(seed).save(folder / "originals" / f"{seed}.png")
    for kind in ("smaller", "grey", "blurred"):
        COPIES[kind](photo(0)).save(folder / "copies" / f"0 {kind}.png")
    COPIES["captioned"](photo(1)).save(folder / "copies" / "1 captioned.png")
    for number, shot in enumerate(another_shot(7)):
        shot.save(folder / "shots" / f"{number}.png")

    def indexed() -> Collection:
        made = Collection.open(tmp_path / "home", create=True, embedder=FakeEmbedder())
        made.index(folder)
        return made

    return indexed


LOOSE = {"near-copy": 0.3, "same-instance": 0.9}


def names(group: object) -> list[str]:
    return sorted(Path(member.path).name for member in group.members)  # type: ignore[attr-defined]


ZERO = ["0 blurred.png", "0 grey.png", "0 smaller.png", "0.png"]
ONE = ["1 captioned.png", "1.png"]


def test_copies_are_grouped_and_shots_are_not(collection: Callable[[], Collection]) -> None:
    found = find_duplicates(collection(), thresholds=LOOSE)
    assert sorted(names(group) for group in found.groups) == [ZERO, ONE]
    assert all(group.tier == "near-copy" for group in found.groups) and found.checked >= 7 and not found.unchecked
    every = find_duplicates(collection(), tiers=["near-copy", "same-instance"], thresholds=LOOSE)
    instances = [names(group) for group in every.groups if group.tier == "same-instance"]
    assert ["0.png", "1.png"] in [group[:2] for group in instances]  # what the copies' groups keep, and the shots


def test_a_group_is_asked_again_when_it_gets_a_new_member(collection: Callable[[], Collection], tmp_path: Path) -> None:
    opened = collection()
    zero = [file["id"] for file in opened.files() if Path(file["path"]).name in ZERO]
    opened.say_not_duplicates(combinations(zero, 2))
    # The folder of the shots has no part in this.
    scope = Scope(where="not path ~ 'shots/*'")
    found = find_duplicates(opened, thresholds=LOOSE, scope=scope)
    assert [names(group) for group in found.groups] == [ONE] and found.hidden == 1
    photo(0).resize((280, 210)).save(tmp_path / "photos" / "copies" / "0 new.png")
    again = find_duplicates(collection(), thresholds=LOOSE, scope=scope)
    assert sorted(names(group) for group in again.groups) == [sorted([*ZERO, "0 new.png"]), ONE]


def test_scopes(collection: Callable[[], Collection], tmp_path: Path) -> None:
    photos, opened = tmp_path / "photos", collection()
    between = Scope(between=(str(photos / "originals"), str(photos / "copies")))
    found = find_duplicates(opened, thresholds=LOOSE, scope=between, keep=Keep(("path:originals/**",)))
    assert sorted(names(group) for group in found.groups) == [ZERO, ONE]
    within = find_duplicates(opened, thresholds=LOOSE, scope=Scope(within_folder=True))
    assert [names(group) for group in within.groups] == [ZERO[:3]]
    some = find_duplicates(opened, thresholds=LOOSE, scope=Scope(where="name ~ '*e*'"))
    assert [names(group) for group in some.groups] == [ZERO[:3]]


FILES = (  # path, width, height, bytes, written
    ("/photos/b/small.jpg", 100, 80, 900, "2021"),
    ("/photos/a/large.jpg", 200, 150, 500, "2022"),
    ("/photos/a/heavy.jpg", 200, 150, 700, "2023"),
    ("/photos/a/also heavy.jpg", 200, 150, 700, "2020"),
)


@pytest.mark.parametrize(
    ("rules", "kept"),
    [
        (("largest",), "also heavy.jpg"),  # pixels, then bytes, then the path
        ((), "also heavy.jpg"),
        (("path:b/*",), "small.jpg"),
        (("path:nowhere/**", "path:*large*"), "large.jpg"),
        (("path:a/**", "newest"), "heavy.jpg"),
        (("newest",), "heavy.jpg"),
        (("oldest",), "also heavy.jpg"),
    ],
)
@pytest.mark.parametrize("order", [1, -1])
def test_keepers(rules: tuple[str, ...], kept: str, order: int) -> None:
    named = ("path", "width", "height", "size", "modified")
    files = [dict(zip(named, (*facts, f"{year}-01-01T00:00:00+00:00"), strict=True)) for *facts, year in FILES]
    assert Path(Keep(rules).first(files[::order])["path"]).name == kept


def test_a_rule_that_is_none() -> None:
    for rule in ("smallest", "path:", "path:[a"):
        with pytest.raises(SettingError):
            Keep((rule,))


def test_an_unreadable_picture_is_no_copy_and_is_named(collection: Callable[[], Collection], tmp_path: Path) -> None:
    opened = collection()
    gone = tmp_path / "photos" / "copies" / "1 captioned.png"
    gone.write_bytes(b"another content")
    found = find_duplicates(opened, thresholds=LOOSE)
    assert [names(group) for group in found.groups] == [ZERO] and found.unread == (str(gone),)


def test_two_shots_by_the_cameras_own_clock(tmp_path: Path) -> None:
    for second in (1, 2):
        exif = Image.Exif()
        exif[0x0110] = "Camera"
        exif.get_ifd(0x8769)[0x9003] = f"2020:01:01 10:00:0{second}"
        photo(0).save(tmp_path / f"{second}.jpg", quality=90 + second, exif=exif)
    photo(0).save(tmp_path / "copy.jpg", quality=85)
    opened = Collection.open(tmp_path / "home", create=True, embedder=FakeEmbedder())
    opened.index(tmp_path)
    groups = find_duplicates(opened, thresholds=LOOSE).groups
    assert len(groups) == 1 and len(groups[0].members) == 2 and "copy.jpg" in names(groups[0])


def test_an_empty_collection(tmp_path: Path) -> None:
    with Collection.open(tmp_path / "home", create=True, embedder=FakeEmbedder()) as opened:
        assert find_duplicates(opened, tiers=["exact", "near-copy", "same-instance"]).groups == ()
