"""What a damaged database keeps when it is salvaged: all sound rows, doubtful ones named, the rest told in words."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from dinosearch.errors import DamagedHomeError, HomeLockedError
from dinosearch.records import FoundFile, ImageInfo, Label, Problem, Verdict
from dinosearch.store import MetadataStore
from dinosearch.store.migrations import SCHEMA
from dinosearch.store.salvage import Salvaged
from dinosearch.store.sums import register_sums
from tests.store.conftest import FINGERPRINT, digest, put

NOON = datetime(2026, 1, 1, 12, tzinfo=timezone.utc)
FLIPPED, NO_TEXT = 0x01, 0x80  # what a byte is changed by: to another letter, to no letter of UTF-8


def fill(file: Path) -> None:
    """One of everything, each with a word that is nowhere else in the file."""
    with MetadataStore.open(file, create=True) as store:
        for number in range(1, 6):
            info = ImageInfo(640, 480, "JPEG", None, f"CAMERA{number}")
            put(store, f"/photos/{number}.jpg", f"content {number}", info)
        store.create_generation(FINGERPRINT, recipe={"made": "RECIPE"})
        store.put_verdicts([Verdict(digest("query"), 2, True, 0.5, 1, NOON)])
        store.put_labels([Label(1, "LABEL", 0.75, False, NOON), Label(2, "cat", 1.0, True, NOON)])
        store.put_not_duplicates([(2, 1), (3, 4)])
        store.set_setting("limit", "SETTING")
        with store.transaction() as tx:
            tx.put_failure(Problem("/photos/bad.jpg", "REASON"), 5, 6)
            tx.add_root("/photos", {"follow": "OPTIONS"})
            tx.remove_locations(["/photos/5.jpg"])
        last = store.create_generation(FINGERPRINT, "refined")
        store.drop_generations("refined")  # its number stays given
        assert last.number == 2


def state(store: MetadataStore) -> dict[str, Any]:
    """All that can be asked."""
    return {
        "records": list(store.iter_records()),
        "known": dict(store.known()),
        "removed": store.removed_ids().tolist(),
        "failures": store.known_failures(),
        "roots": store.roots(),
        "setting": store.setting("limit"),
        "verdicts": store.verdicts(),
        "labels": store.labels(),
        "not_duplicates": store.not_duplicates(),
        "generations": store.generations(),
        "counts": store.counts(),
        "changes": store.changes(),
    }


def damage(file: Path, word: bytes, by: int) -> None:
    """Change one byte of the only place of a word."""
    data = bytearray(file.read_bytes())
    assert data.count(word) == 1
    data[data.index(word)] ^= by
    file.write_bytes(data)


def test_a_sound_database_stays_as_it_is(file: Path) -> None:
    fill(file)
    with MetadataStore.open(file) as store:
        before = state(store)
        told = store.salvage()
        assert (told.images, told.locations, told.generations, told.left_out) == (set(), set(), set(), [])
        assert state(store) == before
        assert store.check() == []
        assert store.next_generation() == 3
        store.forget_removed()
        assert put(store, "/photos/new.jpg", "content 6") == 6  # 5 was given once
    assert not list(file.parent.glob("*.tmp*"))


def salvaged(file: Path) -> tuple[Salvaged, dict[str, Any]]:
    """What is told, and what is there afterwards."""
    with MetadataStore.open(file) as store:
        assert store.check()
        told = store.salvage()
        assert store.check() == []
        return told, state(store)


def test_a_doubtful_image_is_kept_and_named(file: Path) -> None:
    fill(file)
    with MetadataStore.open(file) as store:
        before = state(store)
    damage(file, b"CAMERA2", FLIPPED)
    told, after = salvaged(file)
    assert (told.images, told.locations, told.generations, told.left_out) == ({2}, set(), set(), [])
    before["records"][1] = replace(before["records"][1], camera="BAMERA2")
    assert after == before


def test_a_doubtful_record_of_vectors_is_kept_and_named(file: Path) -> None:
    fill(file)
    with MetadataStore.open(file) as store:
        before = state(store)
    damage(file, b"RECIPE", FLIPPED)
    told, after = salvaged(file)
    assert (told.images, told.locations, told.generations, told.left_out) == (set(), set(), {1}, [])
    before["generations"]["images"] = replace(before["generations"]["images"], recipe={"made": "SECIPE"})
    assert after == before


@pytest.mark.parametrize(
    ("word", "by", "part", "told"),
    [
        (b"RECIPE", NO_TEXT, "generations", "the record of the vectors is damaged and was left out"),
        (b"SETTING", FLIPPED, "setting", "the setting limit is damaged and was left out"),
        (b"REASON", FLIPPED, "failures", "what was wrong with /photos/bad.jpg is damaged and was left out"),
        (b"OPTIONS", NO_TEXT, "roots", "the folder /photos and its options is damaged and was left out"),
    ],
)
def test_what_nothing_else_can_tell_is_left_out_and_told(
    file: Path, word: bytes, by: int, part: str, told: str
) -> None:
    fill(file)
    with MetadataStore.open(file) as store:
        before = state(store)
    damage(file, word, by)
    found, after = salvaged(file)
    assert (found.images, found.locations, found.generations, found.left_out) == (set(), set(), set(), [told])
    assert not after.pop(part)
    before.pop(part)
    counts = before.pop("counts"), after.pop("counts")
    assert {name for name in counts[0] if counts[0][name] != counts[1][name]} <= {part}
    assert after == before


@pytest.mark.parametrize(
    ("column", "value"), [("fingerprint", b"5"), ("fingerprint", b"{}"), ("fingerprint", b"{"), ("recipe", b"[]")]
)
def test_a_record_of_vectors_that_says_something_else_is_left_out(file: Path, column: str, value: bytes) -> None:
    fill(file)
    with closing(sqlite3.connect(file)) as connection:
        text = connection.execute(f"SELECT {column} FROM generations").fetchone()[0].encode()
    file.write_bytes(file.read_bytes().replace(text, value.ljust(len(text))))
    told, after = salvaged(file)
    assert (told.generations, told.left_out) == (set(), ["the record of the vectors is damaged and was left out"])
    assert (after["generations"], len(after["records"])) == ({}, 4)


@pytest.mark.parametrize("table", ["images", "locations", "generations"])
def test_where_only_checksums_are_gone_all_rows_are_kept_and_named(file: Path, table: str) -> None:
    fill(file)
    with MetadataStore.open(file) as store:
        before = state(store)
    with closing(sqlite3.connect(file)) as connection:
        named = "SELECT rootpage FROM sqlite_master WHERE name = ?"
        (page,) = connection.execute(named, (f"{table}_sums",)).fetchone()
        ids = {row[0] for row in connection.execute(f"SELECT rowid FROM {table}")}
    data = bytearray(file.read_bytes())
    data[(page - 1) * 4096 : page * 4096] = b"\xff" * 4096
    file.write_bytes(data)
    told, after = salvaged(file)
    assert (getattr(told, table), told.left_out) == (ids, [])
    assert after == before


@pytest.mark.parametrize("last", [4, -1, 1 << 53, "many", None])
def test_a_count_of_ids_that_cannot_be_right_is_counted_anew(file: Path, last: int | str | None) -> None:
    fill(file)
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE sqlite_sequence SET seq = ? WHERE name = 'images'", (last,))
    with MetadataStore.open(file) as store:
        before = state(store)
        assert store.check() == ["the count of ids given to table images is damaged"]
        assert store.salvage().left_out == []
        assert store.check() == []
        assert state(store) == before
        assert put(store, "/photos/new.jpg", "content 6") == 6


def test_definitions_that_are_not_those_that_were_written(file: Path) -> None:
    fill(file)
    with closing(sqlite3.connect(file)) as connection, connection:
        register_sums(connection)
        connection.execute("UPDATE settings SET value = '1' WHERE key = ?", (SCHEMA,))
    with MetadataStore.open(file) as store:
        before = state(store)
        assert store.check() == ["the definitions of the tables are not those that were written"]
        assert store.salvage().left_out == []
        assert store.check() == []
        assert state(store) == before


def test_a_damaged_database_is_not_written_anew(file: Path) -> None:
    fill(file)
    damage(file, b"CAMERA2", FLIPPED)
    with MetadataStore.open(file) as store:
        with pytest.raises(DamagedHomeError, match=r"row 2 of table images .*mend it with: dinosearch verify --repair"):
            store.vacuum()  # the copy of the row would have a checksum that matches
        assert len(store.check()) == 1


def test_an_image_that_is_no_text_goes_with_its_file(file: Path) -> None:
    fill(file)
    damage(file, b"CAMERA2", NO_TEXT)
    told, after = salvaged(file)
    assert told.left_out == [
        "image id:2 is damaged and was left out",
        "the file /photos/2.jpg: its image is gone",
    ]
    assert list(after["known"]) == ["/photos/1.jpg", "/photos/3.jpg", "/photos/4.jpg"]


def test_an_image_whose_numbers_are_none_goes_with_its_file(file: Path) -> None:
    fill(file)
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        register_sums(connection)
        connection.execute("UPDATE images SET width = 'wide' WHERE id = 2")
        connection.execute("VACUUM")
    damage(file, b"CAMERA2", FLIPPED)
    told, after = salvaged(file)
    assert told.left_out == [
        "image id:2 is damaged and was left out",
        "the file /photos/2.jpg: its image is gone",
    ]
    assert list(after["known"]) == ["/photos/1.jpg", "/photos/3.jpg", "/photos/4.jpg"]


def test_rows_before_and_behind_unreadable_pages_are_kept(file: Path) -> None:
    paths = [f"/{number:04}" for number in range(1, 2001)]
    with MetadataStore.open(file, create=True) as store, store.transaction() as tx:
        for path in paths:
            info = ImageInfo(1, 1, "PNG", None, f"CAMERA{path}")
            tx.put_location(FoundFile(path, 1, 1), tx.add_image(digest(path), info))
    data = bytearray(file.read_bytes())
    place = data.index(b"CAMERA/1000") // 4096 * 4096
    data[place : place + 4096] = b"\xff" * 4096
    file.write_bytes(data)
    told, after = salvaged(file)
    kept = [record.id for record in after["records"]]
    assert [record.path for record in after["records"]] == [f"/{number:04}" for number in kept]
    gone = sorted({*range(1, 2001)} - {*kept})
    assert 1000 in gone and gone == list(range(gone[0], gone[-1] + 1)) and len(gone) < 200
    assert told.images == {*range(gone[-1] + 1, 2001)}  # read past their checksums
    assert list(after["known"]) == [record.path for record in after["records"]]
    told_gone = [f"the file /{number:04}: its image is gone" for number in gone]
    assert "cannot be read (" in told.left_out[0]
    assert told.left_out[1:] == told_gone


@pytest.mark.parametrize(
    ("note", "missing"),
    [
        (lambda now: b"", 0),
        (lambda now: b"no number", 0),
        (lambda now: b"%d" % (now - 1), 0),
        (lambda now: b"%d" % now, 0),
        (lambda now: b"%020d" % (now + 3), 3),
    ],
)
def test_changes_that_went_back_are_told(file: Path, note: Callable[[int], bytes], missing: int) -> None:
    fill(file)
    with MetadataStore.open(file) as store:
        Path(f"{file}-changes").write_bytes(note(store.changes()))
        told = [f"the last {missing} changes are gone; make them again with: dinosearch index FOLDER"] * bool(missing)
        assert store.check() == told
        assert store.salvage().left_out == told
        assert store.check() == []  # told once


def test_an_older_copy_of_the_database_is_noticed(file: Path) -> None:
    fill(file)
    old = file.read_bytes()
    with MetadataStore.open(file) as store:
        for number in (6, 7):
            put(store, f"/photos/{number}.jpg", f"content {number}")
    file.write_bytes(old)
    with MetadataStore.open(file) as store:
        assert store.check() == ["the last 2 changes are gone; make them again with: dinosearch index FOLDER"]


def test_a_database_that_another_one_reads_is_left_alone(file: Path) -> None:
    fill(file)
    with MetadataStore.open(file) as store:
        other = sqlite3.connect(file)
        other.execute("BEGIN")
        other.execute("SELECT count(*) FROM images").fetchone()
        put(store, "/photos/6.jpg", "content 6")
        with pytest.raises(HomeLockedError, match="open in another process"):
            store.salvage()
        other.close()
        assert len(store.known()) == 5
        assert store.check() == []
        assert store.salvage().left_out == []
        assert len(store.known()) == 5
    assert not list(file.parent.glob("*.salvaged.tmp*"))
