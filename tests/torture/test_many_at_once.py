"""One writer, many readers: the short share of scripts/torture_readers.py; who may write; forks."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from torture.numbered import NumberEmbedder, png, vector
from torture.readers import run
from torture.verdict import Verdict

from dinosearch import Collection
from dinosearch.errors import HomeLockedError
from dinosearch.home import Home

CHECKOUT = Path(__file__).parents[2]
BEGIN = """
import os, sys
from pathlib import Path
from dinosearch import Collection
from dinosearch.errors import DinosearchError
from dinosearch.home import Home
from torture.numbered import NumberEmbedder, png, vector
root = Path(sys.argv[1])

def opened(name="home"):
    return Collection.open(root / name, create=True, embedder=NumberEmbedder())
"""
HOLD = """
with Home(root / "home").writer():
    print("held", flush=True)
    sys.stdin.read()
"""


def script(code: str, root: Path, **options) -> subprocess.Popen[str]:
    path = os.pathsep.join([str(CHECKOUT), str(CHECKOUT / "scripts")])
    environment = {**os.environ, "PYTHONPATH": path, "DINOSEARCH_DECODE": "inline"}
    options = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, **options}
    return subprocess.Popen([sys.executable, "-c", BEGIN + code, str(root)], env=environment, **options)


def said(code: str, root: Path) -> dict[str, object]:
    """What a script prints as JSON in the end."""
    with script("import json\n" + code, root) as process:
        stdout, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    return json.loads(stdout.splitlines()[-1])


@contextmanager
def holder(root: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the writer's lock."""
    with script(HOLD, root) as process:
        assert process.stdout is not None and process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with photos/ of five pictures and the collection home/ of them."""
    (tmp_path / "photos").mkdir()
    for number in range(5):
        (tmp_path / "photos" / f"{number}.png").write_bytes(png(number))
    with opened(tmp_path / "home") as collection:
        collection.index(tmp_path / "photos")
    return tmp_path


def opened(home: Path) -> Collection:
    return Collection.open(home, create=True, embedder=NumberEmbedder())


def test_every_answer_is_of_one_committed_state(tmp_path: Path) -> None:
    verdict = Verdict("many at once", 1, "scripts/torture_readers.py")
    run(tmp_path, 1, 8, verdict, processes=2, threads=4)
    assert verdict.failures == []
    assert verdict.outcomes["states committed"] > 5
    assert verdict.outcomes["reads while a commit came in"] > 5


def test_a_second_writer_is_refused_with_the_holder(root: Path) -> None:
    with holder(root) as process, opened(root / "home") as collection:
        with pytest.raises(HomeLockedError) as refused:
            collection.remove("id:1")
        assert f"process {process.pid} on {socket.gethostname()} since 20" in str(refused.value)
        assert collection.query("id:1", k=1)[0].id != 1  # readers go on


def test_the_lock_of_a_killed_writer_is_free(root: Path) -> None:
    with holder(root) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert json.loads((root / "home" / "writer.json").read_text())["pid"] == process.pid
    with opened(root / "home") as collection:
        assert collection.remove("id:1") == 1


def test_a_left_over_note_names_nobody(root: Path) -> None:
    """The lock is held, but the note is of a process that has ended, of another host, or no note at all."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    with holder(root) as process, opened(root / "home") as collection:
        for note, named in (
            ({"pid": ended.pid, "host": socket.gethostname(), "since": "x"}, "another process"),
            ({"pid": ended.pid, "host": "elsewhere", "since": "x"}, f"process {ended.pid} on elsewhere"),
            ({"pid": "x"}, "another process"),
            ([], "another process"),
        ):
            (root / "home" / "writer.json").write_text(json.dumps(note))
            with pytest.raises(HomeLockedError, match=named):
                collection.remove("id:1")
    assert process.wait() == -signal.SIGKILL
    (root / "home" / "writer.json").write_text('{"pid": 1, "host": "elsewhere", "since": "x"}')
    with opened(root / "home") as collection:
        assert collection.remove("id:1") == 1  # a note without a lock holds nobody up


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_file_system_without_locks_is_a_sentence(root: Path, monkeypatch, number: int) -> None:
    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(number, os.strerror(number))

    with opened(root / "home") as collection:
        monkeypatch.setattr(fcntl, "flock", refuse)
        with pytest.raises(HomeLockedError, match="has no file locks"):
            collection.remove("id:1")


