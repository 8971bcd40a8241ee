"""Small pictures that were made once: in memory, and on the disk for the next start; both bounded."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path

_TIDIED_EACH = 500  # pictures written between two looks at the folder's size
_ROOM = 0.8  # of the limit that a tidied folder has


class PictureCache:
    """Keeps encoded pictures by name; any thread may use it.

    Args:
        memory: bytes kept in memory, the latest used.
        folder: where they are kept too; None for nowhere.
        disk: bytes kept there, the latest used.
    """

    def __init__(self, memory: int, folder: str | None, disk: int) -> None:
        self._memory, self._disk = memory, disk
        self._folder = Path(folder) if folder else None
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._bytes = 0
        self._written = 0
        self._lock = threading.Lock()

    def get(self, name: str) -> bytes | None:
        """The picture of that name, where it is kept."""
        with self._lock:
            if name in self._kept:
                self._kept.move_to_end(name)
                return self._kept[name]
        data = self._read(name)
        if data is not None:
            self._keep(name, data)
        return data

    def put(self, name: str, data: bytes) -> None:
        """Keep a picture; `name` is of letters, digits and dashes."""
        self._keep(name, data)
        if self._folder is None or self._disk <= 0:
            return
        with suppress(OSError):  # a full or read-only disk costs time, nothing else
            file = self._file(self._folder, name)
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Not synced: what a lost power leaves of it is seen when it is read.
            half = file.with_suffix(f".{os.getpid()}-{threading.get_ident()}.tmp")
            half.write_bytes(data)
            os.replace(half, file)
            self._written += 1
            if self._written % _TIDIED_EACH == 1:
                self._tidy(self._folder)

    def _keep(self, name: str, data: bytes) -> None:
        if len(data) > self._memory // 4:
            return
        with self._lock:
            self._bytes += len(data) - len(self._kept.pop(name, b""))
            self._kept[name] = data
            while self._bytes > self._memory:
                self._bytes -= len(self._kept.popitem(last=False)[1])

    def _read(self, name: str) -> bytes | None:
        if self._folder is None:
            return None
        file = self._file(self._folder, name)
        try:
            data = file.read_bytes()
            os.utime(file)
        except OSError:
            return None
        # JPEG ends with its end marker.
        return data if data[-2:] == b"\xff\xd9" else None

    def _file(self, folder: Path, name: str) -> Path:
        return folder / name[:2] / f"{name}.jpg"

    def _tidy(self, folder: Path) -> None:
        """Delete what was used longest ago, where the folder is too large."""
        found = []
        for file in folder.glob("*/*"):
            with suppress(OSError):
                facts = file.stat()
                found.append((facts.st_mtime_ns, facts.st_size, file))
        excess = sum(size for _, size, _ in found) - self._disk
        if excess > 0:
            excess += int((1 - _ROOM) * self._disk)
            for _, size, file in sorted(found):
                file.unlink(missing_ok=True)
                excess -= size
                if excess <= 0:
                    return
