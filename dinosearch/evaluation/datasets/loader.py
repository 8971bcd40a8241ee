"""What a loader is, and how it finds the files of its data set below the folder that a user names; it reads nothing."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dinosearch.errors import DatasetError
from dinosearch.evaluation.dataset import Dataset


@dataclass(frozen=True)
class Loader:
    """One line of the table of data sets.

    Attributes:
        name: as on the command line.
        title: the full name with year.
        read: reads it, called as `read(loader, data, **options)` with an absolute path.
        protocol: what is measured, in a few words.
        published: where it is to be had, an address or what is nearest to one.
        files: what is expected below the data folder, in a few words.
        size: images in the database and queries of the published data set, None where the source does not say.
        options: names of the keyword arguments that `read` takes.
        notes: what a reader of any figure on it must know, one sentence each.
    """

    name: str
    title: str
    read: Callable[..., Dataset]
    protocol: str
    published: str
    files: str
    size: tuple[int | None, int | None] = (None, None)
    options: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def find_file(self, data: Path, names: Sequence[str], folders: Sequence[str] = ("",)) -> Path:
        """The first of several files that exists.

        Args:
            data: the folder to look in.
            names: file names, the best first.
            folders: folders below `data` to look in, the best first; an empty one is `data` itself.

        Raises:
            DatasetError: none exists.
        """
        return self._find(data, names, folders, os.path.isfile)

    def find_folder(self, data: Path, names: Sequence[str], folders: Sequence[str] = ("",)) -> Path:
        """The same for folders."""
        return self._find(data, names, folders, os.path.isdir)

    def seek_file(self, data: Path, names: Sequence[str], folders: Sequence[str] = ("",)) -> Path | None:
        """The same as `find_file` for a file that may be absent."""
        return next((path for path in _places(data, names, folders) if os.path.isfile(path)), None)

    def lacks(self, what: str) -> DatasetError:
        """The error that says in one sentence what is missing and where it is published."""
        return DatasetError(f"{self.title} is incomplete: {what}; it is published at {self.published}")

    def _find(self, data: Path, names: Sequence[str], folders: Sequence[str], exists: Callable[[Path], bool]) -> Path:
        for path in _places(data, names, folders):
            if exists(path):
                return path
        below = [folder for folder in folders if folder]
        also = f" nor in {', '.join(below)} below it" if below else ""
        raise self.lacks(f"there is no {' or '.join(names)} in {data}{also}")


def relative(root: Path, path: Path) -> Path:
    """The path relative to `root` where it lies below it, otherwise as it is."""
    return path.relative_to(root) if path.is_relative_to(root) else path


def _places(data: Path, names: Sequence[str], folders: Sequence[str]) -> Iterator[Path]:
    return (data / folder / name for folder in folders for name in names)
