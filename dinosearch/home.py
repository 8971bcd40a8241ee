"""The folder of a collection: names of its files, format version, writer lock, atomic publishing, checksums.

It knows names and bytes only: what is inside the files is the business of `store` and `vectors`.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from dinosearch.advice import Named, run
from dinosearch.errors import CollectionNotFoundError, HomeLockedError

if TYPE_CHECKING:
    from filelock import FileLock

T = TypeVar("T")

FORMAT_VERSION = 4
_NO_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL}
"""What a file system says that has no file locks."""


class Home:
    """One home on disk; making the object touches nothing.

    Attributes:
        path: absolute path of the folder.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(os.path.abspath(os.path.expanduser(path)))

    @property
    def named(self) -> Named:
        """What names it in a command."""
        return Named(str(self.path))

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
        return [path for word in words for path in listed(self.path, f"{word}-*")]

    def exists(self) -> bool:
        return self.metadata.is_file()

    def require(self) -> None:
        """Raise CollectionNotFoundError where there is no collection."""
        self._refuse_file()
        if not self.exists():
            raise CollectionNotFoundError(
                f"no collection in {self.path}: metadata.sqlite is not there; make one with: ",
                run("index", "FOLDER", of=self.named),
            )

    def create(self) -> None:
        """Make the folder, parents included; an existing one stays as it is."""
        self._refuse_file()
        self.path.mkdir(parents=True, exist_ok=True)

    def _refuse_file(self) -> None:
        if self.path.is_file():
            raise CollectionNotFoundError(
                f"{self.path} is a file, and the home of a collection is a folder; name another by --home"
            )

    @contextmanager
    def writer(self) -> Iterator[None]:
        """Hold the one writer's lock.

        The operating system frees the lock when its process ends, however it ends, so a stale lock cannot stay behind;
        the note beside it only tells who holds it.

        Raises:
            HomeLockedError: another process is writing; the sentence names it.
            CollectionNotFoundError: the folder was moved or unmounted meanwhile.
        """
        from filelock import Timeout  # only writers wait for it to load

        lock = _file_lock(self.path / "writer.lock")
        note = self.path / "writer.json"
        try:
            lock.acquire()
        except Timeout:
            raise HomeLockedError(
                f"{self.path} is being written by {_holder(note)}; wait until it ends, then run the same command again"
            ) from None
        except (NotImplementedError, OSError) as error:
            if isinstance(error, OSError) and error.errno not in _NO_LOCKS:
                raise
            raise HomeLockedError(
                f"{self.path} cannot be locked: its file system has no file locks ({error}), so that two writers could "
                "spoil it; move it to a local disk, and name it there by --home"
            ) from None
        known = identity(self.path)
        try:
            held = {"pid": os.getpid(), "host": socket.gethostname(), "since": time.strftime("%Y-%m-%d %H:%M:%S")}
            temporary = note.with_name(f"{note.name}.tmp")  # who reads the note sees all of it
            temporary.write_text(json.dumps(held), encoding="utf-8")
            replace(temporary, note)
            yield
            if identity(self.path) != known:
                raise FileNotFoundError(f"{self.path} is another folder now")
        except Exception as error:
            # Renamed away or unmounted: whatever went wrong went wrong because of that.
            if identity(self.path) == known:
                raise
            raise CollectionNotFoundError(
                f"{self.path} was moved, deleted or unmounted while it was written; what is stored there is whole: put "
                "it back, then run the same command again"
            ) from error
        finally:
            if identity(self.path) == known:  # else the note of another home would be deleted
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
        replace(temporary, path)
        sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def repeated(call: Callable[[], T]) -> T:
    """What the call gives, made again where a signal interrupts it, as it can on a network drive.

    Python does that for opening, writing and syncing (PEP 475), but not for renaming and for listing a folder.
    """
    while True:
        try:
            return call()
        except InterruptedError:
            continue


def replace(source: Path, target: Path) -> None:
    """Rename over what is there."""
    repeated(lambda: os.replace(source, target))


def listed(folder: Path, pattern: str = "*") -> list[Path]:
    """What lies in the folder, by name, of the pattern."""
    return repeated(lambda: sorted(folder.glob(pattern)))


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


def identity(path: Path) -> tuple[int, int] | None:
    """What tells a file or folder from another one that takes its name; None where there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _file_lock(path: Path) -> FileLock:
    """The lock; only the operating system's own will do, as a file that stands for a lock outlives its holder."""
    from filelock import FileLock

    try:
        return FileLock(path, timeout=0, thread_local=False, fallback_to_soft=False)
    except TypeError:  # older ones know no other lock
        return FileLock(path, timeout=0, thread_local=False)


def _holder(note: Path) -> str:
    """Who holds the lock, as its note says; one of a process that has ended is left over from an earlier holder."""
    try:
        held = json.loads(note.read_text(encoding="utf-8"))
        if held["host"] == socket.gethostname() and not _is_alive(held["pid"]):
            return "another process"
        return f"process {held['pid']} on {held['host']} since {held['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"


def _is_alive(pid: int) -> bool:
    if os.name == "nt":
        return True  # asking by a signal would end it there
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True  # it is another user's
    return True
