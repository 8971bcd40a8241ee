"""The command line as a process: what it loads, interrupts, closed pipes, odd encodings, progress on a terminal."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from dinosearch.cli import cli
from tests.conftest import write_photo

# The command line with an embedder that needs no weights; --batch N makes it take N hundredths of a second an image.
DRIVER = """
import sys, time
import dinosearch.embedding
from tests.conftest import FakeEmbedder

def open_fake(model="auto", *, batch=None, **settings):
    class Slow(FakeEmbedder):
        def embed(self, pixels):
            time.sleep((batch or 0) / 100 * len(pixels))
            return super().embed(pixels)
    return Slow()

dinosearch.embedding.open_embedder = open_fake
from dinosearch.cli import run
run()
"""
CHECKOUT = Path(__file__).parents[2]


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DINOSEARCH_")}
    return {**kept, "PYTHONPATH": str(CHECKOUT), "DINOSEARCH_DECODE": "inline", **more}


def dinosearch(*arguments: str | Path, cwd: Path, **options) -> subprocess.CompletedProcess:
    command = [sys.executable, "-c", DRIVER, *map(str, arguments)]
    options = {"env": environment(), "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    return subprocess.run(command, cwd=cwd, timeout=120, check=False, **options)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with photos/ and the collection ./index of them."""
    folder = tmp_path_factory.mktemp("process")
    for i in range(12):
        write_photo(folder / "photos" / f"{i:02}.png", seed=i)
    done = dinosearch("index", "photos", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


LOADED = """
import json, sys
from dinosearch.cli import cli
found = {}
for arguments in json.loads(sys.argv[1]):
    try:
        cli(arguments, prog_name="dinosearch")
    except SystemExit as end:
        assert end.code == 0, arguments
    found[" ".join(arguments)] = sorted({name.partition(".")[0] for name in sys.modules})
print("LOADED" + json.dumps(found))
"""
HEAVY = {"torch", "faiss", "sqlalchemy", "numpy", "PIL", "rich", "filelock"}


def loaded(cwd: Path, *calls: list[str]) -> dict[str, set[str]]:
    """Top-level modules in memory after each call, all in one process."""
    command = [sys.executable, "-c", LOADED, json.dumps(calls)]
    done = subprocess.run(command, cwd=cwd, env=environment(), capture_output=True, text=True, timeout=120, check=True)
    return {name: set(modules) for name, modules in json.loads(done.stdout.partition("LOADED")[2]).items()}


def test_help_loads_nothing_heavy(tmp_path: Path) -> None:
    calls = [["--version"], ["--help"], *([verb, "--help"] for verb in cli.commands)]
    for call, modules in loaded(tmp_path, *calls).items():
        assert "click" in modules
        assert modules & HEAVY == set(), call


@pytest.mark.slow
def test_only_what_a_verb_needs_is_loaded(folder: Path) -> None:
    found = loaded(folder, ["models"], ["export", "-"], ["info"], ["query", "id:1"])
    assert found["models"] & HEAVY <= {"filelock", "numpy"}
    assert "sqlalchemy" in found["export -"]
    assert "torch" not in found["query id:1"]


@pytest.mark.skipif(os.name == "nt", reason="sends SIGINT")
def test_many_interrupts_at_once_end_without_a_traceback(folder: Path) -> None:
    """The later ones come while connections are closed."""
    slow = """
import os, signal
import dinosearch.collection as front
from sqlalchemy.engine.default import DefaultDialect

def close(self, connection):
    os.kill(os.getpid(), signal.SIGINT)
    connection.close()

def files(self, where=None):
    self.info()
    os.kill(os.getpid(), signal.SIGINT)

signal.signal(signal.SIGINT, signal.default_int_handler)
front.Collection.files, DefaultDialect.do_close, DefaultDialect.do_terminate = files, close, close
"""
    done = subprocess.run(
        [sys.executable, "-c", slow + DRIVER, "export", "-"],
        cwd=folder, env=environment(), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "dinosearch: interrupted\n")


@pytest.mark.slow
def test_interrupted_by_a_signal_then_run_again(tmp_path: Path) -> None:
    for i in range(120):
        write_photo(tmp_path / "photos" / f"{i:03}.png", seed=i)
    # Five seconds of work, of which the first commit comes early.
    command = [sys.executable, "-c", DRIVER, "index", "photos", "--batch", "4"]
    with subprocess.Popen(
        command,
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Tests that run in the background of a shell inherit that Ctrl-C is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not images(tmp_path / "index"):
            assert process.poll() is None, process.communicate()
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    assert (stdout, stderr) == (
        "", "dinosearch: interrupted; what was finished is kept, run the same command again to go on\n",
    )  # fmt: skip
    kept = images(tmp_path / "index")
    assert 0 < kept < 120
    again = json.loads(dinosearch("index", "photos", "--json", cwd=tmp_path).stdout)
    assert (again["unchanged"], again["added"], again["embedded"]) == (kept, 120 - kept, 120 - kept)


def images(home: Path) -> int:
    """Images that are committed, as an outsider sees them."""
    try:
        with sqlite3.connect(f"file:{home / 'metadata.sqlite'}?mode=ro", uri=True) as connection:
            (count,) = connection.execute("SELECT count(*) FROM images").fetchone()
    except sqlite3.OperationalError:  # not there yet
        return 0
    connection.close()
    return int(count)


@pytest.mark.slow
def test_a_reader_that_has_enough_is_no_error(folder: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        for arguments in (["export", "-"], ["query", "id:1", "-0"]):
            done = dinosearch(*arguments, cwd=folder, stdout=writing)
            assert (done.returncode, done.stderr) == (0, b""), arguments
    finally:
        os.close(writing)


@pytest.mark.slow
def test_a_terminal_that_lacks_a_letter_gets_an_escape(folder: Path) -> None:
    write_photo(folder / "more" / "caf\u00e9.png", seed=30)
    assert dinosearch("index", "photos", "more", "--home", "two", cwd=folder).returncode == 0
    cyrillic = environment(PYTHONIOENCODING="iso8859-5", PYTHONUTF8="0")  # has no e with an accent
    done = dinosearch("query", "id:1", "-k", "12", "--home", "two", cwd=folder, env=cyrillic)
    assert done.returncode == 0, done.stderr
    assert rb"caf\xe9.png" in done.stdout


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs pseudo-terminals")
def test_progress_is_drawn_on_the_terminal_and_stdout_stays_clean(folder: Path) -> None:
    terminal, inner = os.openpty()
    drawn: list[bytes] = []
    reader = threading.Thread(target=read_all, args=(terminal, drawn))
    reader.start()  # a terminal that nobody reads would stop the program
    try:
        done = dinosearch("index", "photos", "--home", "three", "--json", cwd=folder, stderr=inner)
    finally:
        os.close(inner)
        reader.join()
        os.close(terminal)
    picture = b"".join(drawn).decode()
    assert done.returncode == 0
    assert json.loads(done.stdout)["added"] == 12
    assert "indexing" in picture
    assert "12 of 12 images" in picture


def read_all(terminal: int, into: list[bytes]) -> None:
    try:
        while data := os.read(terminal, 1 << 16):
            into.append(data)
    except OSError:  # Linux says so when the other side is closed
        pass
