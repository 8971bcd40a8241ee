"""Names of image files on disk, and which images of a data set are not there; it opens no image."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from dinosearch.errors import DatasetError
from dinosearch.evaluation.dataset import Dataset
from dinosearch.images import is_member
from dinosearch.images.finding.find import IMAGE_SUFFIXES, error_clause, is_hidden


def image_files(root: Path, folder: str = "", deep: bool = True) -> list[str]:
    """The image files in a folder, known by their suffix; hidden ones (and with them AppleDouble's) are left out.

    Args:
        root: what the names are relative to.
        folder: posix path of the folder below `root`; empty for `root` itself. It may be a symbolic link, links to
            folders below it are not followed.
        deep: look into the folders below it, too.

    Returns:
        Posix paths relative to `root`, ascending.

    Raises:
        DatasetError: a folder cannot be listed.
    """
    found, waiting = [], [folder]
    while waiting:
        current = waiting.pop()
        for entry in _visible(root / current):
            name = f"{current}/{entry.name}" if current else entry.name
            if entry.name.lower().endswith(IMAGE_SUFFIXES) and not entry.is_dir():
                found.append(name)
            elif deep and entry.is_dir(follow_symlinks=False):
                waiting.append(name)
    return sorted(found)


def folders(root: Path, folder: str = "") -> list[str]:
    """Names of the visible folders directly in a folder, ascending; symbolic links to folders are among them."""
    return sorted(entry.name for entry in _visible(root / folder) if entry.is_dir())


def with_suffixes(root: Path, folder: str, stems: Iterable[str]) -> tuple[str, ...]:
    """Complete names that a list gives without suffix, by one look at the folder.

    Returns:
        `folder/stem.suffix` for each stem, with the suffix on disk in whatever case; `.jpg` where no file is.
    """
    known = {os.path.splitext(name)[0]: name for name in reversed(image_files(root / folder, deep=False))}
    return tuple(f"{folder}/{known.get(stem, stem + '.jpg')}" for stem in stems)


def missing_images(dataset: Dataset) -> tuple[str, ...]:
    """Names of database and query images that are not on disk, in the order of the data set.

    Each folder is listed once and no file is opened; a member of a tar file is there when the tar file is.
    """
    listed: dict[str, set[str]] = {}
    missing = []
    for name in dict.fromkeys((*dataset.images, *dataset.queries)):
        folder, _, file = (name.partition("::")[0] if is_member(name) else name).rpartition("/")
        if folder not in listed:
            listed[folder] = _names(dataset.root / folder)
        if file not in listed[folder]:
            missing.append(name)
    return tuple(missing)


def _visible(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return [entry for entry in entries if not is_hidden(entry.name)]
    except OSError as error:
        raise DatasetError(f"{folder} cannot be listed: {error_clause(error)}") from None


def _names(folder: Path) -> set[str]:
    try:
        return set(os.listdir(folder))
    except OSError:
        return set()
