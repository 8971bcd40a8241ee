"""The tables of today's format: who changes one raises FORMAT_VERSION, keeps a home as it was, and brings it over."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from dinosearch.errors import DamagedHomeError
from dinosearch.home import FORMAT_VERSION
from dinosearch.store import MetadataStore
from dinosearch.store.postgres_format import FORMAT

# Columns with their types: * in the key, ! not NULL.
FORMAT_4 = {
    "failures": "path TEXT*!, reason TEXT!, size BIGINT!, mtime_ns BIGINT!, failed BIGINT!",
    "generations": (
        "number INTEGER*!, current INTEGER!, fingerprint JSON!, rows BIGINT!, index_sha256 VARCHAR(64), "
        "index_info JSON, kind VARCHAR(16)! = 'images', recipe JSON! = '{}'"
    ),
    "images": (
        "id INTEGER*!, sha256 BLOB!, width INTEGER!, height INTEGER!, format VARCHAR(16)!, taken BIGINT, camera TEXT, "
        "size BIGINT, added BIGINT!, removed BIGINT"
    ),
    "labels": "image_id INTEGER*!, label TEXT!, confidence FLOAT!, given INTEGER!, made BIGINT!",
    "locations": "id INTEGER*!, path TEXT!, image_id INTEGER! in images, size BIGINT!, mtime_ns BIGINT!",
    "not_duplicates": "first_id INTEGER*!, second_id INTEGER*!, made BIGINT!",
    "roots": "path TEXT*!, options JSON!",
    "settings": "key VARCHAR(64)*!, value JSON!",
    "state": "id INTEGER*!, changes BIGINT!",
    "verdicts": (
        "query_sha256 BLOB*!, image_id INTEGER*!, same INTEGER!, score FLOAT!, generation BIGINT!, made BIGINT!"
    ),
}


def test_the_tables_are_those_that_the_format_began_with(file: Path) -> None:
    MetadataStore.open(file, create=True).close()
    with closing(sqlite3.connect(file)) as connection:
        named = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
        found = {table: definition(connection, table) for (table,) in connection.execute(named)}
    assert (FORMAT_VERSION, found) == (4, FORMAT_4)


@pytest.mark.parametrize("store", ["postgresql"], indirect=True)
@pytest.mark.parametrize("value", ["four", 2, None])
def test_tables_whose_format_makes_no_sense_are_another_program_s(
    store: MetadataStore, postgres_url: str, value: str | int | None
) -> None:
    store.set_setting(FORMAT, value)
    with pytest.raises(DamagedHomeError, match="not a dinosearch database"):
        MetadataStore.open(postgres_url)


def definition(connection: sqlite3.Connection, table: str) -> str:
    others = {row[3]: f" in {row[2]}" for row in connection.execute(f"PRAGMA foreign_key_list({table})")}
    return ", ".join(
        f"{name} {kind}{'*' * bool(key)}{'!' * needed}{f' = {default}' if default else ''}{others.get(name, '')}"
        for _, name, kind, needed, default, key in connection.execute(f"PRAGMA table_info({table})")
    )
