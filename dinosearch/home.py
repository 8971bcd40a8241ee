"""The folder of a collection: names of its files, format version, writer lock, atomic publishing, checksums.

It knows names and bytes only: what is inside the files is the business of `store` and `vectors`.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dinosearch.errors import CollectionNotFoundError, HomeLockedError

FORMAT_VERSION = 2


class Home:
    """One home on disk; making the object touches nothing.

    Attributes:
        path: absolute path of the folder.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(os.path.abspath(os.path.expanduser(path)))

    @property
    def metadata(self) -> Path:
        return self.path / "metadata.sqlite"

    def vectors(self, generation: int) -> Path:
        return self.path / f"vectors-{generation}.f32"

    def basis(self, generation: int) -> Path:
        """Where lies what the vectors of a generation were centred and turned by, if they were."""
        return self.path / f"basis-{generation}.npz"

    def index(self, generation: int, sha256: str) -> Path:
        """Where an index file lies; the checksum in its name keeps it from taking the place of a published one."""
        return self.path / f"index-{generation}-{sha256[:12]}.faiss"

    def diffusion(self, generation: int, part: str) -> Path:
        """Where one array of what was diffused lies."""
        return self.path / f"diffusion-{generation}-{part}.bin"

    def generation_files(self) -> list[Path]:
        """Files of all generations, left-over temporary ones included."""
        words = ("vectors", "index", "basis", "diffusion")
        return [path for word in words for path in self.path.glob(f"{word}-*")]

    def exists(self) -> bool:
        return self.metadata.is_file()

    def require(self) -> None:
        """Raise CollectionNotFoundError where there is no collection."""
        if not self.exists():
            raise CollectionNotFoundError(
                f"no collection in {self.path}: metadata.sqlite is not there; "
                f"make one with: dinosearch index FOLDER --home {self.path}"
            )

    def create(self) -> None:
        """Make the folder, parents included; an existing one stays as it is."""
        self.path.mkdir(parents=True, exist_ok=True)

    @contextmanager
    def writer(self) -> Iterator[None]:
        """Hold the one writer's lock.

        The operating system frees the lock when its process ends, however it ends, so a stale lock cannot stay behind;
        the note beside it only tells who holds it.

        Raises:
            HomeLockedError: another process is writing; the sentence names it.
        """
        from filelock import FileLock, Timeout  # only writers wait for it to load

        lock = FileLock(self.path / "writer.lock", timeout=0, thread_local=False)
        note = self.path / "writer.json"
        try:
            lock.acquire()
        except Timeout:
            raise HomeLockedError(
                f"{self.path} is being written by {_holder(note)}; wait until it ends, then run the same command again"
            ) from None
        try:
            held = {"pid": os.getpid(), "host": socket.gethostname(), "since": time.strftime("%Y-%m-%d %H:%M:%S")}
            note.write_text(json.dumps(held), encoding="utf-8")
            yield
        finally:
            note.unlink(missing_ok=True)
            lock.release()


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; on success it is synced and renamed over `path`, on an error it is deleted.

    POSIX promises that the rename is atomic; only the sync of the folder makes it survive a power cut.
    """
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        sync_file(temporary)
        os.replace(temporary, path)
        sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def sync_file(path: Path) -> None:
    """Flush the file's data from the operating system's cache to the disk."""
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(path: Path) -> None:
    """Flush the folder's entries to the disk, where the system knows how (not on Windows)."""
    if os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256_file(path: Path) -> str:
    """Hex SHA-256 of the file's bytes."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def _holder(note: Path) -> str:
    try:
        held = json.loads(note.read_text(encoding="utf-8"))
        return f"process {held['pid']} on {held['host']} since {held['since']}"
    except (OSError, ValueError, KeyError):
        return "another process"
