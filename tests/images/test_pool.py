"""The decode pool: order, agreement with decoding in this process, crashes, time-outs, ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dinosearch.images import DecodePool, prepare
from dinosearch.records import FoundFile, PreparedImage, Preprocessing, Problem
from tests.images.pictures import encoded, gradient

SMALL = Preprocessing("squash", 28)


@pytest.fixture(autouse=True)
def child_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The other tests decode in their own process; these are about the workers."""
    monkeypatch.delenv("DINOSEARCH_DECODE", raising=False)


def make(folder: Path, count: int) -> list[FoundFile]:
    files = []
    for i in range(count):
        path = folder / f"{i:03}.png"
        path.write_bytes(encoded(Image.fromarray(np.roll(gradient(40, 30), i, axis=1)), "PNG"))
        files.append(FoundFile(str(path), path.stat().st_size, 0))
    return files


@pytest.mark.parametrize("inline", [False, True])
def test_agrees_with_this_process_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inline: bool) -> None:
    if inline:
        monkeypatch.setenv("DINOSEARCH_DECODE", "inline")
    files = make(tmp_path, 60)
    Path(files[7].path).write_bytes(b"text")
    Path(files[9].path).unlink()
    with DecodePool(SMALL, workers=2) as pool:
        answers = list(pool.prepare_all(files))
        again = list(pool.prepare_all(files[:3]))
    assert [file for file, _ in answers] == files
    assert [file for file, _ in again] == files[:3]
    assert answers[7][1] == Problem(files[7].path, "not an image")
    assert answers[9][1] == Problem(files[9].path, "no longer there")
    for number, (file, answer) in enumerate(answers):
        if number not in (7, 9):
            assert isinstance(answer, PreparedImage)
            expected = prepare(Path(file.path).read_bytes(), file.path, SMALL)
            np.testing.assert_array_equal(answer.pixels, expected.pixels)
            assert (answer.info, answer.sha256) == (expected.info, expected.sha256)


def test_content_may_be_handed_over_and_names_may_be_odd() -> None:
    data = encoded(Image.fromarray(gradient(50, 30)), "JPEG", exif=exif_of_2020())
    file = FoundFile("/nowhere/a.tar::x\udcff\n.jpg", len(data), 0)
    with DecodePool(Preprocessing("fit", 224), patch=16, workers=1) as pool:
        [(answered, answer)] = pool.prepare_all([(file, data)])
    expected = prepare(data, "x", Preprocessing("fit", 224), patch=16)
    assert answered == file and isinstance(answer, PreparedImage)
    assert answer.info == expected.info and answer.info.taken is not None
    np.testing.assert_array_equal(answer.pixels, expected.pixels)


def exif_of_2020() -> Image.Exif:
    tags = Image.Exif()
    tags[0x0132] = "2020:01:02 03:04:05"
    return tags


def workers_of(pool: DecodePool) -> list[int]:
    return [worker._process.pid for worker in pool._started]


def stopped(pool: DecodePool, files: list[FoundFile], then: list[signal.Signals]) -> Iterator[FoundFile]:
    """The files, of which the one at place 5 meets a worker that hangs, and is sent signals while it works on it."""
    yield from files[:5]
    settle(pool)
    [pid] = workers_of(pool)
    os.kill(pid, signal.SIGSTOP)
    yield files[5]
    time.sleep(0.2)
    for number in then:
        os.kill(pid, number)
    yield from files[6:]


def settle(pool: DecodePool) -> None:
    while pool._idle.qsize() < 1:
        time.sleep(0.01)


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGKILL])
def test_a_crash_costs_exactly_its_own_file(tmp_path: Path, number: signal.Signals) -> None:
    files = make(tmp_path, 20)
    with DecodePool(SMALL, workers=1) as pool:
        answers = list(pool.prepare_all(stopped(pool, files, [number, signal.SIGCONT])))
    assert [file for file, _ in answers] == files
    expected = Problem(files[5].path, f"the decoder crashed (signal {number.value}, {number.name})")
    assert [answer for _, answer in answers if isinstance(answer, Problem)] == [expected]


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_what_takes_too_long_is_given_up(tmp_path: Path) -> None:
    files = make(tmp_path, 20)
    with DecodePool(SMALL, workers=1, timeout=1.5) as pool:
        answers = list(pool.prepare_all(stopped(pool, files, [])))
    assert [file for file, _ in answers] == files
    expected = Problem(files[5].path, "decoding took longer than 1.5 s")
    assert [answer for _, answer in answers if isinstance(answer, Problem)] == [expected]


