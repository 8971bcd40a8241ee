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
    found = _Cover(root, wanted)
    found.visit(PurePosixPath("."))
    return found.paths


class _Cover:
    def __init__(self, root: Path, wanted: dict[PurePosixPath, set[str]]) -> None:
        self._root, self._wanted = root, wanted
        self._folders = {above for folder in wanted for above in (folder, *folder.parents)}
        self.paths: list[str] = []

    def visit(self, folder: PurePosixPath) -> tuple[int, int, bool]:
        """Take what is wanted in and below a folder.

        The files of the folder itself come first, so that a folder that is taken whole replaces what was collected.

        Returns:
            How many files there are, how many of them are wanted, and whether symbolic links lead to any: indexing a
            folder follows none, so that links must be named themselves.
        """
        start, files, found, linked = len(self.paths), 0, 0, False
        chosen = self._wanted.get(folder, set())
        for entry in sorted(_entries(self._root / folder), key=lambda entry: entry.name):
            if not entry.is_dir():
                files += 1
                if entry.name in chosen:
                    found += 1
                    linked |= entry.is_symlink()
                    self.paths.append(os.path.abspath(entry.path))
            elif folder / entry.name in self._folders:
                inner_files, inner_found, inner_linked = self.visit(folder / entry.name)
                files, found = files + inner_files, found + inner_found
                linked |= inner_linked or entry.is_symlink()
            else:  # what lies below a folder without wanted images is only counted
                files += _count(Path(entry.path))
        if folder != PurePosixPath(".") and not linked and found and files <= found * (1 + SPARE):
            del self.paths[start:]
            self.paths.append(os.path.abspath(self._root / folder))
        return files, found, linked


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return [entry for entry in entries if not entry.name.startswith(".")]
    except OSError:
        return []


def _count(folder: Path) -> int:
    return sum(len(files) for _, _, files in os.walk(folder))
