"""What goes to the trash and what must stay: with a trash folder of the test's own."""

from __future__ import annotations

import io
import json
import os
import shutil
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from dinosearch import Collection
from dinosearch.analysis.duplicates import Keep, find_duplicates, trash
from tests.conftest import FakeEmbedder, write_photo

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the trash of freedesktop.org")


@pytest.fixture
def bin_(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the trash; send2trash looks where it is when it is imported."""
    from send2trash import plat_other

    data = tmp_path / "home of the user" / "share"
    data.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(data.parent))
    monkeypatch.setattr(plat_other, "XDG_DATA_HOME", os.fsencode(data))
    monkeypatch.setattr(plat_other, "HOMETRASH_B", os.fsencode(data / "Trash"))
    monkeypatch.setattr("send2trash.send2trash", plat_other.send2trash)
    return data / "Trash" / "files"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Photos 0 to 4 in `a`, all but the last in `b` as well."""
    folder = tmp_path / "photos"
    for number in range(5):
        write_photo(folder / "a" / f"{number}.png", number)
    (folder / "b").mkdir()
    for number in range(4):
        shutil.copy(folder / "a" / f"{number}.png", folder / "b" / f"b{number}.png")
    return folder


@pytest.fixture
def collection(photos: Path, tmp_path: Path) -> Collection:
    made = Collection.open(tmp_path / "home", create=True, embedder=FakeEmbedder())
    made.index(photos)
    return made


def moved(collection: Collection, tmp_path: Path) -> tuple[list[str], dict[str, str]]:
    """Names of what was moved, and reasons for what was not."""
    found = find_duplicates(collection, tiers=["exact"], keep=Keep(("path:a/*",)))
    done = trash(collection, found.groups, tmp_path / "log.jsonl")
    return [Path(path).name for path in done.paths], {Path(p.path).name: p.reason for p in done.problems}


def in_collection(collection: Collection) -> set[str]:
    return {Path(file["path"]).name for file in collection.files()}


def logged(tmp_path: Path, what: str) -> list[str]:
    lines = (tmp_path / "log.jsonl").read_text(encoding="utf-8").splitlines()
    return [Path(line["path"]).name for line in map(json.loads, lines) if line["what"] == what]


def test_copies_go_and_the_kept_ones_stay(collection: Collection, photos: Path, tmp_path: Path, bin_: Path) -> None:
    paths, problems = moved(collection, tmp_path)
    assert paths == ["b0.png", "b1.png", "b2.png", "b3.png"] and problems == {}
    assert sorted(path.name for path in bin_.iterdir()) == paths and not list((photos / "b").iterdir())
    assert in_collection(collection) == {f"{number}.png" for number in range(5)}
    assert logged(tmp_path, "moved") == paths
    assert moved(collection, tmp_path) == ([], {}) and logged(tmp_path, "moved") == paths


def test_what_has_changed_stays(collection: Collection, photos: Path, tmp_path: Path, bin_: Path) -> None:
    before = (photos / "b/b0.png").stat()
    (photos / "b/b0.png").write_bytes(b"x" * before.st_size)
    os.utime(photos / "b/b0.png", ns=(before.st_atime_ns, before.st_mtime_ns))  # only the content tells
    os.utime(photos / "b/b1.png", (1, 1))
    with open(photos / "b/b2.png", "ab") as file:
        file.write(b"more")
    paths, problems = moved(collection, tmp_path)
    assert paths == ["b3.png"] and set(problems) == {"b0.png", "b1.png", "b2.png"}
    assert all("changed" in reason for reason in problems.values()) and logged(tmp_path, "stayed") == list(problems)
    assert {f"b{number}.png" for number in range(3)} < in_collection(collection)


def test_nothing_goes_without_its_keeper(collection: Collection, photos: Path, tmp_path: Path, bin_: Path) -> None:
    (photos / "a/0.png").unlink()
    write_photo(photos / "a/1.png", 99)
    paths, problems = moved(collection, tmp_path)
    assert paths == ["b2.png", "b3.png"]
    assert "no longer there" in problems["b0.png"] and "changed" in problems["b1.png"]
    assert (photos / "b/b0.png").exists() and (photos / "b/b1.png").exists()


def test_other_names_of_the_kept_file_stay(photos: Path, tmp_path: Path, bin_: Path) -> None:
    (photos / "b/b0.png").unlink()
    os.link(photos / "a/0.png", photos / "b/b0.png")
    (tmp_path / "photos" / "c").symlink_to(photos / "a", target_is_directory=True)
    opened = Collection.open(tmp_path / "home", create=True, embedder=FakeEmbedder())
    opened.index(photos, follow_symlinks=True)
    paths, problems = moved(opened, tmp_path)
    assert sorted(paths) == ["b1.png", "b2.png", "b3.png"] and "b0.png" in problems
    assert all((photos / "a" / f"{number}.png").exists() for number in range(5))


def test_members_of_archives_stay(tmp_path: Path, photos: Path, bin_: Path) -> None:
    with tarfile.open(photos / "a/kept.tar", "w") as tar, tarfile.open(photos / "b/other.tar", "w") as other:
        for archive, numbers in ((tar, (0, 1, 4)), (other, (2,))):
            for number in numbers:
                data = (photos / "a" / f"{number}.png").read_bytes()
                member = tarfile.TarInfo(f"in{number}.png")
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
    (photos / "a/0.png").unlink()  # the archive's is the one to keep
    opened = Collection.open(tmp_path / "home", create=True, embedder=FakeEmbedder())
    opened.index(photos, photos / "a/kept.tar", photos / "b/other.tar")
    found = find_duplicates(opened, tiers=["exact"], keep=Keep(("path:kept.tar::*", "path:a/*")))
    done = trash(opened, found.groups, tmp_path / "log.jsonl")
    gone = sorted(Path(path).name for path in done.paths)
    assert gone == ["1.png", "4.png", "b0.png", "b1.png", "b2.png", "b3.png"]
    assert [(Path(p.path).name, p.reason) for p in done.problems] == [("other.tar::in2.png", "it lies in an archive")]


def test_the_trash_refuses(collection: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str) -> None:
        raise OSError(28, "No space left on device", path)

    monkeypatch.setattr("send2trash.send2trash", refuse)
    paths, problems = moved(collection, tmp_path)
    assert not paths and len(problems) == 4 and all("No space" in reason for reason in problems.values())
    assert len(in_collection(collection)) == 9


@pytest.mark.parametrize("moment", ["before", "after"])
def test_interrupted_in_a_move(
    collection: Collection, photos: Path, tmp_path: Path, bin_: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    import send2trash

    move: Callable[[str], None] = send2trash.send2trash

    def interrupted(path: str) -> None:
        last = path.endswith("b2.png")
        if not last or moment == "after":
            move(path)
        if last:
            raise KeyboardInterrupt

    monkeypatch.setattr("send2trash.send2trash", interrupted)
    with pytest.raises(KeyboardInterrupt):
        moved(collection, tmp_path)
    gone = {"b0.png", "b1.png"} | ({"b2.png"} if moment == "after" else set())
    assert {path.name for path in bin_.iterdir()} == gone
    left = {path.name for path in (photos / "b").iterdir()}
    assert left == {f"b{number}.png" for number in range(4)} - gone
    assert in_collection(collection) == {f"{number}.png" for number in range(5)} | left
    assert set(logged(tmp_path, "moved")) == gone
    monkeypatch.setattr("send2trash.send2trash", move)
    assert set(moved(collection, tmp_path)[0]) == left  # and the next run does the rest


def test_without_send2trash(collection: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "send2trash", None)
    with pytest.raises(ValueError, match=r"dinosearch\[analysis\]"):
        moved(collection, tmp_path)
