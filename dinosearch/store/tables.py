"""The tables of the metadata store, as data.

It holds no statement and no connection; `migrations` creates them and `reading` and `transaction` use them.
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
)
from sqlalchemy.types import TypeDecorator

from dinosearch.store.paths import PathText
from dinosearch.store.sums import sum_index
from dinosearch.store.times import from_microseconds, to_microseconds

# SQLite gives AUTOINCREMENT, hence ids that are never reused, to INTEGER columns only.
_Id = BigInteger().with_variant(Integer(), "sqlite")


class HexDigest(TypeDecorator[str]):
    """A hex digest, kept as its bytes."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> bytes | None:
        return None if value is None else bytes.fromhex(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else bytes(value).hex()


class LocalTime(TypeDecorator[datetime]):
    """A date and time without zone, kept as microseconds since 1970 so that it compares as a number."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        return None if value is None else to_microseconds(value.replace(tzinfo=None))

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        return None if value is None else from_microseconds(value)


class UtcTime(TypeDecorator[datetime]):
    """A moment with zone, kept as microseconds since 1970 in UTC and returned in UTC."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        return None if value is None else to_microseconds(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        return None if value is None else from_microseconds(value).replace(tzinfo=timezone.utc)


metadata = MetaData()

# One row, id 1: `changes` counts the transactions that wrote.
state = Table(
    "state",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("changes", BigInteger, nullable=False),
)

# Small choices of the collection that no column of its own is worth.
settings = Table(
    "settings",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("value", JSON, nullable=False),
)

generations = Table(
    "generations",
    metadata,
    Column("number", _Id, primary_key=True, autoincrement=True),
    Column("current", Integer, nullable=False),  # 1 for the one generation of its kind that is used
    Column("fingerprint", JSON, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("index_sha256", String(64)),
    Column("index_info", JSON(none_as_null=True)),
    Column("kind", String(16), nullable=False, server_default="images"),
    Column("recipe", JSON, nullable=False, server_default="{}"),
    sqlite_autoincrement=True,
)

# One row per content. `removed` is set when no location points to it; row and vector stay until `compact`. It is also
# set for an image that has a location and waits for a vector: it could not be read when the model was changed.
images = Table(
    "images",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("sha256", HexDigest(32), nullable=False, unique=True),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("format", String(16), nullable=False),
    Column("taken", LocalTime),
    Column("camera", PathText),  # from the file, so anything
    Column("size", BigInteger),  # bytes, as last seen: known after the last location is gone
    Column("added", UtcTime, nullable=False),
    Column("removed", UtcTime),
    sqlite_autoincrement=True,
)
# Of SQLite only: to name PostgreSQL here would load its dialect, 60 ms of every query; `postgres` makes the same there.
Index("images_removed", images.c.removed, sqlite_where=images.c.removed.is_not(None)).ddl_if(dialect="sqlite")

locations = Table(
    "locations",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("path", PathText, nullable=False, unique=True),
    Column("image_id", _Id, ForeignKey("images.id"), nullable=False, index=True),
    Column("size", BigInteger, nullable=False),
    Column("mtime_ns", BigInteger, nullable=False),
    sqlite_autoincrement=True,
)

failures = Table(
    "failures",
    metadata,
    Column("path", PathText, primary_key=True),
    Column("reason", PathText, nullable=False),  # may quote a file name
    Column("size", BigInteger, nullable=False),
    Column("mtime_ns", BigInteger, nullable=False),
    Column("failed", UtcTime, nullable=False),
)

# What users said of a query image and an image of the collection. No foreign key: `forget_removed` drops both.
verdicts = Table(
    "verdicts",
    metadata,
    Column("query_sha256", HexDigest(32), primary_key=True),
    Column("image_id", _Id, primary_key=True, autoincrement=False),
    Column("same", Integer, nullable=False),
    Column("score", Float, nullable=False),
    Column("generation", BigInteger, nullable=False),  # whose score it is
    Column("made", UtcTime, nullable=False),
)

# What an image is called, once for each: by a person (`given` 1), or by a vote of its neighbours (0). No foreign key,
# as with verdicts.
labels = Table(
    "labels",
    metadata,
    Column("image_id", _Id, primary_key=True, autoincrement=False),
    Column("label", PathText, nullable=False),  # may be the name of a folder
    Column("confidence", Float, nullable=False),  # share of the vote, 0..1
    Column("given", Integer, nullable=False),
    Column("made", UtcTime, nullable=False),
)

# Pairs that a person said are no duplicates, the smaller id first.
not_duplicates = Table(
    "not_duplicates",
    metadata,
    Column("first_id", _Id, primary_key=True, autoincrement=False),
    Column("second_id", _Id, primary_key=True, autoincrement=False),
    Column("made", UtcTime, nullable=False),
)

roots = Table(
    "roots",
    metadata,
    Column("path", PathText, primary_key=True),
    Column("options", JSON, nullable=False),
)

# What a filter asks: each file with its image and, where there is one, its label.
FILES = locations.join(images, images.c.id == locations.c.image_id).outerjoin(labels, labels.c.image_id == images.c.id)

# Checksums of all rows. Tables that need others to be there first come behind them.
SUMS = {table: sum_index(table) for table in metadata.sorted_tables}
