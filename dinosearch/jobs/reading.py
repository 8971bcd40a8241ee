"""Read a shard's files into parts: bytes and their hash, each content once; it decodes nothing.

Parts are cut by numbers that do not depend on the machine's load, so that the same shard has the same parts every time.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing

from dinosearch.errors import ImageNotFoundError, ImageUnreadableError
from dinosearch.images import iter_members, read_bytes, scan_tar
from dinosearch.images.ahead import Ahead
from dinosearch.images.finding.read import MAX_FILE
from dinosearch.jobs.folders import brought_here, filesystem, is_remote
from dinosearch.jobs.parts import EncodedPart, Row
from dinosearch.jobs.shards import ARCHIVE, FILES, TABLE, Shard
from dinosearch.jobs.tables import clause, rows_of
from dinosearch.records import FoundFile, Problem

PART_BYTES = 32 << 20
"""Contents of a part, passed by one file at most."""
_THREADS, _AHEAD, _AHEAD_BYTES = 8, 64, 64 << 20
"""Files that are read at the same time, and held before their turn: what a network drive or a store needs."""

_PAUSES = (0.5, 2.0)  # seconds before a remote file is asked for again

Read = tuple[FoundFile, bytes | str]
"""A file with its content, or with what is wrong with it."""


def parts_of(shard: Shard, size: int) -> Iterator[EncodedPart]:
    """Read a shard; one without any row is one empty part.

    Args:
        shard: it has its id.
        size: new contents of a part.
    """
    seen: set[str] = set()
    part, held = EncodedPart(shard.id, 0, False, []), 0
    with closing(_READERS[shard.kind](shard)) as reading:
        for file, content in reading:
            if len(part.contents) >= size or held >= PART_BYTES:
                yield part
                part, held = EncodedPart(shard.id, part.number + 1, False, []), 0
            if isinstance(content, str):
                part.rows.append(Row(file, reason=content))
                continue
            sha256 = hashlib.sha256(content).hexdigest()
            if sha256 not in seen:
                seen.add(sha256)
                held += len(content)
                part.contents.append((len(part.rows), content))
            part.rows.append(Row(file, sha256))
    part.last = True
    yield part


def _files(shard: Shard) -> Generator[Read, None, None]:
    run = Ahead(shard.members, _read, _weigh, threads=_THREADS, most=_AHEAD, most_bytes=_AHEAD_BYTES)
    for file, content in run:
        yield (FoundFile(file.path, 0, 0) if isinstance(file, Problem) else file), content


def _archive(shard: Shard) -> Generator[Read, None, None]:
    (archive,) = shard.members
    if isinstance(archive, Problem) or not is_remote(archive.path):
        yield from _members(archive.path, archive.path)
        return
    try:
        with brought_here(archive.path) as copy:
            yield from _members(str(copy), archive.path, archive.mtime_ns)
    except OSError as error:
        yield archive, clause(error)


def _members(path: str, name: str, mtime_ns: int | None = None) -> Iterator[Read]:
    """The images of an archive in their order, then what is wrong with others.

    Args:
        path: where it lies here.
        name: what it is called in the answers.
        mtime_ns: its time; None takes that of the file here.
    """
    here = os.path.abspath(path)
    listed = list(scan_tar(here))
    wanted = {one.path for one in listed if isinstance(one, FoundFile)}
    for file, content in iter_members(here):
        if file.path in wanted:
            yield FoundFile(name + file.path[len(here) :], file.size, mtime_ns or file.mtime_ns), content
    for one in listed:
        if isinstance(one, Problem):
            yield FoundFile(name + one.path[len(here) :], 0, 0), one.reason


def _table(shard: Shard) -> Generator[Read, None, None]:
    (table,) = shard.members
    assert isinstance(table, FoundFile)
    for row in rows_of(table, shard.groups, shard.column):
        if row.path is None:
            yield row.file, row.content
        else:
            file = FoundFile(row.path, 0, table.mtime_ns) if is_remote(row.path) else _status(row.path)
            content = _read(file)
            yield FoundFile(file.path, file.size or len(content), file.mtime_ns), content


_READERS: dict[str, Callable[[Shard], Generator[Read, None, None]]] = {FILES: _files, ARCHIVE: _archive, TABLE: _table}


def _read(file: FoundFile | Problem) -> bytes | str:
    if isinstance(file, Problem):
        return file.reason
    try:
        if not is_remote(file.path):
            return read_bytes(file.path)
        if file.size > MAX_FILE:
            return f"{file.size / 1e9:.1f} GB, the limit is {MAX_FILE / 1e9:.1f} GB"
        return _fetched(file.path)
    except ImageNotFoundError:
        return "no longer there"
    except ImageUnreadableError as error:
        return error.reason
    except MemoryError:
        return "not enough memory to read it"
    except OSError as error:
        return clause(error)


def _fetched(url: str) -> bytes | str:
    """A remote file, asked for again where the store fails: for good a row would be bad that is not."""
    files, path = filesystem(url)
    for pause in _PAUSES:
        try:
            return bytes(files.cat_file(path))
        except (FileNotFoundError, PermissionError):
            raise
        except Exception:  # each library has classes of its own
            time.sleep(pause)
    try:
        return bytes(files.cat_file(path))
    except Exception as error:
        return clause(error)


def _weigh(file: FoundFile | Problem, content: bytes | str | None) -> int:
    if content is not None:
        return len(content)
    return 0 if isinstance(file, Problem) else file.size


def _status(path: str) -> FoundFile:
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return FoundFile(path, 0, 0)
    return FoundFile(path, status.st_size, status.st_mtime_ns)
