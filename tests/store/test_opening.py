"""Opening: create, read only, beside a writer, other processes, other formats, damage; faults become sentences."""

from __future__ import annotations

import itertools
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from dinosearch.errors import (
    CollectionNotFoundError,
    DamagedHomeError,
    DinosearchError,
    FormatVersionError,
    HomeLockedError,
)
from dinosearch.home import FORMAT_VERSION
from dinosearch.records import FoundFile, Label, Problem, Verdict
from dinosearch.store import MetadataStore, database, migrations
from dinosearch.store.faults import translated
from tests.store.conftest import FINGERPRINT, put

ROOT = Path(__file__).resolve().parents[2]


def run_python(code: str, *arguments: str | Path, measured: bool = True) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    env = {name: value for name, value in os.environ.items() if measured or not name.startswith("COVERAGE_")}
    return subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def files_of(folder: Path) -> dict[str, bytes]:
    return {entry.name: entry.read_bytes() for entry in folder.iterdir()}


def test_create_and_open_again(file: Path) -> None:
    with MetadataStore.open(file, create=True) as store:
        put(store, "/a", "a")
    for again in (file, str(file), f"sqlite:///{file}"):
        with MetadataStore.open(again) as store:
            assert list(store.known()) == ["/a"]
    with MetadataStore.open(file, create=True) as store:  # create does not empty
        assert list(store.known()) == ["/a"]
    connection = sqlite3.connect(file)
    pragmas = {name: connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "user_version")}
    connection.close()
    assert pragmas == {"journal_mode": "wal", "user_version": FORMAT_VERSION}


@pytest.mark.parametrize("name", ["odd ?&#%41 name.sqlite", "caf\u00e9 \U0001f600.sqlite", "bytes\udcff.sqlite"])
def test_odd_file_names(tmp_path: Path, name: str) -> None:
    with MetadataStore.open(tmp_path / name, create=True) as store:
        put(store, "/a", "a")
    with MetadataStore.open(tmp_path / name, read_only=True) as store:
        assert list(store.known()) == ["/a"]
    assert name in os.listdir(tmp_path)


def test_nothing_there(tmp_path: Path) -> None:
    for options in ({}, {"read_only": True}, {"create": True, "read_only": True}):
        with pytest.raises(CollectionNotFoundError, match="dinosearch index FOLDER"):
            MetadataStore.open(tmp_path / "no.sqlite", **options)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(DinosearchError, match="folder is missing"):
        MetadataStore.open(tmp_path / "no" / "no.sqlite", create=True)


def test_interrupted_creation(file: Path) -> None:
    file.touch()
    for options in ({}, {"read_only": True}):
        with pytest.raises(CollectionNotFoundError, match="interrupted"):
            MetadataStore.open(file, **options)
    with MetadataStore.open(file, create=True) as store:
        assert store.counts()["images"] == 0


@pytest.mark.parametrize("url", ["mysql://host/db", "sqlite://", "sqlite:///:memory:", "://"])
def test_other_urls_are_wrong_arguments(url: str) -> None:
    with pytest.raises(ValueError, match="SQLite file|not a database URL"):
        MetadataStore.open(url)


def test_not_a_database(file: Path) -> None:
    file.write_bytes(b"something else entirely, and long enough to be taken for a page" * 100)
    for options in ({}, {"create": True}, {"read_only": True}):
        with pytest.raises(DamagedHomeError, match="not a dinosearch database") as refused:
            MetadataStore.open(file, **options)
        assert "--repair" not in str(refused.value)  # which has to open it too


def test_database_of_another_application(file: Path) -> None:
    connection = sqlite3.connect(file)
    connection.execute("CREATE TABLE images (id INTEGER)")
    connection.close()
    before = file.read_bytes()
    with pytest.raises(DamagedHomeError, match="not a dinosearch database"):
        MetadataStore.open(file, create=True)
    assert file.read_bytes() == before


def test_damaged_pages_are_named(file: Path) -> None:
    with MetadataStore.open(file, create=True) as store, store.transaction() as tx:
        for i in range(2000):
            tx.put_failure(Problem(f"/{i:05d}", "broken" * 10))
    data = bytearray(file.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 8192] = b"\xff" * 8192
    file.write_bytes(data)
    with MetadataStore.open(file, read_only=True) as store:
        with pytest.raises(DamagedHomeError, match="malformed"):
            list(store.failures())
        assert store.check()


