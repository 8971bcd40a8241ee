"""Text, CSV and JSON of ground-truth files, read strictly: a bad line is an error that names file and line."""

from __future__ import annotations

import csv
import json
import math
import os
import posixpath
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from dinosearch.errors import DatasetError
from dinosearch.images.finding.find import error_clause

LARGEST = 2 << 30
"""Bytes; the largest official list, GLDv2's train.csv, has some 500 MB."""


def bad(path: Path, line: int, why: str) -> DatasetError:
    """The error for one line of a file."""
    return DatasetError(f"{path}, line {line}: {why}; download the file again or correct the line")


def unreadable(path: Path, why: str) -> DatasetError:
    """The error for a whole file."""
    return DatasetError(f"{path} cannot be used: {why}; download the file again")


def read_bytes(path: Path, largest: int) -> bytes:
    """The content of a file of at most `largest` bytes.

    Raises:
        DatasetError: it cannot be read or is larger.
    """
    try:
        with open(path, "rb") as file:
            data = file.read(largest + 1)
    except OSError as error:
        raise unreadable(path, error_clause(error)) from None
    if len(data) > largest:
        raise unreadable(path, f"it is larger than {largest:,} bytes, which such a file never is")
    return data


def lines(path: Path) -> Iterator[tuple[int, str]]:
    """Number (from 1) and text of each line that is not blank, without the spaces around it."""
    with _opened(path) as file:
        for number, line in enumerate(file, start=1):
            if text := line.strip():
                yield number, text


def words(path: Path, count: int, separator: str | None = None) -> Iterator[tuple[int, list[str]]]:
    """Number and words of each line that is not blank.

    Args:
        path: the file.
        count: words that each line must have.
        separator: between the words; None for any white space.

    Raises:
        DatasetError: a line has another number of words, or the file cannot be read.
    """
    for number, text in lines(path):
        found = text.split(separator)
        if len(found) != count:
            raise bad(path, number, f"{count} fields are expected, {len(found)} found")
        yield number, found


def table(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    """Line number and the wanted cells of each row of a CSV file with a header.

    Raises:
        DatasetError: the header lacks a column, a row has another number of cells than the header, or the file is no
            CSV.
    """
    with _opened(path) as file:
        reader = csv.reader(file, strict=True)
        try:
            header = [name.strip() for name in next(reader, [])]
            if lacking := [name for name in columns if name not in header]:
                raise bad(path, 1, f"the header has no column {' and no column '.join(lacking)}")
            places = [header.index(name) for name in columns]
            for row in reader:
                if not row:
                    continue
                if len(row) != len(header):
                    raise bad(path, reader.line_num, f"{len(header)} fields are expected, {len(row)} found")
                yield reader.line_num, [row[place] for place in places]
        except csv.Error as error:
            raise bad(path, reader.line_num, f"it is no CSV ({error})") from None


def read_json(path: Path, largest: int = 1 << 29) -> Any:
    """The content of a JSON file.

    Raises:
        DatasetError: it is no JSON.
    """
    try:
        return json.loads(read_bytes(path, largest))
    except json.JSONDecodeError as error:
        raise bad(path, error.lineno, f"it is no JSON ({error.msg})") from None
    except (UnicodeDecodeError, RecursionError, ValueError):
        raise unreadable(path, "it is no JSON") from None


def whole(text: str, path: Path, line: int) -> int:
    """A whole number in decimal digits."""
    if not (text.isascii() and text.removeprefix("-").isdigit()) or len(text) > 18:
        raise bad(path, line, f"{text[:40]!r} is no whole number")
    return int(text)


def number(text: str, path: Path, line: int) -> float:
    """A finite decimal number."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise bad(path, line, f"{text[:40]!r} is no number")
    return value


def inside(name: str, where: str) -> str:
    """The name of an image from a ground-truth file as a posix path that cannot leave the data set's folder.

    Args:
        name: what the file says.
        where: the file, with the line where there is one, for the error.

    Raises:
        DatasetError: the name is empty, absolute, or climbs up with `..`.
    """
    name = name.replace(os.sep, "/")
    if not name or "\0" in name or name[0] == "/" or os.path.isabs(name) or ".." in name.split("/"):
        raise DatasetError(f"{where}: {name[:80]!r} is no path below the folder of the data set; correct the list")
    return posixpath.normpath(name)


@contextmanager
def _opened(path: Path) -> Iterator[TextIO]:
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            if os.fstat(file.fileno()).st_size > LARGEST:
                raise unreadable(path, f"it is larger than {LARGEST:,} bytes, which such a file never is")
            yield file
    except UnicodeDecodeError:
        raise unreadable(path, "it is no UTF-8 text") from None
    except OSError as error:
        raise unreadable(path, error_clause(error)) from None