UNTIL_TOLD = """
import sys
from pathlib import Path
from dinosearch.images import DecodePool
from dinosearch.records import FoundFile, Preprocessing, Problem

photo, end = map(Path, sys.argv[1:])

def files():
    while not end.exists():
        yield FoundFile(str(photo), photo.stat().st_size, 0)

with DecodePool(Preprocessing("squash", 28), workers=1, timeout=0.3) as pool:
    for _, answer in pool.prepare_all(files()):
        assert not isinstance(answer, Problem), answer
        print("one", flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_program_that_is_stopped_and_goes_on_blames_no_file(tmp_path: Path) -> None:
    photo, end = tmp_path / "photo.png", tmp_path / "end"
    photo.write_bytes(encoded(Image.fromarray(gradient(1500, 1000)), "PNG"))  # so large that it is always under way
    program = subprocess.Popen(
        [sys.executable, "-c", UNTIL_TOLD, str(photo), str(end)],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        assert program.stdout is not None and program.stdout.readline() == b"one\n"
        os.killpg(program.pid, signal.SIGSTOP)  # as Ctrl-Z
        time.sleep(2.5)  # more than six times the limit
        os.killpg(program.pid, signal.SIGCONT)
        time.sleep(0.5)
        end.touch()
        program.communicate(timeout=60)
        assert program.returncode == 0
    finally:
        program.kill()
        program.wait()


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_worker_killed_while_idle_blames_no_file(tmp_path: Path) -> None:
    files = make(tmp_path, 4)
    with DecodePool(SMALL, workers=1) as pool:
        list(pool.prepare_all(files))
        [pid] = workers_of(pool)
        os.kill(pid, signal.SIGKILL)
        time.sleep(0.3)
        assert all(isinstance(answer, PreparedImage) for _, answer in pool.prepare_all(files))


def test_look_ahead_is_bounded(tmp_path: Path) -> None:
    files = make(tmp_path, 1) * 500
    taken = 0

    def source() -> Iterator[FoundFile]:
        nonlocal taken
        for file in files:
            taken += 1
            yield file

    with DecodePool(SMALL, workers=2) as pool:
        for place, _ in enumerate(pool.prepare_all(source())):
            assert taken <= place + 130
    assert taken == 500


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    # A zombie whose new parent has not collected it yet is gone too.
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rsplit(")", 1)[1].split()[0] == "Z"


def wait_until_gone(pids: list[int], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if all(gone(pid) for pid in pids):
            return True
        time.sleep(0.05)
    return False


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_leaving_early_ends_the_workers(tmp_path: Path) -> None:
    files = make(tmp_path, 30)
    pids = []
    with pytest.raises(KeyboardInterrupt), DecodePool(SMALL, workers=2) as pool:
        for place, _ in enumerate(pool.prepare_all(files)):
            if place == 3:
                pids = workers_of(pool)
                raise KeyboardInterrupt
    assert pids and wait_until_gone(pids, 5)
    with pytest.raises(ValueError, match="closed"):
        next(pool.prepare_all(files))
    pool.close()


PARENT = """
import os, sys, time
from dinosearch.images import DecodePool
from dinosearch.records import FoundFile, Preprocessing
files = [FoundFile(sys.argv[1], 1, 0)] * 50
with DecodePool(Preprocessing("squash", 28), workers=2) as pool:
    for place, _ in enumerate(pool.prepare_all(files)):
        if place == 20:
            print(*[worker._process.pid for worker in pool._started], flush=True)
            time.sleep(60)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_workers_die_with_their_parent(tmp_path: Path) -> None:
    [file] = make(tmp_path, 1)
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-c", PARENT, file.path]
    parent = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=root, text=True)
    assert parent.stdout is not None
    pids = [int(word) for word in parent.stdout.readline().split()]
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert pids and wait_until_gone(pids, 10)


SLEEPING = """
import os, sys, time
from dinosearch.images import DecodePool
from dinosearch.images.workers.messages import Wanted, send
from dinosearch.records import Preprocessing
with DecodePool(Preprocessing("squash", 28), workers=1) as pool:
    worker = pool._take_worker()
    if sys.argv[1] == "forked":  # which keeps the ends of the pipes
        if os.fork() == 0:
            os.close(1)
            sys.stdin.read()
            os._exit(0)
    else:
        asked = {"path": "never.png", "inline": False, "size": 1, "timeout": 60.0, "wanted": Wanted(hint=1).to_json()}
        send(worker._to, asked)
    print(worker.pid, flush=True)
    time.sleep(60)
"""
NEVER_READS = """
import os, time
plain = os.open
def slow(path, *arguments, **named):
    time.sleep(60 * (path == "never.png"))  # as from a network drive that is not there
    return plain(path, *arguments, **named)
os.open = slow
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("how", ["forked", "in a read"])
def test_a_worker_that_sleeps_ends_with_its_parent(tmp_path: Path, how: str) -> None:
    (tmp_path / "sitecustomize.py").write_text(NEVER_READS)
    root = Path(__file__).resolve().parents[2]
    parent = subprocess.Popen(
        [sys.executable, "-c", SLEEPING, how],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=root,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(root)])},
    )
    with parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        time.sleep(0.3)
        assert not gone(pid)
        parent.kill()
        assert wait_until_gone([pid], 10)


def test_modules_in_the_working_folder_are_not_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = make(tmp_path, 1)
    (tmp_path / "struct.py").write_text("raise SystemExit(7)")
    (tmp_path / "PIL.py").write_text("raise SystemExit(7)")
    monkeypatch.chdir(tmp_path)
    with DecodePool(SMALL, workers=1) as pool:
        [(_, answer)] = pool.prepare_all(files)
        assert isinstance(answer, PreparedImage)
        assert workers_of(pool), "it was a worker that answered"


def test_without_a_python_to_start_it_decodes_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = make(tmp_path, 3)
    for program in (str(tmp_path / "missing"), None):
        monkeypatch.setattr(sys, "executable", program)
        with DecodePool(SMALL, workers=2) as pool:
            assert all(isinstance(answer, PreparedImage) for _, answer in pool.prepare_all(files))


def test_arguments_are_checked() -> None:
    with pytest.raises(ValueError, match="workers"):
        DecodePool(SMALL, workers=0)
    with pytest.raises(ValueError, match="timeout"):
        DecodePool(SMALL, timeout=0)
