"""List what is to be embedded: folders, files, tar archives and Parquet tables, here or behind a URL, as shards.

The listing is the same for the same sources in any order. Archives and tables are shards of their own and are not
looked into for it, but for the number of a table's rows: at scale they are what pictures are shipped in.
"""

from __future__ import annotations

import heapq
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timezone
from typing import Any

from dinosearch.errors import ImageNotFoundError
from dinosearch.images import is_archive, scan
from dinosearch.images.finding.find import IMAGE_SUFFIXES, is_hidden
from dinosearch.images.finding.ignore import IgnoreRules
from dinosearch.jobs.folders import filesystem, is_remote, local_path, reached, without_password
from dinosearch.jobs.shards import ARCHIVE, Shard, shards_of_files, shards_of_table
from dinosearch.jobs.tables import group_sizes, is_table
from dinosearch.records import FoundFile, Problem

Found = FoundFile | Problem
_TELL_EVERY = 1000  # files between two calls of `on_file`


def shards_of(
    sources: Sequence[str],
    size: int,
    *,
    exclude: Sequence[str] = (),
    follow_symlinks: bool = False,
    column: str | None = None,
    without: str | None = None,
    on_file: Callable[[int], None] | None = None,
) -> Iterator[Shard]:
    """Cut the sources into shards, those of loose files first; nothing is named yet.

    Args:
        sources: paths or URLs of folders, images, tar archives and Parquet tables.
        size: files of a shard, on average.
        exclude: patterns in the language of gitignore, of what to leave out of folders.
        follow_symlinks: follow symbolic links in folders of this machine.
        column: of tables, that holds the images or their paths; None chooses.
        without: folder or URL of which nothing is taken: where the shards go may lie inside a source.
        on_file: told how many files were seen so far.

    Raises:
        ImageNotFoundError: a source is not there.
        SettingError: no library here reaches it.
    """
    containers: list[FoundFile] = []

    def loose() -> Iterator[Found]:
        for number, found in enumerate(_every(sources, exclude, follow_symlinks), start=1):
            if on_file and number % _TELL_EVERY == 0:
                on_file(number)
            if without is not None and found.path.startswith(f"{without}/"):
                continue
            if isinstance(found, FoundFile) and is_container(found.path):
                containers.append(found)
            else:
                yield found

    yield from shards_of_files(loose(), size)
    for container in containers:
        if is_archive(container.path):
            yield Shard(ARCHIVE, (container,))
            continue
        rows = group_sizes(container, column)
        if isinstance(rows, Problem):
            yield from shards_of_files([rows], size)
        else:
            yield from shards_of_table(container, rows, size, column)


def is_container(path: str) -> bool:
    """Whether the name is that of a file that holds images: a tar archive or a Parquet table."""
    return is_archive(path) or is_table(path)


def _every(sources: Sequence[str], exclude: Sequence[str], follow_symlinks: bool) -> Iterator[Found]:
    """What all the sources hold, by path, each path once."""
    listings: list[Iterable[Found]] = []
    for source in dict.fromkeys(map(local_path, sources)):
        if is_remote(source):
            listings.append(_remote(source, exclude))
            continue
        path = os.path.abspath(os.path.expanduser(source))
        if not os.path.lexists(path):
            raise ImageNotFoundError(f"no such file or folder: {path}; nothing was embedded; check the path")
        listings.append(scan(path, exclude=exclude, follow_symlinks=follow_symlinks, known=_offered_unseen))
    last = None
    for found in heapq.merge(*listings, key=lambda found: found.path):
        if found.path != last:  # sources may lie inside each other
            yield found
        last = found.path


def _offered_unseen(path: str, size: int, mtime_ns: int) -> bool:
    return is_container(path)


def _remote(url: str, exclude: Sequence[str]) -> list[FoundFile]:
    """The images and containers at or below a URL; their names tell, as a look inside would cost a request each."""
    files, root = filesystem(url)
    with reached(url):
        files.invalidate_cache()
        if not files.exists(root):
            raise ImageNotFoundError(f"nothing is at {without_password(url)}; nothing was embedded; check the address")
        if files.isfile(root):
            return [_found(files, root, files.info(root))]
        listed = files.find(root, detail=True)
    rules, found = IgnoreRules(exclude), []
    for path, info in listed.items():
        relative = str(path)[len(root.rstrip("/")) :].strip("/")
        if _offered(relative, rules):
            found.append(_found(files, str(path), info))
    return sorted(found, key=lambda file: file.path)


def _offered(relative: str, rules: IgnoreRules) -> bool:
    parts = relative.split("/")
    if any(map(is_hidden, parts)) or not (relative.lower().endswith(IMAGE_SUFFIXES) or is_container(relative)):
        return False
    for count in range(1, len(parts) + 1):
        decided = rules.decide("/".join(parts[:count]), is_folder=count < len(parts))
        if decided is not None and (decided or count == len(parts)):
            return not decided
    return True


def _found(files: Any, path: str, info: dict[str, Any]) -> FoundFile:
    """Size and time of a remote file; stores call the time by different names, and some have none."""
    moment = next(
        (info[name] for name in ("mtime", "LastModified", "updated", "last_modified", "created") if info.get(name)),
        None,
    )
    if isinstance(moment, str):
        try:
            moment = datetime.fromisoformat(moment.replace("Z", "+00:00"))
        except ValueError:
            moment = None
    if isinstance(moment, datetime):
        moment = (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()
    microseconds = round(moment * 1_000_000) if isinstance(moment, (int, float)) else 0
    return FoundFile(str(files.unstrip_protocol(path)), int(info.get("size") or 0), microseconds * 1000)
