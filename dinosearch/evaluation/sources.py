"""Which folders and files to index for a data set, so that little else is embedded; it opens no image."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

SPARE = 0.1
"""Share of a folder's files that may be no part of the data set; beyond it the folder is not taken as a whole."""


def cover(root: Path, names: Iterable[str]) -> list[str]:
    """The fewest folders and files below `root` that hold the named images and hardly anything else.

    Args:
        root: folder that the names are relative to.
        names: posix paths.

    Returns:
        Absolute paths; folders for the most part. Names that do not exist are left out.
    """
    wanted: dict[PurePosixPath, set[str]] = defaultdict(set)
    for name in names:
        path = PurePosixPath(name)
        wanted[path.parent].add(path.name)
    below: dict[PurePosixPath, int] = defaultdict(int)
    for folder, files in wanted.items():
        for above in (folder, *folder.parents):
            below[above] += len(files)
    found = _Cover(root, wanted, below)
    found.visit(PurePosixPath("."))
    return found.paths


class _Cover:
    def __init__(self, root: Path, wanted: dict[PurePosixPath, set[str]], below: dict[PurePosixPath, int]) -> None:
        self._root, self._wanted, self._below = root, wanted, below
        self.paths: list[str] = []

    def visit(self, folder: PurePosixPath) -> int:
        """Take what is wanted in and below a folder; returns how many files there are, so that the one above can judge.

        The files of the folder itself come first, so that a folder that is taken whole replaces what was collected.
        """
        start, files = len(self.paths), 0
        chosen = self._wanted.get(folder, set())
        for entry in sorted(_entries(self._root / folder), key=lambda entry: entry.name):
            if entry.is_dir():
                inner = folder / entry.name
                # what lies below a folder without wanted images is only counted
                files += self.visit(inner) if inner in self._below else _count(Path(entry.path))
            else:
                files += 1
                if entry.name in chosen:
                    self.paths.append(os.path.abspath(entry.path))
        if folder != PurePosixPath(".") and files <= self._below[folder] * (1 + SPARE):
            del self.paths[start:]
            self.paths.append(os.path.abspath(self._root / folder))
        return files


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return [entry for entry in entries if not entry.name.startswith(".")]
    except OSError:
        return []


def _count(folder: Path) -> int:
    return sum(len(files) for _, _, files in os.walk(folder))