def test_tables_that_changed_places_are_damage(file: Path) -> None:
    asked = ["changes", "generations", "known", "known_failures", "live_ids", "removed_ids", "waiting_ids"]
    asked += ["placed_ids", "removed_sizes", "roots", "counts", "verdicts", "check", "iter_records", "failures"]
    asked += ["labels", "not_duplicates"]
    with MetadataStore.open(file, create=True) as store:
        store.create_generation(FINGERPRINT)
        store.set_setting("a", {"b": 1})
        store.put_verdicts([Verdict("0" * 64, 1, True, 0.5, 1, datetime.now(timezone.utc))])
        with store.transaction() as tx:
            tx.put_failure(Problem("/broken", "damaged PNG"))
            tx.add_root("/folder", {"follow": True})
        put(store, "/a", "a")
        put(store, "/b", "b")
        store.put_labels([Label(1, "cat", 0.5, False, datetime.now(timezone.utc))])
        store.put_not_duplicates([(1, 2)])
    with closing(sqlite3.connect(file)) as connection:
        (size,) = connection.execute("PRAGMA page_size").fetchone()
        tables = "SELECT rootpage FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '%sums'"
        pages = [page for (page,) in connection.execute(tables)]
    whole = file.read_bytes()
    told = 0
    for one, other in itertools.combinations(pages, 2):
        data = bytearray(whole)
        for page, source in ((one, other), (other, one)):
            data[(page - 1) * size : page * size] = whole[(source - 1) * size : source * size]
        file.write_bytes(data)
        try:
            with MetadataStore.open(file, read_only=True) as store:
                for name in asked:
                    try:
                        list(answer) if isinstance(answer := getattr(store, name)(), Iterator) else answer
                    except DamagedHomeError:
                        told += 1
                assert store.check(), (one, other)
        except (DamagedHomeError, CollectionNotFoundError):
            told += 1
    assert told > len(pages)


def test_newer_format_is_refused(file: Path) -> None:
    MetadataStore.open(file, create=True).close()
    connection = sqlite3.connect(file)
    connection.execute(f"PRAGMA user_version = {FORMAT_VERSION + 1}")
    connection.close()
    for options in ({}, {"create": True}, {"read_only": True}):
        with pytest.raises(FormatVersionError, match="pip install --upgrade"):
            MetadataStore.open(file, **options)


def _step(connection: Connection) -> None:
    connection.exec_driver_sql("ALTER TABLE images ADD COLUMN rating INTEGER")


def _failing_step(connection: Connection) -> None:
    _step(connection)
    raise RuntimeError("power cut")