def test_two_homes_and_two_names_of_one_home(root: Path) -> None:
    (root / "link").symlink_to(root / "home")
    with holder(root), opened(root / "link") as same, opened(root / "other") as other:
        assert other.index(root / "photos").added == 5
        with pytest.raises(HomeLockedError):
            same.index(root / "photos")
    with opened(root / "home") as first, opened(root / "link") as second:
        assert first.remove("id:1") == 1
        assert [str(file["path"]) for file in second.files()] == [str(file["path"]) for file in first.files()]
        assert len(second.search_vectors(vector(0), 10)[0]) == 4
        assert second.remove("id:2") == 1
        assert first.info().files == 3


def test_threads_of_one_process_do_not_write_at_once(root: Path) -> None:
    with opened(root / "home") as first, opened(root / "home") as second, Home(root / "home").writer():
        refused = []

        def write(collection: Collection) -> None:
            try:
                collection.remove("id:1")
            except HomeLockedError as error:
                refused.append(str(error))

        threads = [threading.Thread(target=write, args=(collection,)) for collection in (first, second)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(refused) == 2
        assert all(f"process {os.getpid()} " in sentence for sentence in refused)


FORK = """
collection = opened()
collection.index(root / "photos", recall=0.9)  # builds an index, by threads that the fork will not have
reading, writing = os.pipe()
child = os.fork()
if child == 0:
    told = {}
    for verb in (lambda: collection.query("id:1"), lambda: collection.index(root / "photos"), collection.info):
        try:
            verb()
            told["inherited"] = "worked"
        except DinosearchError as error:
            told["inherited"] = str(error)
    collection.close()
    with opened() as mine:
        told["own"] = mine.search_vectors(vector(3), 1)[0][0].path
        (root / "photos" / "new.png").write_bytes(png(9))
        told["added"] = mine.index(root / "photos").added
    os.write(writing, json.dumps(told).encode())
    sys.exit()  # not os._exit: what the child took along is closed
os.close(writing)
with open(reading) as pipe:
    told = json.load(pipe)
told["status"] = os.waitpid(child, 0)[1]
told["parent"] = collection.search_vectors(vector(9), 1)[0][0].path
told["sound"] = collection.verify().ok
told["pids"] = [os.getpid(), child]
print(json.dumps(told))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here")
def test_a_fork_opens_the_collection_anew(root: Path) -> None:
    told = said(FORK, root)
    parent, child = told["pids"]
    assert f"opened by process {parent}" in told["inherited"] and f"the fork {child} of it" in told["inherited"]
    assert told["own"] == str(root / "photos" / "3.png")
    assert (told["added"], told["status"], told["sound"]) == (1, 0, True)
    assert told["parent"] == str(root / "photos" / "new.png")


LAST = """
collection = opened()
collection.info()
reading, writing = os.pipe()
child = os.fork()
if child == 0:
    os.read(reading, 1)
    sys.exit()
collection.close()
writer = os.fork()
if writer == 0:
    (root / "photos" / "new.png").write_bytes(png(9))
    mine = opened()
    mine.index(root / "photos")
    os.kill(os.getpid(), 9)  # what it committed is in the -wal file only
os.waitpid(writer, 0)
os.write(writing, b"x")
os.waitpid(child, 0)
with opened() as collection:
    print(json.dumps({"files": collection.info().files, "sound": collection.verify().ok}))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here")
def test_a_fork_that_ends_takes_no_commit_along(root: Path) -> None:
    assert said(LAST, root) == {"files": 6, "sound": True}


WORKERS = """
import multiprocessing

def ask(number):
    with opened() as mine:
        return mine.search_vectors(vector(number), 1)[0][0].path

collection = opened()
with multiprocessing.get_context("fork").Pool(3) as pool:
    asked = pool.map_async(ask, list(range(5)) * 4)
    while not asked.ready():
        assert len(collection.search_vectors(vector(0), 5)[0]) == 5
    print(json.dumps(sorted(set(asked.get()))))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here")
def test_forked_workers_beside_a_reading_parent(root: Path) -> None:
    assert said(WORKERS, root) == [str(root / "photos" / f"{number}.png") for number in range(5)]


def test_an_open_collection_is_not_sent_to_a_spawned_process(root: Path) -> None:
    with opened(root / "home") as collection, pytest.raises(TypeError, match="open it there: Collection.open"):
        pickle.dumps(collection)
