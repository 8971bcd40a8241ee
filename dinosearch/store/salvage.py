"""Copy what can be read of a damaged database into a new one, which then takes its place.

Rows that match their checksum are as they were. Others of images, locations and generations are carried over and named,
since the files on disk can tell what they should be; the rest is left out and named.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table

from dinosearch.advice import filled, run
from dinosearch.errors import HomeLockedError
from dinosearch.home import replace, sync_file, sync_folder
from dinosearch.records import Fingerprint, IndexInfo
from dinosearch.store.database import Database
from dinosearch.store.migrations import SCHEMA
from dinosearch.store.packed import carry_packed
from dinosearch.store.sums import is_sound, register_sums
from dinosearch.store.tables import HexDigest, generations, images, locations, metadata, settings

_LARGEST_ID = 1 << 53  # what lies above is damage
_UNREADABLE = {
    "generations": "records of the vectors cannot be read ({error}): refined vectors, regions and patches may be gone; "
    "see what is left with: {info}",
    "images": "records of images cannot be read ({error}); run: {index}",
    "locations": "records of files cannot be read ({error}); run: {index}",
    "settings": "settings cannot be read ({error})",
    "roots": "records of folders cannot be read ({error}); run: {index}",
    "failures": "records of unreadable files cannot be read ({error})",
    "verdicts": "verdicts cannot be read ({error})",
    "labels": "labels cannot be read ({error}); vote again with: {label}",
    "not_duplicates": "what was said of pairs that are no duplicates cannot be read ({error})",
    "state": "the count of changes cannot be read ({error})",
}
"""By table: what is said where pages of it are gone."""
_NEXT = {"index": run("index", "FOLDER"), "info": run("info"), "label": run("label")}


@dataclass
class Salvaged:
    """What became of the rows.

    Attributes:
        images: ids of images whose row is doubtful.
        locations: ids of locations whose row is doubtful.
        generations: numbers of generations whose row is doubtful.
        left_out: in words, what is no longer there.
    """

    images: set[int] = field(default_factory=set)
    locations: set[int] = field(default_factory=set)
    generations: set[int] = field(default_factory=set)
    left_out: list[str] = field(default_factory=list)


def salvage(file: Path) -> Salvaged:
    """Replace the database by a sound one with all that can be read; nobody else may have it open.

    Raises:
        HomeLockedError: another process has it open.
        sqlite3.Error: nothing of it can be read.
    """
    told = Salvaged()
    new = file.with_name(f"{file.name}.salvaged.tmp")
    for path in (new, *_beside(new)):
        path.unlink(missing_ok=True)
    source = sqlite3.connect(file, isolation_level=None)
    try:
        source.text_factory = bytes
        register_sums(source)
        target = Database(new, create=True, read_only=False)
        with target.write() as connection:
            for table in metadata.sorted_tables:
                _copy(source, connection, table, told)
            told.left_out += carry_packed(source, connection)
            _keep_counting(source, connection)
        target.close()
    finally:
        source.close()
    sync_file(new)
    if any(path.exists() and path.stat().st_size for path in _beside(file)[:1]):
        new.unlink()
        raise HomeLockedError(f"{file} is open in another process; end it, then run the same command again")
    replace(new, file)
    sync_folder(file.parent)
    return told


def _beside(file: Path) -> list[Path]:
    return [file.with_name(f"{file.name}{end}") for end in ("-wal", "-shm")]


def _copy(source: sqlite3.Connection, target: Connection, table: Table, told: Salvaged) -> None:
    names = [column.name for column in table.columns]
    marks = ", ".join("?" * len(names))
    replaces = table.name in ("state", "settings")  # a new database has rows of its own
    insert = f"INSERT OR {'REPLACE' if replaces else 'IGNORE'} INTO {table.name} ({', '.join(names)}) VALUES ({marks})"
    known = set(target.exec_driver_sql("SELECT id FROM images").scalars()) if table is locations else set()
    doubtful: set[int] | None = getattr(told, table.name, None)
    for row, sound in _rows(source, table, names, told):
        try:
            values = tuple(
                value.decode() if is_text and isinstance(value, bytes) else value
                for value, is_text in zip(row, _texts(table), strict=True)
            )
        except UnicodeDecodeError:
            values, sound = (), False
        what = _named(table, row)
        if table is settings and values[:1] == (SCHEMA,):
            continue
        if values and (sound or (doubtful is not None and _is_usable(dict(zip(names, values, strict=True))))):
            if table is locations and values[names.index("image_id")] not in known:
                told.left_out.append(f"{what}: its image is gone")
                continue
            written = target.exec_driver_sql(insert, values).rowcount
            if written and not sound and doubtful is not None:
                doubtful.add(int(values[0]))
            if written:
                continue
        told.left_out.append(f"{what} is damaged and was left out")


def _is_usable(row: dict[str, Any]) -> bool:
    """Whether a doubtful row can be read as what it should be."""
    try:
        if "fingerprint" in row:
            Fingerprint.from_dict(json.loads(row["fingerprint"]))
            info = row["index_info"]
            return (info is None or bool(IndexInfo.from_dict(json.loads(info)))) and isinstance(
                json.loads(row["recipe"]), dict
            )
        numbers = [
            row[name] for name in ("id", "image_id", "width", "height", "size", "mtime_ns", "added") if name in row
        ]
        text = row["sha256"] if "sha256" in row else row["path"]
        return all(isinstance(number, (int, type(None))) for number in numbers) and isinstance(text, (str, bytes))
    except (ValueError, TypeError, KeyError, AttributeError):
        return False


def _rows(
    source: sqlite3.Connection, table: Table, names: list[str], told: Salvaged
) -> Iterator[tuple[tuple[Any, ...], bool]]:
    """Rows with whether they match their checksum; where pages cannot be read, what lies before and behind them."""
    seen: set[int] = set()
    wanted = f"SELECT rowid, {', '.join(names)}, %s FROM {table.name} NOT INDEXED ORDER BY rowid %s"
    failed: sqlite3.Error | None = None
    for checked, order in ((is_sound(table), ""), ("0", ""), ("0", "DESC")):
        try:
            for row in source.execute(wanted % (checked, order)):
                if row[0] not in seen:
                    seen.add(row[0])
                    yield row[1:-1], bool(row[-1])
            if failed is not None and order:
                break
            if failed is None or not order:
                return
        except sqlite3.Error as error:
            failed = error
    told.left_out.append(filled(_UNREADABLE[table.name], error=failed, **_NEXT))


def _texts(table: Table) -> list[bool]:
    """Which columns hold text and not bytes."""
    return [not isinstance(column.type, HexDigest) for column in table.columns]


def _named(table: Table, row: tuple[Any, ...]) -> str:
    """A row in the user's words."""
    shown = row[1] if table in (images, locations) else row[0]
    said = shown.decode(errors="replace") if isinstance(shown, bytes) else str(shown)
    if table is images:
        return f"image id:{row[0]}"
    if table is generations:
        return "the record of the vectors"
    return {
        "settings": f"the setting {said}",
        "roots": f"the folder {said} and its options",
        "failures": f"what was wrong with {said}",
        "verdicts": "a verdict",
        "labels": f"the label of image id:{row[0]}",
        "not_duplicates": "what was said of a pair that is no duplicate",
        "state": "the count of changes",
        "locations": f"the file {said}",
    }[table.name]


def _keep_counting(source: sqlite3.Connection, target: Connection) -> None:
    """Ids are never reused: the largest that was ever given stays known."""
    target.exec_driver_sql("INSERT OR IGNORE INTO state (id, changes) VALUES (1, 1)")
    try:
        last = {bytes(name).decode(): seq for name, seq in source.execute("SELECT name, seq FROM sqlite_sequence")}
    except (sqlite3.Error, UnicodeDecodeError, TypeError):
        last = {}
    for table in (generations, images, locations):
        key = next(iter(table.primary_key.columns)).name
        highest = int(target.exec_driver_sql(f"SELECT coalesce(max({key}), 0) FROM {table.name}").scalar_one())
        seq = last.get(table.name)
        if isinstance(seq, int) and highest < seq < _LARGEST_ID:
            highest = seq
        target.exec_driver_sql(f"DELETE FROM sqlite_sequence WHERE name = '{table.name}'")
        target.exec_driver_sql("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (table.name, highest))
