"""Offer and read the images inside tar files (webdataset shards) without unpacking them; nothing is ever written."""

from __future__ import annotations

import functools
import lzma
import os
import re
import tarfile
import zlib
from collections.abc import Iterator

from dinosearch.advice import run
from dinosearch.errors import ImageNotFoundError, ImageUnreadableError
from dinosearch.images.finding.find import IMAGE_SUFFIXES, Known, error_clause, is_hidden
from dinosearch.images.finding.sniff import HEAD, kind
from dinosearch.records import FoundFile, Problem

#: Largest member that is read, in bytes.
MAX_MEMBER = 256 << 20
_SUFFIX = r"\.(?:tar|tar\.gz|tgz|tar\.bz2|tbz2?|tar\.xz|txz)"
_ARCHIVE = re.compile(_SUFFIX + r"\Z", re.IGNORECASE)
_MEMBER = re.compile(rf"(.*?{_SUFFIX})::(.+)", re.IGNORECASE | re.DOTALL)
_DAMAGE = (tarfile.TarError, EOFError, OSError, ValueError, zlib.error, lzma.LZMAError)


def is_archive(path: str) -> bool:
    """Whether the file name is that of a tar file, compressed or not."""
    return _ARCHIVE.search(path) is not None


def is_member(path: str) -> bool:
    """Whether the path has the form `ARCHIVE.tar::MEMBER`."""
    return _MEMBER.fullmatch(path) is not None


def split_member(path: str) -> tuple[str, str]:
    """Split `ARCHIVE.tar::MEMBER` into archive and member name.

    Raises:
        ValueError: the path has another form.
    """
    match = _MEMBER.fullmatch(path)
    if match is None:
        raise ValueError(f"{path!r} has not the form ARCHIVE.tar::MEMBER")
    return match[1], match[2]


def scan_tar(archive: str, known: Known | None = None) -> Iterator[FoundFile | Problem]:
    """Find the images in a tar file, in the order they are stored; the rules are those of `scan`.

    Args:
        archive: path of the tar file; compressed ones (gzip, bzip2, xz) are read once from start to end.
        known: members for which it says True are offered without a look at their first bytes.

    Yields:
        Found members as `ARCHIVE.tar::MEMBER` with the archive's modification time; a problem for a member over
        `MAX_MEMBER`, and one for the archive itself where it is damaged, after the members before the damage.
    """
    archive = os.path.abspath(archive)
    try:
        for tar, member, file in _members(archive):
            claims = member.name.lower().endswith(IMAGE_SUFFIXES)
            if not (claims or (known and known(file.path, file.size, file.mtime_ns)) or _has_image(tar, member)):
                continue
            if file.size > MAX_MEMBER:
                yield Problem(
                    file.path, f"{file.size / 1e6:.0f} MB, the limit for a member is {MAX_MEMBER / 1e6:.0f} MB"
                )
            else:
                yield file
    except _DAMAGE as error:
        yield Problem(archive, _clause(error))


def iter_members(archive: str) -> Iterator[tuple[FoundFile, bytes]]:
    """Read the images of a tar file in one sequential pass, one in memory at a time.

    Yields:
        What `scan_tar` finds, each with its content. At a damaged place it ends, which `scan_tar` has reported.
    """
    archive = os.path.abspath(archive)
    try:
        for tar, member, file in _members(archive):
            if file.size > MAX_MEMBER:
                continue
            content = tar.extractfile(member)
            data = content.read() if content else b""
            if len(data) == file.size and (member.name.lower().endswith(IMAGE_SUFFIXES) or kind(data[:HEAD])):
                yield file, data
    except _DAMAGE:
        return


def read_member(path: str) -> bytes:
    """Read one member named as `ARCHIVE.tar::MEMBER`; of several members of one name the first counts.

    Raises:
        ImageNotFoundError: no such archive or member.
        ImageUnreadableError: the member is too large, or the archive is damaged.
    """
    archive, name = split_member(path)
    archive = os.path.abspath(archive)
    try:
        return _read(archive, name, path)
    except FileNotFoundError:
        raise ImageNotFoundError(
            f"{archive}: no such file; check the path, or run `", run("index"), "` if it moved", is_gone=True
        ) from None
    except _DAMAGE as error:
        raise ImageUnreadableError(path, _clause(error)) from None


def _read(archive: str, name: str, path: str) -> bytes:
    status = os.stat(archive)
    places = _places(archive, status.st_size, status.st_mtime_ns)
    if places is not None and name in places:
        offset, size = places[name]
        _check_size(size, path)
        with open(archive, "rb") as raw:
            raw.seek(offset)
            return raw.read(size)
    if places is None:
        for tar, member, _ in _members(archive):
            if member.name == name:
                _check_size(member.size, path)
                content = tar.extractfile(member)
                return content.read() if content else b""
    raise ImageNotFoundError(f"{path}: the archive has no such member; `tar -tf` lists what it has", is_gone=True)


@functools.lru_cache(maxsize=8)
def _places(archive: str, size: int, mtime_ns: int) -> dict[str, tuple[int, int]] | None:
    """Where the members of an uncompressed tar file lie, as (offset, size); None for a compressed one."""
    places: dict[str, tuple[int, int]] = {}
    for tar, member, _ in _members(archive):
        if isinstance(tar.fileobj, tarfile._Stream) or member.issparse():  # type: ignore[attr-defined]
            return None
        places.setdefault(member.name, (member.offset_data, member.size))
    return places


def _members(archive: str) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo, FoundFile]]:
    """Regular members that are not hidden, each name once."""
    mtime_ns = os.stat(archive).st_mtime_ns
    names: set[str] = set()
    with _open(archive) as tar:
        for member in tar:
            # tarfile remembers every member, which for a shard of a million images would be a gigabyte.
            tar.members = []  # type: ignore[attr-defined]
            if not member.isreg() or member.name in names or _is_hidden(member.name):
                continue
            names.add(member.name)
            yield tar, member, FoundFile(f"{archive}::{member.name}", member.size, mtime_ns)


def _open(archive: str) -> tarfile.TarFile:
    try:
        return tarfile.open(archive, "r:", encoding="utf-8", errors="surrogateescape")
    except tarfile.ReadError:
        return tarfile.open(archive, "r|*", encoding="utf-8", errors="surrogateescape")


def _is_hidden(name: str) -> bool:
    return any(is_hidden(part) for part in name.split("/") if part not in (".", ".."))


def _has_image(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bool:
    content = tar.extractfile(member)
    return content is not None and kind(content.read(HEAD)) is not None


def _check_size(size: int, path: str) -> None:
    if size > MAX_MEMBER:
        raise ImageUnreadableError(path, f"{size / 1e6:.0f} MB, the limit for a member is {MAX_MEMBER / 1e6:.0f} MB")


def _clause(error: BaseException) -> str:
    if isinstance(error, OSError) and error.errno is not None:
        return error_clause(error)
    return f"damaged tar file ({' '.join(str(error).split())[:120] or type(error).__name__})"