def test_older_format_is_upgraded_whole_or_not_at_all(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with MetadataStore.open(file, create=True) as store:
        put(store, "/a", "a")
    # From here on, a program whose format is one newer.
    monkeypatch.setattr(migrations.check, "__kwdefaults__", {"wanted": FORMAT_VERSION + 1})
    monkeypatch.setattr(migrations.migrate, "__defaults__", (FORMAT_VERSION + 1,))

    def version() -> tuple[int, bool]:
        connection = sqlite3.connect(file)
        found = connection.execute("PRAGMA user_version").fetchone()[0]
        columns = [row[1] for row in connection.execute("PRAGMA table_info(images)")]
        connection.close()
        return found, "rating" in columns

    with pytest.raises(FormatVersionError, match="only for reading"):
        MetadataStore.open(file, read_only=True)
    monkeypatch.setitem(migrations.MIGRATIONS, FORMAT_VERSION, _failing_step)
    with pytest.raises(RuntimeError, match="power cut"):
        MetadataStore.open(file)
    assert version() == (FORMAT_VERSION, False)
    monkeypatch.setitem(migrations.MIGRATIONS, FORMAT_VERSION, _step)
    with MetadataStore.open(file) as store:
        assert list(store.known()) == ["/a"]
    assert version() == (FORMAT_VERSION + 1, True)


def test_read_only_beside_a_writer(file: Path) -> None:
    with MetadataStore.open(file, create=True) as writer, MetadataStore.open(file, read_only=True) as reader:
        put(writer, "/a", "a")
        before = reader.changes()
        assert list(reader.known()) == ["/a"]
        with writer.transaction() as tx:
            tx.add_root("/r")
            assert reader.roots() == {}  # not blocked, and nothing half-visible
        assert reader.roots() == {"/r": {}}
        assert reader.changes() == before + 1


def test_read_only_never_writes(file: Path) -> None:
    with MetadataStore.open(file, create=True) as store:
        put(store, "/a", "a")
    before = file.read_bytes()
    with MetadataStore.open(file, read_only=True) as store:
        assert list(store.known()) == ["/a"]
        with pytest.raises(DinosearchError, match="read-only"):
            put(store, "/b", "b")
    assert file.read_bytes() == before


READ_AS_STRANGER = """
import os, sys
from dinosearch.store import MetadataStore
from dinosearch.errors import DinosearchError
import dinosearch.store.filters
os.path.exists(sys.argv[1])
if os.getuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
try:
    with MetadataStore.open(sys.argv[1], read_only=True) as store:
        print(sorted(store.known()))
except DinosearchError as error:
    print(type(error).__name__, error)
"""


@pytest.mark.skipif(os.name == "nt", reason="permissions of POSIX")
@pytest.mark.parametrize(
    ("beside", "says"),
    [
        ({}, "['/a']\n"),
        ({"-wal": b""}, "['/a']\n"),
        ({"-wal": b"", "-shm": b""}, "['/a']\n"),
        ({"-wal": b"left by a writer"}, "DinosearchError"),
    ],
)
def test_read_only_folder(beside: dict[str, bytes], says: str) -> None:
    # Not tmp_path: its parents are closed to other users, and root may write everywhere.
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "metadata.sqlite"
        with MetadataStore.open(file, create=True) as store:
            put(store, "/a", "a")
        for suffix, data in beside.items():
            Path(f"{file}{suffix}").write_bytes(data)
        before = files_of(Path(folder))
        Path(folder).chmod(0o555)
        try:
            # Not measured: a stranger cannot write coverage's data.
            out, error = run_python(READ_AS_STRANGER, file, measured=False).communicate(timeout=60)
            assert out.startswith(says) and error == ""
            assert files_of(Path(folder)) == before
        finally:
            Path(folder).chmod(0o755)


CHANGE = """
import sys
from dinosearch.store import MetadataStore
with MetadataStore.open(sys.argv[1]) as store, store.transaction() as tx:
    tx.add_root("/from/another/process")
"""


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
def test_changes_of_other_processes_are_seen(store: MetadataStore, file: Path) -> None:
    before = store.changes()
    process = run_python(CHANGE, file)
    assert process.communicate(timeout=60) == ("", "")
    assert store.changes() == before + 1
    assert list(store.roots()) == ["/from/another/process"]


WRITE_FOR_EVER = """
import hashlib, itertools, sys
from dinosearch.records import FoundFile, ImageInfo, Problem
from dinosearch.store import MetadataStore
store = MetadataStore.open(sys.argv[1])
for batch in itertools.count():
    with store.transaction() as tx:
        for i in range(20):
            name = f"{batch}-{i}"
            image_id = tx.add_image(hashlib.sha256(name.encode()).hexdigest(), ImageInfo(1, 1, "PNG"))
            tx.put_location(FoundFile("/" + name, 1, 1), image_id)
        tx.put_failure(Problem(f"/failure-{batch}", "broken"))
        tx.commit_rows(1, 20 * (batch + 1))
    print(batch, flush=True)
"""


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL")
@pytest.mark.parametrize("delay", [0.0, 0.003, 0.011])
def test_kill_leaves_whole_batches(file: Path, delay: float) -> None:
    with MetadataStore.open(file, create=True) as store:
        store.create_generation(FINGERPRINT)
    process = run_python(WRITE_FOR_EVER, file)
    assert process.stdout is not None
    for _ in range(10):
        acknowledged = int(process.stdout.readline())
    try:
        process.wait(delay or 1e-9)
    except subprocess.TimeoutExpired:
        pass
    process.send_signal(signal.SIGKILL)
    rest = process.communicate(timeout=60)[0].split()
    acknowledged = int(rest[-1]) if rest else acknowledged
    with MetadataStore.open(file, read_only=True) as reader:
        seen = reader.counts()
    with MetadataStore.open(file) as store:
        assert store.counts() == seen
        generation = store.generation()
        assert generation is not None
        batches = generation.rows // 20
        assert batches >= acknowledged + 1
        assert set(store.known()) == {f"/{batch}-{i}" for batch in range(batches) for i in range(20)}
        assert store.live_ids().tolist() == list(range(1, 20 * batches + 1))
        assert store.counts()["failures"] == batches
        assert store.check() == []


@pytest.mark.parametrize("address", ["postgresql:secret@host/db", "postgresql://user:secret@host:port/db"])
def test_an_address_that_cannot_be_read_is_not_repeated_with_its_password(address: str) -> None:
    with pytest.raises(ValueError, match="not the URL of a PostgreSQL database") as caught:
        MetadataStore.open(address)
    assert "secret" not in str(caught.value) and caught.value.__suppress_context__


def test_second_writer_is_told_to_wait(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.05)
    with MetadataStore.open(file, create=True) as one, MetadataStore.open(file) as two:
        with one.transaction() as tx:
            tx.add_root("/a")
            with pytest.raises(HomeLockedError, match="wait until it ends"), two.transaction():
                pass
        with two.transaction() as tx:
            tx.add_root("/b")
        assert list(one.roots()) == ["/a", "/b"]


def test_full_disk_is_a_sentence(file: Path) -> None:
    connection = sqlite3.connect(file)
    try:
        connection.execute("PRAGMA max_page_count = 3")
        connection.execute("CREATE TABLE t (x)")
        with pytest.raises(DinosearchError, match="is full; nothing of this step was stored"), translated(str(file)):
            connection.executemany("INSERT INTO t VALUES (?)", [("x" * 1000,)] * 100)
    finally:
        connection.close()


def test_a_bug_keeps_its_traceback(store: MetadataStore) -> None:
    with pytest.raises(IntegrityError), store.transaction() as tx:
        tx.put_location(FoundFile("/a", 1, 1), 12345)  # no such image
    assert store.known() == {}
