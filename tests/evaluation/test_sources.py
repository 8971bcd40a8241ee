"""Which folders and files are indexed for a data set: random trees and random wanted sets, and cases by hand."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dinosearch import Collection
from dinosearch.evaluation.sources import SPARE, cover
from tests.conftest import FakeEmbedder, write_photo

FOLDERS = ("a", "a/b", "a/b/c", "a/d", "e", "e/f")


def plant(root: Path, names: list[str] | set[str]) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def files_below(path: str) -> set[str]:
    """By listing, not by walking as the product does."""
    if not os.path.isdir(path):
        return {path}
    return {str(found) for found in Path(path).rglob("*") if found.is_file()}


def relative(root: Path, paths: list[str]) -> list[str]:
    return sorted(Path(path).relative_to(root).as_posix() for path in paths)


@st.composite
def trees(draw: st.DrawFn) -> tuple[set[str], set[str]]:
    """Files that exist, and those that are wanted: mostly whole folders, some of them with gaps or strangers."""
    existing: set[str] = set()
    wanted: set[str] = set()
    for folder in (".", *FOLDERS):
        count = draw(st.integers(0, 22))
        names = {f"{folder}/{i}.jpg".removeprefix("./") for i in range(count)}
        existing |= names
        left_out = draw(st.sets(st.sampled_from(sorted(names)), max_size=4)) if names else set()
        wanted |= draw(st.sampled_from((names - left_out, names, left_out, set())))
    return existing, wanted


@settings(max_examples=60, deadline=None)
@given(trees())
def test_everything_wanted_and_hardly_anything_else(tree: tuple[set[str], set[str]]) -> None:
    existing, wanted = tree
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve()
        plant(root, existing)
        paths = cover(root, sorted(wanted))
        assert all(os.path.isabs(path) and Path(path) != root for path in paths)
        taken = [files_below(path) for path in paths]
        union = set().union(*taken)
        assert {str(root / name) for name in wanted} <= union
        # no file twice, so no path twice and none below another
        assert sum(map(len, taken)) == len(union)
        for path, files in zip(paths, taken, strict=True):
            extra = {Path(file).relative_to(root).as_posix() for file in files} - wanted
            assert len(extra) <= SPARE * len(files), path


@settings(max_examples=25, deadline=None)
@given(trees())
def test_a_folder_that_is_wanted_whole_is_one_path(tree: tuple[set[str], set[str]]) -> None:
    existing, wanted = tree
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve()
        plant(root, existing)
        whole = [top for top in ("a", "e") if {name for name in existing if name.startswith(f"{top}/")} <= wanted]
        paths = relative(root, cover(root, wanted))
        for top in whole:
            below = [path for path in paths if path == top or path.startswith(f"{top}/")]
            assert below == ([top] if (root / top).is_dir() else [])


def test_the_share_by_hand(tmp_path: Path) -> None:
    twenty = [f"jpg/{i:02}.jpg" for i in range(20)]
    plant(tmp_path, [*twenty, "jpg/x.txt", "jpg/notes/y.txt"])
    assert relative(tmp_path, cover(tmp_path, twenty)) == ["jpg"]
    plant(tmp_path, ["jpg/notes/z.txt"])
    assert relative(tmp_path, cover(tmp_path, twenty)) == twenty


def test_strangers_deep_below_count_for_every_folder_above(tmp_path: Path) -> None:
    wanted = [f"a/b/{i}.jpg" for i in range(10)] + ["a/1.jpg"]
    plant(tmp_path, [*wanted, *(f"a/thumbs/deep/{i}.jpg" for i in range(5))])
    assert relative(tmp_path, cover(tmp_path, wanted)) == ["a/1.jpg", "a/b"]


def test_the_root_itself_is_never_taken(tmp_path: Path) -> None:
    plant(tmp_path, ["1.jpg", "2.jpg"])
    assert relative(tmp_path, cover(tmp_path, ["1.jpg", "2.jpg"])) == ["1.jpg", "2.jpg"]


@pytest.mark.parametrize("names", [[], ["absent.jpg"], ["nowhere/1.jpg", "nowhere/deep/2.jpg"]])
def test_names_that_do_not_exist_are_left_out(tmp_path: Path, names: list[str]) -> None:
    plant(tmp_path, ["a/1.jpg"])
    assert cover(tmp_path, names) == []
    assert relative(tmp_path, cover(tmp_path, [*names, "a/1.jpg"])) == ["a"]


def test_names_that_do_not_exist_make_no_room_for_strangers(tmp_path: Path) -> None:
    plant(tmp_path, ["a/1.jpg", *(f"a/stranger{i}.jpg" for i in range(9))])
    names = ["a/1.jpg", *(f"a/absent{i}.jpg" for i in range(20))]
    assert relative(tmp_path, cover(tmp_path, names)) == ["a/1.jpg"]


def test_a_folder_of_strangers_is_not_taken_for_names_that_it_lacks(tmp_path: Path) -> None:
    plant(tmp_path, ["a/stranger.jpg"])
    assert cover(tmp_path, ["a/absent.jpg"]) == []


def test_names_twice_and_in_other_spellings_count_once(tmp_path: Path) -> None:
    plant(tmp_path, ["a/1.jpg", *(f"a/stranger{i}.jpg" for i in range(3))])
    assert relative(tmp_path, cover(tmp_path, ["a/1.jpg", "./a/1.jpg", "a//1.jpg", "a/1.jpg"])) == ["a/1.jpg"]


def test_what_the_index_leaves_out_does_not_count(tmp_path: Path) -> None:
    # hidden files and folders are never indexed, so a thumbnail cache is no reason to name a thousand files
    wanted = [f"a/{i}.jpg" for i in range(5)]
    plant(tmp_path, [*wanted, ".cache/1.jpg", "a/.DS_Store", *(f"a/.thumbs/{i}.jpg" for i in range(5))])
    assert relative(tmp_path, cover(tmp_path, wanted)) == ["a"]


def indexed(root: Path, names: list[str], home: Path) -> list[str]:
    """What a collection holds after an index run over the cover, as the benchmark makes it."""
    with Collection.open(home, create=True, embedder=FakeEmbedder()) as collection:
        collection.index(*cover(root, names))
        return relative(root, [file["path"] for file in collection.files()])


def test_a_linked_folder_is_indexed(tmp_path: Path) -> None:
    names = [write_photo(tmp_path / "elsewhere" / f"{i}.png", i).name for i in range(3)]
    root = tmp_path / "data"
    root.mkdir()
    (root / "jpg").symlink_to(tmp_path / "elsewhere")
    assert indexed(root, [f"jpg/{name}" for name in names], tmp_path / "home") == [f"jpg/{name}" for name in names]


def test_a_linked_folder_below_another_is_indexed(tmp_path: Path) -> None:
    names = [write_photo(tmp_path / "elsewhere" / f"{i}.png", i).name for i in range(3)]
    root = tmp_path / "data"
    (root / "oxford").mkdir(parents=True)
    (root / "oxford" / "jpg").symlink_to(tmp_path / "elsewhere")
    wanted = [f"oxford/jpg/{name}" for name in names]
    assert indexed(root, wanted, tmp_path / "home") == wanted


def test_linked_files_are_indexed(tmp_path: Path) -> None:
    root = tmp_path / "data"
    (root / "jpg").mkdir(parents=True)
    for i in range(3):
        (root / "jpg" / f"{i}.png").symlink_to(write_photo(tmp_path / "elsewhere" / f"{i}.png", i))
    wanted = [f"jpg/{i}.png" for i in range(3)]
    assert indexed(root, wanted, tmp_path / "home") == wanted
