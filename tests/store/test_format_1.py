"""A metadata store as the first format had it is upgraded when it is opened, with everything in it."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import pytest

from dinosearch.errors import FormatVersionError
from dinosearch.records import Generation, Verdict
from dinosearch.store import MetadataStore
from tests.store.conftest import FINGERPRINT, digest, put

# What the program of format 1 created, as `SELECT sql FROM sqlite_master` gave it.
FORMAT_1 = """
CREATE TABLE state (id INTEGER NOT NULL, changes BIGINT NOT NULL, PRIMARY KEY (id));
CREATE TABLE settings ("key" VARCHAR(64) NOT NULL, value JSON NOT NULL, PRIMARY KEY ("key"));
CREATE TABLE generations (number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, current INTEGER NOT NULL,
    fingerprint JSON NOT NULL, rows BIGINT NOT NULL, index_sha256 VARCHAR(64), index_info JSON);
CREATE TABLE images (id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, sha256 BLOB NOT NULL, width INTEGER NOT NULL,
    height INTEGER NOT NULL, format VARCHAR(16) NOT NULL, taken BIGINT, camera TEXT, size BIGINT,
    added BIGINT NOT NULL, removed BIGINT, UNIQUE (sha256));
CREATE INDEX images_removed ON images (removed) WHERE removed IS NOT NULL;
CREATE TABLE failures (path TEXT NOT NULL, reason TEXT NOT NULL, size BIGINT NOT NULL, mtime_ns BIGINT NOT NULL,
    failed BIGINT NOT NULL, PRIMARY KEY (path));
CREATE TABLE roots (path TEXT NOT NULL, options JSON NOT NULL, PRIMARY KEY (path));
CREATE TABLE locations (id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, path TEXT NOT NULL, image_id INTEGER NOT NULL,
    size BIGINT NOT NULL, mtime_ns BIGINT NOT NULL, UNIQUE (path), FOREIGN KEY(image_id) REFERENCES images (id));
CREATE INDEX ix_locations_image_id ON locations (image_id);
INSERT INTO state VALUES (1, 7);
PRAGMA application_id = 1684631151;
PRAGMA user_version = 1;
"""
MADE = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)


@pytest.fixture
def older(file: Path) -> Path:
    connection = sqlite3.connect(file)
    connection.executescript(FORMAT_1)
    row = (3, 1, json.dumps(FINGERPRINT.to_dict()), 256, "cd" * 32, None)
    connection.execute("INSERT INTO generations VALUES (?, ?, ?, ?, ?, ?)", row)
    connection.execute("INSERT INTO images VALUES (5, ?, 9, 8, 'PNG', NULL, NULL, 7, 0, NULL)", (bytes(32),))
    connection.execute("INSERT INTO locations VALUES (1, '/a', 5, 7, 9)")
    connection.commit()
    connection.close()
    return file


def test_an_older_store_is_upgraded_with_all_it_holds(older: Path) -> None:
    with pytest.raises(FormatVersionError, match="older format"):
        MetadataStore.open(older, read_only=True)
    with MetadataStore.open(older) as store:
        assert store.generations() == {"images": Generation(3, FINGERPRINT, 256, "cd" * 32)}
        assert [record.path for record in store.records([5])] == ["/a"]
        assert store.changes() >= 7
        assert store.verdicts() == []
    fresh = older.with_name("fresh.sqlite")
    MetadataStore.open(fresh, create=True).close()
    assert _columns(older) == _columns(fresh)


def _columns(file: Path) -> dict[str, set[tuple[str, str, int]]]:
    connection = sqlite3.connect(file)
    tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    found = {
        name: {(row[1], row[2].split("(")[0], row[3]) for row in connection.execute(f"PRAGMA table_info({name})")}
        for name in tables
    }
    connection.close()
    return found


def test_each_kind_has_a_generation_of_its_own(store: MetadataStore) -> None:
    images = store.create_generation(FINGERPRINT)
    regions = store.create_generation(FINGERPRINT, "regions", {"rows": 34})
    assert store.generations() == {"images": images, "regions": regions}
    assert (regions.kind, regions.recipe, regions.number) == ("regions", {"rows": 34}, 2)
    store.switch_generation(replace(regions, number=7, rows=12))
    assert store.generation("regions") == replace(regions, number=7, rows=12)
    assert store.generation() == images
    store.drop_generations("regions")
    assert store.generations() == {"images": images}
    assert store.create_generation(FINGERPRINT, "patches").number == 8


def test_verdicts_are_kept_replaced_and_forgotten(store: MetadataStore) -> None:
    first, second = put(store, "/a", "a"), put(store, "/b", "b")
    verdicts = [Verdict(digest("q"), image, image == first, 0.25 * image, 1, MADE) for image in (first, second)]
    store.put_verdicts(verdicts)
    assert store.verdicts() == verdicts
    store.put_verdicts([replace(verdicts[0], same=False, score=-0.5)])
    assert store.verdicts() == [replace(verdicts[0], same=False, score=-0.5), verdicts[1]]
    more = Verdict(digest("a"), second, True, 0.75, 1, MADE, query_id=first)  # of the content of /a
    store.put_verdicts([more])
    assert store.verdicts(image_ids=[second, 99]) == sorted([verdicts[1], more], key=lambda one: one.query_sha256)
    assert store.verdicts(digest("a")) == store.verdicts(digest("a"), [second, first]) == [more]
    assert store.verdicts(image_ids=[]) == store.verdicts(digest("b")) == []
    assert store.forget_verdicts(digest("other"), [second]) == store.forget_verdicts(image_ids=[]) == 0
    assert store.forget_verdicts(digest("q"), [first, 99]) == store.forget_verdicts(digest("a")) == 1
    assert store.verdicts() == [verdicts[1]]
    with store.transaction() as tx:
        tx.remove_locations(["/b"])
    assert store.verdicts() == [verdicts[1]]  # the image may come back
    store.forget_removed()
    assert store.verdicts() == []
