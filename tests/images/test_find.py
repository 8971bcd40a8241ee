"""Finding files: a brute-force walk and git itself are the oracles."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from dinosearch.images import scan
from dinosearch.images.finding.ignore import IgnoreRules
from dinosearch.records import FoundFile, Problem
from tests.images.pictures import encoded

PNG = encoded(Image.new("RGB", (2, 2)), "PNG")


def make(root: Path, *names: str, data: bytes = PNG) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def found(root: Path, **options: object) -> list[str]:
    return [os.path.relpath(entry.path, root) for entry in scan(str(root), **options)]  # type: ignore[arg-type]


def test_finds_by_content_in_the_order_of_the_paths(tmp_path: Path) -> None:
    make(tmp_path, "b/2.png", "b/1", "a-b.png", "a/z.png", "a.png", "B.png", "ä.png", "a/deep/er/x.dat")
    make(tmp_path, "notes.txt", "a/readme", data=b"not a picture")
    make(tmp_path, "broken.jpg", data=b"not a picture but says so")
    make(tmp_path, "empty.JPEG", data=b"")
    expected = sorted(
        os.path.join(folder, name)
        for folder, _, names in os.walk(tmp_path)
        for name in names
        if name not in ("notes.txt", "readme")
    )
    entries = list(scan(str(tmp_path)))
    assert [entry.path for entry in entries] == expected
    for entry in entries:
        status = os.stat(entry.path)
        assert entry == FoundFile(entry.path, status.st_size, status.st_mtime_ns)


def test_hidden_and_appledouble_are_left_out(tmp_path: Path) -> None:
    make(tmp_path, "a.png", ".b.png", "._a.png", ".thumbnails/c.png", "x/.d/e.png")
    assert found(tmp_path) == ["a.png"]
    hidden_root = tmp_path / ".thumbnails"
    assert found(hidden_root) == ["c.png"], "a root that is named is searched"


def test_root_may_be_a_file_a_link_or_missing(tmp_path: Path) -> None:
    make(tmp_path, "f/a.txt", "f/b.png")
    [entry] = scan(str(tmp_path / "f" / "a.txt"))
    assert isinstance(entry, FoundFile) and entry.path.endswith("a.txt")
    (tmp_path / "link").symlink_to(tmp_path / "f")
    assert [Path(entry.path).name for entry in scan(str(tmp_path / "link"))] == ["a.txt", "b.png"]
    [missing] = scan(str(tmp_path / "missing"))
    assert isinstance(missing, Problem)


def test_undecodable_names_survive(tmp_path: Path) -> None:
    name = os.fsencode(tmp_path) + b"/\xff\xfe.png"
    try:
        Path(os.fsdecode(name)).write_bytes(PNG)
    except OSError:
        pytest.skip("this file system takes only UTF-8 names")
    [entry] = scan(str(tmp_path))
    assert os.fsencode(entry.path) == name


def test_special_files_are_never_opened(tmp_path: Path) -> None:
    make(tmp_path, "a.png")
    os.mkfifo(tmp_path / "pipe.png")
    assert found(tmp_path) == ["a.png"]


def test_links_are_followed_only_when_asked_and_loops_end(tmp_path: Path) -> None:
    make(tmp_path, "root/a.png", "other/b.png", "other/sub/c.png")
    root = tmp_path / "root"
    (root / "link.png").symlink_to(tmp_path / "other" / "b.png")
    (root / "folder").symlink_to(tmp_path / "other")
    (root / "loop").symlink_to(root)
    (tmp_path / "other" / "up").symlink_to(root)
    (root / "dangling.png").symlink_to(tmp_path / "nowhere")
    assert found(root) == ["a.png"]
    followed = list(scan(str(root), follow_symlinks=True))
    assert [Problem(str(root / "dangling.png"), "no longer there")] == [e for e in followed if isinstance(e, Problem)]
    names = [os.path.relpath(e.path, root) for e in followed if isinstance(e, FoundFile)]
    assert names == ["a.png", "folder/b.png", "folder/sub/c.png", "link.png"]


def test_known_files_are_not_opened(tmp_path: Path) -> None:
    make(tmp_path, "a.dat", "b.dat", data=b"text")
    asked: list[str] = []

    def known(path: str, size: int, mtime_ns: int) -> bool:
        asked.append(path)
        assert size == 4 and mtime_ns == os.stat(path).st_mtime_ns
        return path.endswith("a.dat")

    assert found(tmp_path, known=known) == ["a.dat"], "offered although it is no image: it was not looked at"
    assert len(asked) == 2


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="permissions are different here")
def test_unreadable_folders_and_files_are_reported(tmp_path: Path) -> None:
    make(tmp_path, "open/a.png", "closed/b.png", "c.dat")
    (tmp_path / "closed").chmod(0)
    (tmp_path / "c.dat").chmod(0)
    for folder in (tmp_path, *tmp_path.parents[:3]):
        if os.geteuid() == 0 and str(folder).startswith(str(tmp_path.parents[2])):
            folder.chmod(0o755)
    user = os.geteuid()
    try:
        if user == 0:
            os.seteuid(65534)  # root may read everything
        entries = list(scan(str(tmp_path)))
    finally:
        if user == 0:
            os.seteuid(0)
        (tmp_path / "closed").chmod(0o755)
    if isinstance(entries[0], Problem) and entries[0].path == str(tmp_path):
        pytest.skip("the temporary folder itself is closed to other users")
    assert entries[0] == Problem(str(tmp_path / "c.dat"), "permission denied")
    assert entries[1] == Problem(str(tmp_path / "closed"), "permission denied")
    assert [entry.path for entry in entries[2:]] == [str(tmp_path / "open" / "a.png")]


def test_exclude_wins_over_ignore_files(tmp_path: Path) -> None:
    make(tmp_path, "a.png", "thumbs/b.png", "x/thumbs/c.png", "x/d.png", "2020/e.png", "x/2020/f.png")
    assert found(tmp_path, exclude=["thumbs", "/2020/**"]) == ["a.png", "x/2020/f.png", "x/d.png"]
    assert found(tmp_path, exclude=["x/*.png"]) == [
        "2020/e.png",
        "a.png",
        "thumbs/b.png",
        "x/2020/f.png",
        "x/thumbs/c.png",
    ]
    (tmp_path / ".dinosearchignore").write_text("!a.png\n")
    assert "a.png" not in found(tmp_path, exclude=["*.png"])


def test_deeply_nested_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Deeper than Python's recursion limit; made and removed step by step, as the whole path is too long for one call
    # and pytest's own cleaning does not get down there.
    monkeypatch.chdir(tmp_path)
    depth = 1200
    for _ in range(depth):
        os.mkdir("d")
        os.chdir("d")
    Path("a.png").write_bytes(PNG)
    try:
        entries = list(scan(str(tmp_path)))
    finally:
        os.unlink("a.png")
        for _ in range(depth):
            os.chdir("..")
            os.rmdir("d")
    assert len(entries) == 1
    assert entries[0].path.endswith("d/a.png")


# Each case is the text of one ignore file; git decides about every path of the tree.
IGNORE_CASES = [
    "*.png\n!keep.png\n",
    "/a.png\n",
    "sub/\n",
    "sub\n!sub/keep.png\n",
    "sub/*\n!sub/keep.png\n",
    "**/deep\n",
    "sub/**/x.png\n",
    "sub/**\n",
    "**\n!*.png\n",
    "a?.png\n",
    "[a-c].png\n[!a-k]eep.png\n",
    "[[:digit:]].png\n",
    "# comment\n\\#odd.png\n\\!odd.png\n",
    "trailing   \nescaped\\ \n",
    "sub/deep/x.png\n",
    "/sub/deep\n!/sub/deep/x.png\n",
    "de*p/\n",
    "\n\n   \n/\n",
    "a[.png\n",
    "*/x.png\n",
    "sub**\n",
    "**/x.png\n!sub/deep/x.png\n",
    "*\n!*/\n!keep.png\n",
    "a\\.png\n",
    "[]a].png\n",
    "[^a].png\n",
    "foo/**/bar\n",
    "k[e-]ep.png\n",
]
TREE = (
    """
