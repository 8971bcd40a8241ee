"""Put the kept images into a folder: copies, hard links or symbolic links, in the folders that they lie in."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from dinosearch.analysis.curation.manifest import kept
from dinosearch.errors import DinosearchError, SettingError
from dinosearch.home import atomic_path
from dinosearch.images import is_member, read_bytes, split_member
from dinosearch.protocols import Progress
from dinosearch.records import Problem

WAYS = ("copy", "link", "symlink")


@dataclass(frozen=True)
class Materialised:
    """What was put into the folder.

    Attributes:
        folder: absolute.
        written: files made by this run.
        there: files that were there already.
        failures: images that are gone or have another content by now.
    """

    folder: str
    written: int
    there: int
    failures: tuple[Problem, ...]


def materialise(
    curation: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    way: str = "copy",
    progress: Progress | None = None,
) -> Materialised:
    """Put what a curation kept into a folder, below the part of their paths that all have in common.

    Run again, it makes what is missing. Nothing that is there is replaced or deleted. A member of an archive is copied
    whatever the way, into a folder named after the archive.

    Args:
        curation: its folder, finished.
        folder: made where it is absent.
        way: `copy`, whose content is compared with the manifest; `link`, hard links, for which the folder lies on the
            same disk; `symlink`.
        progress: told about the stage `materialise`, in images.

    Raises:
        SettingError: another way, no finished curation, or a file system without hard links.
    """
    if way not in WAYS:
        raise SettingError(f"{way!r} is not one of {', '.join(WAYS)}")
    curation, target = Path(curation), Path(os.path.abspath(os.path.expanduser(folder)))
    total, common = 0, ""
    for row in kept(curation):
        place = os.path.dirname(_parts(row)[0])
        common, total = place if not total else os.path.commonpath([common, place]), total + 1
    written, failures = 0, list[Problem]()
    for done, row in enumerate(kept(curation)):
        if progress and done % 256 == 0:
            progress("materialise", done, total)
        path = target / _inside(row, common)
        if os.path.lexists(path):
            continue
        try:
            _put(row, path, way)
            written += 1
        except DinosearchError as error:
            if isinstance(error, SettingError):
                raise
            failures.append(Problem(row["path"], getattr(error, "reason", "it is not there any more")))
    if progress:
        progress("materialise", total, total)
    return Materialised(str(target), written, total - written - len(failures), tuple(failures))


class _ChangedError(DinosearchError):
    reason = "its content is another one than was curated"


class _GoneError(DinosearchError):
    reason = "it is not there any more"


def _put(row: dict[str, Any], path: Path, way: str) -> None:
    source = str(row["path"])
    member = is_member(source)
    if not member and not os.path.isfile(source):
        raise _GoneError(source)
    path.parent.mkdir(parents=True, exist_ok=True)
    if way == "symlink" and not member:
        os.symlink(source, path)
        return
    if way == "link" and not member:
        try:
            os.link(os.path.realpath(source), path)
        except OSError as error:
            raise SettingError(
                f"{source} cannot be linked to {path} ({error.strerror}); use --copy or --symlink instead"
            ) from None
        return
    with atomic_path(path) as temporary:
        digest = hashlib.sha256()
        with open(temporary, "wb") as file:
            for chunk in _content(source, member):
                digest.update(chunk)
                file.write(chunk)
        if digest.hexdigest() != row["sha256"]:
            raise _ChangedError(source)
        if not member:
            shutil.copystat(source, temporary)


def _content(source: str, member: bool) -> Iterator[bytes]:
    if member:
        yield read_bytes(source)
        return
    with open(source, "rb") as file:
        while chunk := file.read(1 << 20):
            yield chunk


def _inside(row: dict[str, Any], common: str) -> PurePath:
    """Where an image goes, relative to the folder; one that would leave it is named by its id."""
    file, member = _parts(row)
    inside = PurePath(os.path.relpath(file, common or os.sep), *PurePath(member).parts)
    if inside.is_absolute() or ".." in inside.parts:
        return PurePath(f"{row['id']}{PurePath(member or file).suffix}")
    return inside


def _parts(row: dict[str, Any]) -> tuple[str, str]:
    """The file, and the member of it where it is an archive."""
    path = str(row["path"])
    return split_member(path) if is_member(path) else (path, "")
