"""Parquet tables of images: how many rows there are, and each row's picture, given as bytes or as a path.

Understood are columns of bytes, of records with a field `bytes` (as Hugging Face's data sets have them), and of paths,
which are relative to the table's folder.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from dinosearch.errors import DinosearchError
from dinosearch.jobs.folders import filesystem, is_remote
from dinosearch.jobs.needs import needed
from dinosearch.records import FoundFile, Problem

_SUFFIX = re.compile(r"\.(?:parquet|pq)\Z", re.IGNORECASE)
_ROWS = 64  # read at a time
_PATHS = ("path", "file", "filename", "file_name", "image", "url", "uri")


def is_table(path: str) -> bool:
    """Whether the file name is that of a Parquet table."""
    return _SUFFIX.search(path) is not None


def group_sizes(table: FoundFile, column: str | None = None) -> list[int] | Problem:
    """Rows of each row group, from the end of the file; a problem where it holds no images."""
    try:
        with _opened(table.path) as file:
            _column(file.schema_arrow, column)
            return [file.metadata.row_group(group).num_rows for group in range(file.metadata.num_row_groups)]
    except DinosearchError:
        raise
    except _faults() as error:
        return Problem(table.path, clause(error))


@dataclass(frozen=True)
class TableRow:
    """One row of a table.

    Attributes:
        file: `TABLE.parquet::ROW` with the table's time.
        content: the image, or what is wrong with the row.
        path: of the image, where the row names one; the content is then empty.
    """

    file: FoundFile
    content: bytes | str
    path: str | None = None


def rows_of(table: FoundFile, groups: tuple[int, ...], column: str | None) -> Iterator[TableRow]:
    """Each row of some row groups; where the table is damaged, one that says so in place of the rest."""
    number = 0
    try:
        with _opened(table.path) as file:
            sizes = [file.metadata.row_group(group).num_rows for group in range(file.metadata.num_row_groups)]
            name = _column(file.schema_arrow, column)
            for group in groups:
                number = sum(sizes[:group])
                for batch in file.iter_batches(_ROWS, row_groups=[group], columns=[name], use_threads=False):
                    for value in batch.column(0).to_pylist():
                        yield _row(table, number, value)
                        number += 1
    except DinosearchError:
        raise
    except _faults() as error:
        reason = f"{clause(error)}; the rows behind are left out"
        yield TableRow(FoundFile(f"{table.path}::{number}", 0, table.mtime_ns), reason)


def clause(error: BaseException) -> str:
    """A short clause for what is wrong with a table or a remote file."""
    if isinstance(error, FileNotFoundError):
        return "no longer there"
    text = " ".join((str(error) or type(error).__name__).split())[:160]
    return "".join(character if character.isprintable() else "?" for character in text)


def _column(schema: Any, wanted: str | None) -> str:
    """The column with the images: the one asked for, else the first of bytes, else the first of paths."""
    import pyarrow.types as types

    def has_bytes(kind: Any) -> bool:
        if types.is_struct(kind):
            return any(field.name == "bytes" and has_bytes(field.type) for field in kind)
        return bool(types.is_binary(kind) or types.is_large_binary(kind))

    def has_paths(kind: Any) -> bool:
        return bool(types.is_string(kind) or types.is_large_string(kind))

    by_name = {field.name: field.type for field in schema}
    if wanted is not None and wanted in by_name and (has_bytes(by_name[wanted]) or has_paths(by_name[wanted])):
        return wanted
    found = [name for name, kind in by_name.items() if has_bytes(kind)]
    found += [name for name in _PATHS if name in by_name and has_paths(by_name[name])]
    if wanted is not None or not found:
        named = f"no column {wanted!r}" if wanted else "no column"
        raise ValueError(f"{named} of images or paths; --column may name one of: {', '.join(by_name)[:100]}")
    return str(found[0])


def _row(table: FoundFile, number: int, value: Any) -> TableRow:
    found = (value.get("bytes") or value.get("path")) if isinstance(value, dict) else value
    file = FoundFile(f"{table.path}::{number}", len(found) if isinstance(found, bytes) else 0, table.mtime_ns)
    if not isinstance(found, str):
        return TableRow(file, found or "no image in this row")
    if not is_remote(found) and not os.path.isabs(found):
        found = os.path.join(table.path.rpartition("/")[0] or ".", found)
    return TableRow(file, b"", found)


@contextmanager
def _opened(path: str) -> Iterator[Any]:
    with needed(path):
        from pyarrow import parquet
    if not is_remote(path):
        with parquet.ParquetFile(path) as file:
            yield file
        return
    files, inner = filesystem(path)
    with files.open(inner, "rb") as raw, parquet.ParquetFile(raw) as file:
        yield file


def _faults() -> tuple[type[BaseException], ...]:
    from pyarrow import ArrowException

    return (ArrowException, OSError, ValueError, KeyError)