a.png b.png ].png 1.png a1.png keep.png #odd.png !odd.png trailing k-ep.png a[.png x.png
sub/a.png sub/keep.png sub/deep/x.png sub/deep/keep.png other/sub/x.png other/deep/er/x.png
foo/bar/a.png foo/q/bar/a.png foo/q/r/bar/a.png
""".split()
    + ["escaped "]
)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("git") is None:
        pytest.skip("git is the oracle here")
    root = tmp_path_factory.mktemp("repository")
    make(root, *TREE)
    subprocess.run(["git", "init", "-q", str(root)], check=True, capture_output=True)
    return root


def git_keeps(root: Path) -> list[str]:
    """What git would add: its walk prunes ignored folders as ours does."""
    command = [
        "git",
        "-c",
        "core.excludesFile=",
        "-C",
        str(root),
        "ls-files",
        "-o",
        "-z",
        "--exclude-per-directory=.dinosearchignore",
    ]
    out = subprocess.run(command, check=True, capture_output=True).stdout
    return sorted(name for name in out.decode().split("\0") if name and not name.endswith(".dinosearchignore"))


@pytest.mark.parametrize("text", IGNORE_CASES)
def test_ignore_file_agrees_with_git(repository: Path, text: str) -> None:
    (repository / ".dinosearchignore").write_text(text)
    assert found(repository) == git_keeps(repository)


def test_deeper_ignore_files_win(repository: Path) -> None:
    (repository / ".dinosearchignore").write_text("x.png\n*.jpg\n")
    deeper = repository / "sub" / ".dinosearchignore"
    deeper.write_text("!x.png\n/deep/keep.png\n")
    try:
        kept = found(repository)
        assert kept == git_keeps(repository)
        assert "sub/deep/x.png" in kept and "x.png" not in kept and "sub/deep/keep.png" not in kept
    finally:
        deeper.unlink()


@settings(max_examples=60, deadline=None)
@given(lines=st.lists(st.text("ab/*?[]!^-.\\ #px", min_size=1, max_size=8), min_size=1, max_size=3))
def test_random_ignore_files_agree_with_git(repository: Path, lines: list[str]) -> None:
    (repository / ".dinosearchignore").write_text("\n".join(lines) + "\n")
    assert found(repository) == git_keeps(repository)


def test_rules_decide_about_one_path() -> None:
    rules = IgnoreRules(["*.png", "!keep.png", "build/"])
    assert rules.decide("x/a.png", False) is True
    assert rules.decide("x/keep.png", False) is False
    assert rules.decide("x/build", True) is True
    assert rules.decide("x/build", False) is None
