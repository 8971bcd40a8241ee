"""Where a job reads and writes: a folder of this machine, or one that fsspec or Arrow reaches by its URL.

Both write whole files or none: on a disk by a temporary file, synced and renamed; elsewhere by one upload, whose
checksum tells a half one.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Protocol
from urllib.parse import unquote, urlsplit

from dinosearch.errors import DinosearchError, ExportError, HomeLockedError, SettingError
from dinosearch.home import atomic_path, listed
from dinosearch.jobs.needs import needed

_CHUNK = 1 << 20
_ASKING = re.compile(r"://[^/@]*@")
_BY_ARROW = ("s3", "gs", "gcs", "hdfs")
"""Schemes that Arrow brings along, for machines without the packages that fsspec wants for them."""


class Folder(Protocol):
    """A folder of files with names such as `shards/1f.parquet`."""

    name: str

    def size(self, file: str) -> int | None:
        """Bytes of a file; None where it is not there."""
        ...

    def open(self, file: str) -> IO[bytes]:
        """Open a file to read; FileNotFoundError where it is not there."""
        ...

    def write(self, file: str, data: bytes) -> None:
        """Put a file there, whole and durable on return, over one of the same name."""
        ...

    def names(self, under: str) -> set[str]:
        """Names of the files in a folder of it, without the folder."""
        ...

    @contextmanager
    def writer(self) -> Iterator[None]:
        """Keep others from writing, where that is possible."""
        ...


class LocalFolder:
    """A folder of this machine; making the object touches nothing."""

    def __init__(self, path: str) -> None:
        self.path = Path(os.path.abspath(os.path.expanduser(path)))
        self.name = str(self.path)

    def size(self, file: str) -> int | None:
        try:
            return (self.path / file).stat().st_size
        except (FileNotFoundError, NotADirectoryError):
            return None

    def open(self, file: str) -> IO[bytes]:
        return open(self.path / file, "rb")

    def write(self, file: str, data: bytes) -> None:
        target = self.path / file
        target.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(target) as temporary:
            temporary.write_bytes(data)

    def names(self, under: str) -> set[str]:
        return {path.name for path in listed(self.path / under)} if (self.path / under).is_dir() else set()

    @contextmanager
    def writer(self) -> Iterator[None]:
        """See `Folder.writer`; what an interrupted writer left half is deleted.

        Raises:
            HomeLockedError: another job writes here.
            SettingError: it is a file.
        """
        from filelock import FileLock, Timeout

        if self.path.exists() and not self.path.is_dir():
            raise SettingError(f"{self.name} is a file, and shards lie in a folder; name another by --out")
        self.path.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.path / "writer.lock", timeout=0)
        try:
            lock.acquire()
        except Timeout:
            raise HomeLockedError(
                f"another job is writing to {self.name}; wait until it ends, then run the same command again"
            ) from None
        try:
            for left in listed(self.path, "**/*.tmp"):
                left.unlink(missing_ok=True)
            yield
        finally:
            lock.release()


class UrlFolder:
    """A folder behind a URL, such as `s3://bucket/vectors`.

    Raises:
        SettingError: nothing here can reach it.
    """

    def __init__(self, url: str) -> None:
        self.name = without_password(url.rstrip("/"))
        self.files, self.root = filesystem(url.rstrip("/"))

    def size(self, file: str) -> int | None:
        try:
            with reached(self.name):
                return int(self.files.info(self._at(file))["size"])
        except FileNotFoundError:
            return None

    def open(self, file: str) -> IO[bytes]:
        with reached(self.name):
            opened: IO[bytes] = self.files.open(self._at(file), "rb")
        return opened

    def write(self, file: str, data: bytes) -> None:
        path = self._at(file)
        with reached(self.name):
            self.files.makedirs(path.rpartition("/")[0], exist_ok=True)
            with self.files.open(path, "wb") as out:  # object stores show it when it is closed, whole
                out.write(data)

    def names(self, under: str) -> set[str]:
        try:
            with reached(self.name):
                self.files.invalidate_cache()
                return {str(path).rpartition("/")[2] for path in self.files.ls(self._at(under), detail=False)}
        except FileNotFoundError:
            return set()

    @contextmanager
    def writer(self) -> Iterator[None]:
        """Nothing: object stores have no locks, and two jobs of the same sources write the same files."""
        yield

    def _at(self, file: str) -> str:
        return f"{self.root.rstrip('/')}/{file}"


def folder_at(place: str | os.PathLike[str]) -> LocalFolder | UrlFolder:
    """The folder of a path or URL."""
    place = local_path(os.fspath(place))
    return UrlFolder(place) if is_remote(place) else LocalFolder(place)


def is_remote(place: str) -> bool:
    """Whether it is a URL; a local path may hold `://` too, but not as `scheme://`."""
    scheme, found, _ = place.partition("://")
    return bool(found) and scheme.isascii() and scheme.replace("+", "").isalnum()


def local_path(place: str) -> str:
    """The path that a `file://` URL names; anything else as it is."""
    return unquote(urlsplit(place).path) if place.startswith("file://") else place


def without_password(url: str) -> str:
    """The URL as it may be shown: without who asks, and without options, which may hold keys."""
    return _ASKING.sub("://", url.partition("?")[0])


def filesystem(url: str) -> tuple[Any, str]:
    """The fsspec file system of a URL, and the path in it.

    Raises:
        SettingError: no library here speaks the scheme, or the URL is none.
    """
    scheme = url.partition("://")[0]
    with needed(f"{scheme}://"):
        import fsspec
    try:
        files, path = fsspec.core.url_to_fs(url)
        return files, str(path)
    except ImportError as error:
        if scheme in _BY_ARROW:
            return _by_arrow(url)
        missing = " ".join(str(error).split())
        raise SettingError(f"{scheme}:// cannot be reached from here ({missing}); install what it names") from None
    except ValueError as error:
        raise SettingError(
            f"{without_password(url)} cannot be reached ({' '.join(str(error).split())[:200]}); use a folder, or a URL "
            "such as s3://BUCKET/FOLDER"
        ) from None


def _by_arrow(url: str) -> tuple[Any, str]:
    with needed(url.partition("://")[0] + "://"):
        from fsspec.implementations.arrow import ArrowFSWrapper
        from pyarrow import fs
    found, path = fs.FileSystem.from_uri(url)
    return ArrowFSWrapper(found), path


def sha256_of(folder: Folder, file: str) -> str:
    """Hex SHA-256 of a file; FileNotFoundError where it is not there."""
    digest = hashlib.sha256()
    with folder.open(file) as opened:
        while chunk := opened.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


@contextmanager
def brought_here(url: str) -> Iterator[Path]:
    """A copy of a remote file on this machine for as long as the context lasts: archives are read more than once."""
    files, path = filesystem(url)
    with tempfile.TemporaryDirectory(prefix="dinosearch-") as folder:
        copy = Path(folder) / path.rpartition("/")[2]
        files.get_file(path, str(copy))
        yield copy


@contextmanager
def reached(url: str) -> Iterator[None]:
    """Around what talks to a store: each has errors of its own for what it refuses, such as absent credentials.

    Raises:
        ExportError: it was refused, or failed.
        FileNotFoundError: as it is.
    """
    try:
        yield
    except (FileNotFoundError, DinosearchError):
        raise
    except Exception as error:
        said = " ".join(str(error).split())[:200]
        raise ExportError(
            f"{without_password(url)}: {type(error).__name__}: {said}; mend that, then run the same command again: "
            "what is finished is kept"
        ) from None
