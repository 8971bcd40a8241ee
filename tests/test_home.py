"""The folder of a collection: names, the writer's lock and its note, a folder that is taken away, publishing, sums."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import filelock
import pytest
from filelock import FileLock

from dinosearch.errors import CollectionNotFoundError, HomeLockedError
from dinosearch.home import Home, atomic_path, identity, sha256_file


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """An empty home, two folders deep."""
    home = Home(tmp_path / "deep" / "home")
    home.create()
    return home


def test_paths_are_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert Home("~/a").path == Home("b/../a").path == Home(tmp_path / "a").path == tmp_path / "a"


def test_a_folder_is_a_collection_by_its_metadata(home: Home) -> None:
    home.create()  # an existing one stays
    with pytest.raises(CollectionNotFoundError, match="dinosearch index FOLDER --home"):
        home.require()
    home.metadata.touch()
    home.require()
    assert home.exists()


def test_files_of_generations_are_told_from_the_others(home: Home) -> None:
    sha256 = hashlib.sha256(b"index").hexdigest()
    theirs = [home.vectors(1), home.vectors(12), home.basis(1), home.index(1, sha256), home.diffusion(1, "rows")]
    theirs.append(home.path / "index-2-abc.faiss.17.tmp")
    for path in [*theirs, home.metadata, home.path / "writer.lock", home.path / "my vectors-1.f32"]:
        path.touch()
    assert sorted(home.generation_files()) == sorted(theirs)
    assert home.index(1, sha256) != home.index(1, hashlib.sha256(b"another").hexdigest())


def test_names_are_part_of_the_format(home: Home) -> None:
    """A home of an earlier run is found by these names (docs/vector-format.md, and `tests/upgrades`)."""
    sha256 = hashlib.sha256(b"index").hexdigest()
    paths = [home.metadata, home.vectors(3), home.basis(3), home.index(3, sha256), home.diffusion(3, "rows")]
    names = ["metadata.sqlite", "vectors-3.f32", "basis-3.npz", f"index-3-{sha256[:12]}.faiss", "diffusion-3-rows.bin"]
    assert paths == [home.path / name for name in names]


def test_the_note_tells_who_writes_and_goes_with_the_writer(home: Home) -> None:
    note = home.path / "writer.json"
    with home.writer():
        held = json.loads(note.read_text())
        assert (held["pid"], held["host"]) == (os.getpid(), socket.gethostname())
        since = time.mktime(time.strptime(held["since"], "%Y-%m-%d %H:%M:%S"))
        assert abs(time.time() - since) < 3600
        with pytest.raises(HomeLockedError, match=f"process {os.getpid()} on .* since {held['since']}"):
            home.writer().__enter__()
    assert [entry.name for entry in home.path.iterdir() if entry.name != "writer.lock"] == []


@pytest.mark.parametrize("error", [KeyError("mine"), OSError(5, "mine"), KeyboardInterrupt("mine")])
def test_an_error_of_the_writer_stays_as_it_is_and_frees_the_lock(home: Home, error: BaseException) -> None:
    with pytest.raises(type(error), match="mine") as seen, home.writer():
        raise error
    assert seen.value is error
    with home.writer():
        pass
    assert not (home.path / "writer.json").exists()


@pytest.mark.parametrize("error", [None, OSError("no such file")])
def test_a_home_that_was_moved_is_named_and_another_one_left_alone(home: Home, error: OSError | None) -> None:
    moved = home.path.with_name("moved")
    with pytest.raises(CollectionNotFoundError, match="moved, deleted or unmounted"), home.writer():
        home.path.rename(moved)
        home.create()
        (home.path / "writer.json").write_text("of another writer")
        if error:
            raise error
    assert (home.path / "writer.json").read_text() == "of another writer"
    with Home(moved).writer(), home.writer():
        pass


def test_an_interrupted_rename_is_repeated(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    left, rename = [InterruptedError(), InterruptedError()], os.replace

    def interrupted(source: Path, target: Path) -> None:
        if left:
            raise left.pop()
        rename(source, target)

    monkeypatch.setattr(os, "replace", interrupted)
    with home.writer():
        assert (home.path / "writer.json").exists()
    assert not left


def test_an_interrupted_listing_is_repeated(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    (home.path / "vectors-1.f32").touch()
    left, scan = [InterruptedError(), InterruptedError()], os.scandir

    def interrupted(folder: Path) -> object:
        if left:
            raise left.pop()
        return scan(folder)

    monkeypatch.setattr(os, "scandir", interrupted)
    assert home.generation_files() == [home.path / "vectors-1.f32"]
    assert not left


def test_a_home_that_was_deleted_is_named(home: Home) -> None:
    with pytest.raises(CollectionNotFoundError, match="moved, deleted or unmounted"), home.writer():
        shutil.rmtree(home.path)


def test_a_holder_of_another_user_is_alive(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(pid: int, number: int) -> None:
        assert number == 0
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "kill", refused)
    with home.writer(), pytest.raises(HomeLockedError, match=f"process {os.getpid()}"):
        home.writer().__enter__()


@pytest.mark.parametrize("host", ["!", "~"])
def test_a_process_of_another_host_is_not_asked(home: Home, host: str) -> None:
    with home.writer():
        (home.path / "writer.json").write_text(json.dumps({"pid": "no number here", "host": host, "since": "noon"}))
        with pytest.raises(HomeLockedError, match=f"process no number here on {host} since noon"):
            home.writer().__enter__()


def test_a_note_that_somebody_deleted_is_not_missed(home: Home) -> None:
    with home.writer():
        (home.path / "writer.json").unlink()
    with home.writer():
        pass


def older(path: Path, timeout: float, thread_local: bool) -> filelock.BaseFileLock:
    """The lock of a filelock that has no soft one to fall back to."""
    return FileLock(path, timeout=timeout, thread_local=thread_local)


@pytest.mark.parametrize("lock", [FileLock, older])
@pytest.mark.timeout(20)  # a lock that is waited for would never come
def test_a_lock_may_be_freed_by_another_thread(
    home: Home, lock: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = []  # a lock that is deleted frees itself: too early to see who freed it

    def make(*arguments: object, **options: object) -> object:
        kept.append(lock(*arguments, **options))
        return kept[-1]

    monkeypatch.setattr(filelock, "FileLock", make)
    held = home.writer()
    thread = threading.Thread(target=held.__enter__)
    thread.start()
    thread.join()
    with pytest.raises(HomeLockedError):
        home.writer().__enter__()
    held.__exit__(None, None, None)
    with home.writer():
        pass


@pytest.mark.parametrize(
    ("refusal", "becomes"),
    [(OSError(errno.EIO, "the disk"), OSError), (NotImplementedError("no locks"), HomeLockedError)],
)
def test_only_a_lack_of_locks_is_called_so(
    home: Home, refusal: Exception, becomes: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(lock: filelock.BaseFileLock) -> None:
        raise refusal

    monkeypatch.setattr(FileLock, "acquire", refuse)
    with pytest.raises(becomes, match=str(refusal.args[-1])) as seen:
        home.writer().__enter__()
    assert (seen.value is refusal) == (becomes is OSError)


def test_publishing_shows_the_old_or_the_new_file_and_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(KeyError), atomic_path(path) as temporary:
        temporary.write_text("half")
        raise KeyError
    assert {entry.name: entry.read_text() for entry in tmp_path.iterdir()} == {"file": "old"}
    with atomic_path(path) as temporary:
        temporary.write_text("new")
        assert (path.read_text(), temporary.parent) == ("old", tmp_path)
    assert {entry.name: entry.read_text() for entry in tmp_path.iterdir()} == {"file": "new"}


def test_publishing_syncs_the_file_then_renames_then_syncs_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[object] = []
    sync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda file: (sync(file), done.append(os.fstat(file).st_ino)))
    monkeypatch.setattr(os, "replace", lambda a, b: (replace(a, b), done.append("renamed")))
    descriptors = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").is_dir() else None
    with atomic_path(tmp_path / "file") as temporary:
        temporary.write_text("new")
    assert done == [(tmp_path / "file").stat().st_ino, "renamed", tmp_path.stat().st_ino]
    if descriptors is not None:
        assert len(os.listdir("/proc/self/fd")) == descriptors


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 5 << 19])
def test_sum_is_that_of_all_bytes(tmp_path: Path, size: int) -> None:
    content = os.urandom(size)
    (tmp_path / "file").write_bytes(content)
    assert sha256_file(tmp_path / "file") == hashlib.sha256(content).hexdigest()


def test_identity_is_that_of_the_file_and_not_of_its_name(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    assert identity(one) is None
    one.touch()
    two.touch()
    known = identity(one)
    assert known is not None and known != identity(two) and known != identity(tmp_path)
    one.rename(tmp_path / "three")
    assert (identity(one), identity(tmp_path / "three")) == (None, known)
    two.rename(one)
    assert identity(one) not in (None, known)
