"""Odd names, links, folders that vanish: the share of scripts/torture_paths.py, and cases of their own."""

from __future__ import annotations

import os
import shutil
import tarfile
from pathlib import Path

import pytest
from torture.numbered import NumberEmbedder, png
from torture.paths import NAMES, cli, fill, round_trip, through_the_command_line
from torture.verdict import Verdict

from dinosearch import Collection
from dinosearch.errors import DinosearchError, ImageNotFoundError
from dinosearch.images import scan
from dinosearch.images.finding import find
from dinosearch.records import FoundFile, Problem

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the names are those of POSIX")


def opened(folder: Path) -> Collection:
    return Collection.open(folder / "home", create=True, embedder=NumberEmbedder())


def put(path: Path, number: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(png(number))
    return path


def paths(collection: Collection) -> set[str]:
    return {str(file["path"]) for file in collection.files()}


def test_every_name_goes_in_and_out(tmp_path: Path) -> None:
    verdict = Verdict("paths", 0, "scripts/torture_paths.py")
    round_trip(tmp_path, NAMES, 0, verdict)
    assert verdict.failures == []
    assert verdict.outcomes["asked and filtered by its own name"] > 100


@pytest.mark.slow
def test_every_name_through_the_command_line(tmp_path: Path) -> None:
    verdict = Verdict("paths", 0, "scripts/torture_paths.py")
    through_the_command_line(tmp_path, NAMES[::3], 0, verdict)
    assert verdict.failures == []


def test_a_home_of_an_odd_name(tmp_path: Path) -> None:
    made = fill(tmp_path / "photos", NAMES[:3])
    home = os.fsdecode(os.fsencode(tmp_path) + b"/ho\xffme?a=1#x%20\n\x1b[31m")
    with Collection.open(home, create=True, embedder=NumberEmbedder()) as collection:
        assert collection.index(tmp_path / "photos").added == len(made)
        collection.compact()
    with Collection.open(home, read_only=True, embedder=NumberEmbedder()) as collection:
        assert collection.query("id:1", k=1)[0].score < 1
        assert collection.verify().ok
    done = cli(tmp_path, "info", "--home", os.fsencode(home))
    assert done.returncode == 0 and b"\x1b" not in done.stdout


def deep(folder: Path, length: int, number: int) -> str:
    """A picture whose absolute path has that many bytes, made by steps that each are short."""
    here, descriptor = os.fsencode(folder), os.open(folder, os.O_RDONLY)
    while length - len(here) > 256:
        step = b"d" * min(200, length - len(here) - 50)
        os.mkdir(step, dir_fd=descriptor)
        inner = os.open(step, os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        here, descriptor = here + b"/" + step, inner
    name = b"n" * (length - len(here) - 5) + b".png"
    with open(os.open(name, os.O_WRONLY | os.O_CREAT, dir_fd=descriptor), "wb") as file:
        file.write(png(number))
    os.close(descriptor)
    return os.fsdecode(here + b"/" + name)


def test_the_longest_paths_are_found_and_longer_ones_reported(tmp_path: Path) -> None:
    longest, longer = deep(tmp_path / put(tmp_path / "a" / "x", 1).parent, 4095, 2), None
    longer = deep(tmp_path / put(tmp_path / "b" / "x", 3).parent, 4500, 4)
    try:
        with opened(tmp_path) as collection:
            summary = collection.index(tmp_path / "a", tmp_path / "b")
            assert (summary.added, summary.failed) == (3, 1)
            assert summary.failures[0].reason == "file name too long"
            assert longer.startswith(summary.failures[0].path)
            assert collection.query(longest, k=1, include_self=True, rerank="fast")[0].path == longest
            for asked in (longer, "id:" + longer, "id:" + "9" * 5000, "id:" + "9" * 20, "\0", "id:\0", "id:\u0667"):
                with pytest.raises(DinosearchError):
                    collection.query(asked)
                with pytest.raises(DinosearchError):
                    collection.remove(asked)
    finally:
        shutil.rmtree(tmp_path / "b")


def test_links(tmp_path: Path) -> None:
    """Links are not followed; when they are, loops end, and each name of a file is a file."""
    root = tmp_path / "root"
    put(root / "real" / "a.png", 1)
    put(tmp_path / "outside" / "b.png", 2)
    os.link(root / "real" / "a.png", root / "hard.png")
    for name, target in {
        "soft.png": root / "real" / "a.png", "again": root / "real", "out": tmp_path / "outside", "loop": root,
        "self": "self", "gone.png": "nowhere", "out.png": tmp_path / "outside" / "b.png",
    }.items():  # fmt: skip
        (root / name).symlink_to(target)
    with opened(tmp_path) as collection:
        assert collection.index(root).added == 2
        assert paths(collection) == {str(root / "real" / "a.png"), str(root / "hard.png")}
        summary = collection.index(root, follow_symlinks=True)
        names = {"real/a.png", "hard.png", "soft.png", "again/a.png", "out/b.png", "out.png"}
        assert paths(collection) == {str(root / name) for name in names}
        assert collection.info().images == 2
        assert {problem.path for problem in summary.failures} == {str(root / "gone.png"), str(root / "self")}


def test_links_that_multiply_come_to_an_end(tmp_path: Path) -> None:
    for level in range(24):
        put(tmp_path / f"level{level:02}" / "a.png", level)
        for link in "xyz":
            (tmp_path / f"level{level:02}" / link).symlink_to(tmp_path / f"level{level + 1:02}")
    found = list(scan(str(tmp_path), follow_symlinks=True))
    assert {f"level{level:02}/a.png" for level in range(24)} <= {os.path.relpath(f.path, tmp_path) for f in found}
    assert len([f for f in found if isinstance(f, FoundFile)]) <= 24 * find.MAX_LINKED
    assert any(isinstance(f, Problem) and "links lead to this folder" in f.reason for f in found)


@pytest.mark.parametrize("kind", ["fifo", "folder", "zero", "huge", "loop", "stars"])
def test_an_ignore_file_that_is_none(tmp_path: Path, kind: str) -> None:
    put(tmp_path / ("a" * 200) / "b.png", 1)
    ignore = tmp_path / ".dinosearchignore"
    if kind == "fifo":
        os.mkfifo(ignore)
    elif kind == "folder":
        ignore.mkdir()
    elif kind == "zero":
        ignore.symlink_to("/dev/zero")
    elif kind == "loop":
        ignore.symlink_to(ignore)
    else:
        ignore.write_text("*a" * 50 + "b\n" + "**/a*" * 50 + "b\n" if kind == "stars" else "x\n" * find.MAX_RULES)
    found = [type(entry) for entry in scan(str(tmp_path))]
    assert found == ([Problem] if kind == "huge" else [FoundFile])


def vanish(root: Path, at: str, act, monkeypatch) -> None:
    """Have `act` called when the walk through `root` comes to the folder `at`."""
    opening, done = find._open, []

    def open_then(path: str, *arguments: object) -> object:
        folder = opening(path, *arguments)
        if os.path.basename(path) == at and not done:
            done.append(path)
            act()
        return folder

    monkeypatch.setattr(find, "_open", open_then)


def test_a_folder_that_is_renamed_away_under_the_run_loses_nothing(tmp_path: Path, monkeypatch) -> None:
    root = tmp_path / "photos"
    for number in range(30):
        put(root / "abc"[number % 3] / f"{number:02}.png", number)
    with opened(tmp_path) as collection:
        assert collection.index(root).added == 30
        before = paths(collection)
        vanish(root, "b", lambda: root.rename(tmp_path / "away"), monkeypatch)
        summary = collection.index(root)
        assert (summary.removed, summary.unchanged + summary.offline) == (0, 30)
        assert paths(collection) == before
        (tmp_path / "away").rename(root)
        assert collection.index(root).unchanged == 30


def test_a_changed_file_that_vanishes_before_it_is_read_is_kept(tmp_path: Path, monkeypatch) -> None:
    root = tmp_path / "photos"
    put(root / "a.png", 1), put(root / "b.png", 2)
    with opened(tmp_path) as collection:
        collection.index(root)
        os.utime(root / "a.png", (1, 1))
        monkeypatch.setattr(
            "dinosearch.collection.indexing.run._sha256",
            lambda path: root.exists() and shutil.move(root, tmp_path / "away") and None,
        )
        summary = collection.index(root)
        assert (summary.removed, summary.failed) == (0, 1)
        assert len(paths(collection)) == 2


def test_roots_that_vanish_are_offline_also_inside_another(tmp_path: Path) -> None:
    """A drive that is not mounted leaves nothing, or an empty folder."""
    root = tmp_path / "photos"
    put(root / "a.png", 1), put(root / "drive" / "b.png", 2)
    with opened(tmp_path) as collection:
        collection.index(root / "drive")
        assert collection.index(root).added == 1
        shutil.move(root / "drive", tmp_path / "unplugged")
        for make in (lambda: None, (root / "drive").mkdir):
            make()
            for sources in ((root,), (root / "drive",)):
                summary = collection.index(*sources)
                assert (summary.removed, summary.offline) == (0, 1)
        assert collection.remove(root / "drive") == 1
        assert collection.index(root).offline == 0


def test_archives_in_a_folder_stay_when_the_folder_is_looked_through(tmp_path: Path) -> None:
    root = tmp_path / "photos"
    put(root / "a.png", 1)
    with tarfile.open(root / "set.tar", "w") as tar:
        tar.add(put(tmp_path / "b.png", 2), "b.png")
    put(root / "set.tar.png::c.png", 3)
    put(root / "x.tar::d.png", 4)  # a plain file whose name looks like a member of an archive that is not there
    with opened(tmp_path) as collection:
        assert collection.index(root / "set.tar").added == 1
        assert collection.index(root).added == 3
        assert len(paths(collection)) == 4
        assert collection.remove(root / "set.tar") == 1
        (root / "x.tar::d.png").unlink()
        assert collection.index(root).removed == 1


def test_a_name_that_begins_another_name_is_removed_alone(tmp_path: Path) -> None:
    first, second = put(tmp_path / "p" / "a.png", 1), put(tmp_path / "p" / "a.png::b.png", 2)
    with opened(tmp_path) as collection:
        collection.index(tmp_path / "p")
        assert collection.remove(first) == 1
        assert paths(collection) == {str(second)}


def test_a_file_called_like_an_id_is_the_file(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    put(tmp_path / "p" / "x.png", 1), put(tmp_path / "id:1", 2)
    with opened(tmp_path) as collection:
        collection.index(tmp_path / "p")
        with pytest.raises(ImageNotFoundError):
            collection.remove("id:1")  # as in a query, the file counts, and it is not in the collection
        (tmp_path / "id:1").unlink()
        assert collection.remove("id:1") == 1


def test_a_current_folder_that_is_gone_is_a_sentence(tmp_path: Path) -> None:
    code = "mkdir gone; cd gone; rmdir ../gone; exec "
    done = cli(tmp_path, "index", "x", prefix=["sh", "-c", code + '"$@"', "sh"])
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr
