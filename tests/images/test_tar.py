"""Images inside tar files, against the same images in a folder."""

from __future__ import annotations

import io
import os
import tarfile
import tracemalloc
from pathlib import Path

import pytest
from PIL import Image

from dinosearch.errors import ImageNotFoundError, ImageUnreadableError
from dinosearch.images import is_archive, is_member, iter_members, read_bytes, read_member, scan_tar, split_member
from dinosearch.images.finding import tar as tar_module
from dinosearch.records import FoundFile, Problem
from tests.images.pictures import encoded

PNG = encoded(Image.new("RGB", (2, 2)), "PNG")
JPEG = encoded(Image.new("RGB", (2, 2)), "JPEG")
ODD = "b/ä\udcff 'x'::y\n.png"
MEMBERS = {
    "b/2.png": PNG,
    "./1.jpg": JPEG,
    "no suffix": JPEG,
    ODD: PNG,
    "broken.jpg": b"text",
    "2.txt": b"text",
    ".hidden.png": PNG,
    "x/._2.png": PNG,
    ".git/3.png": PNG,
}
IMAGES = ["b/2.png", "./1.jpg", "no suffix", ODD, "broken.jpg"]


def write(path: Path, mode: str, members: dict[str, bytes] = MEMBERS) -> Path:
    with tarfile.open(path, mode, encoding="utf-8", errors="surrogateescape", format=tarfile.GNU_FORMAT) as archive:  # type: ignore[call-overload]
        folder = tarfile.TarInfo("b")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        link = tarfile.TarInfo("link.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


@pytest.fixture(
    params=[("w", "a.tar"), ("w:gz", "a.tar.gz"), ("w:bz2", "a.TBZ2"), ("w:xz", "a.tar.xz"), ("w:gz", "a.tgz")]
)
def archive(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    mode, name = request.param
    return write(tmp_path / name, mode)


def test_scan_finds_the_images_of_the_archive(archive: Path) -> None:
    status = os.stat(archive)
    expected = [FoundFile(f"{archive}::{name}", len(MEMBERS[name]), status.st_mtime_ns) for name in IMAGES]
    assert list(scan_tar(str(archive))) == expected


def test_members_are_read_in_one_pass_and_one_by_one(archive: Path) -> None:
    pairs = list(iter_members(str(archive)))
    assert [file for file, _ in pairs] == list(scan_tar(str(archive)))
    assert [data for _, data in pairs] == [MEMBERS[name] for name in IMAGES]
    for file, data in pairs:
        assert is_member(file.path)
        assert split_member(file.path)[0] == str(archive)
        assert read_member(file.path) == read_bytes(file.path) == data


def test_known_members_are_not_looked_at(archive: Path) -> None:
    names = [Path(e.path.split("::", 1)[1]).name for e in scan_tar(str(archive), known=lambda *_: True)]
    assert "2.txt" in names


def test_nothing_is_unpacked(archive: Path) -> None:
    list(scan_tar(str(archive)))
    list(iter_members(str(archive)))
    assert os.listdir(archive.parent) == [archive.name]


def test_missing_member_and_archive(archive: Path) -> None:
    with pytest.raises(ImageNotFoundError, match="no such member"):
        read_member(f"{archive}::missing.png")
    with pytest.raises(ImageNotFoundError, match="no such file"):
        read_member(f"{archive.parent}/other.tar::b/2.png")
    with pytest.raises(ImageNotFoundError):
        read_bytes(f"{archive.parent}/other.tar::b/2.png")
    with pytest.raises(ImageNotFoundError):
        read_member(f"{archive}::link.png")


def test_names() -> None:
    for name in ("a.tar", "A.TAR", "a.tar.gz", "a.tgz", "a.tar.bz2", "a.tbz2", "a.tar.xz", "a.txz"):
        assert is_archive(name) and is_member(f"/x/{name}::m")
    for name in ("a.zip", "a.tar.jpg", "tar", "a.tar::m", "a.gz"):
        assert not is_archive(name)
    assert not is_member("/x/a.tar") and not is_member("/x/a::b.jpg") and not is_member("/x/a.tar::")
    assert split_member("/a.tar::b.tar::c") == ("/a.tar", "b.tar::c")
    with pytest.raises(ValueError, match="ARCHIVE"):
        split_member("/x/a.jpg")


def test_changed_archive_is_read_anew(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tar", "w", {"x.png": PNG})
    assert read_member(f"{path}::x.png") == PNG
    write(path, "w", {"y.png": PNG, "x.png": PNG + b"longer"})
    assert read_member(f"{path}::x.png") == PNG + b"longer"


def test_first_of_two_members_of_one_name_counts(tmp_path: Path) -> None:
    for name, mode in [("a.tar", "w"), ("a.tgz", "w:gz")]:
        path = tmp_path / name
        with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
            for data in (PNG, JPEG):
                info = tarfile.TarInfo("x.png")
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
        assert [data for _, data in iter_members(str(path))] == [PNG] == [read_member(f"{path}::x.png")]


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz", "w:bz2"])
def test_damaged_archive_is_reported_after_what_can_be_read(tmp_path: Path, mode: str) -> None:
    path = write(tmp_path / "a.tar", mode, {f"{i}.png": os.urandom(5000) for i in range(50)})
    whole = path.read_bytes()
    before = list(scan_tar(str(path)))
    path.write_bytes(whole[: len(whole) // 2])
    *files, problem = scan_tar(str(path))
    assert isinstance(problem, Problem) and problem.path == str(path) and "damaged" in problem.reason
    assert [file.path for file in files] == [file.path for file in before[: len(files)]]
    assert len(list(iter_members(str(path)))) <= len(files) + 1
    with pytest.raises((ImageUnreadableError, ImageNotFoundError)):
        read_member(before[-1].path)


def test_what_is_no_archive_is_reported(tmp_path: Path) -> None:
    for name, data in [("text.tar", b"this is no archive" * 100), ("empty.tgz", b"")]:
        (tmp_path / name).write_bytes(data)
        [problem] = scan_tar(str(tmp_path / name))
        assert isinstance(problem, Problem)
    [problem] = scan_tar(str(tmp_path / "missing.tar"))
    assert problem == Problem(str(tmp_path / "missing.tar"), "no longer there")


def test_huge_member_is_reported_and_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tar_module, "MAX_MEMBER", 1000)
    path = write(tmp_path / "a.tar", "w", {"big.jpg": bytes(1001), "small.png": PNG})
    problem, file = scan_tar(str(path))
    assert isinstance(problem, Problem) and "limit" in problem.reason and problem.path == f"{path}::big.jpg"
    assert isinstance(file, FoundFile)
    assert [data for _, data in iter_members(str(path))] == [PNG]
    with pytest.raises(ImageUnreadableError, match="limit"):
        read_member(f"{path}::big.jpg")


def test_memory_does_not_grow_with_the_archive(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tar", "w", {f"{i:05}.jpg": bytes(100_000) for i in range(200)})
    tracemalloc.start()
    try:
        assert sum(1 for _ in iter_members(str(path))) == 200
        assert tracemalloc.get_traced_memory()[1] < 2_000_000, "20 MB of members"
    finally:
        tracemalloc.stop()
