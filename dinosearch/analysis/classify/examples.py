"""Images or vectors with their classes: folders of class folders, the lists of Food-101, and .npy files with labels."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from dinosearch.errors import DatasetError
from dinosearch.images import scan
from dinosearch.records import FoundFile

_LISTS = (".txt", ".json")
_COLUMNS = ("label", "class", "category")
"""What the column of labels may be called in a table."""


@dataclass(frozen=True)
class Examples:
    """Named things with their classes.

    Attributes:
        source: what they were read from.
        names: absolute paths of images, or rows of a file of vectors.
        labels: the class of each.
        roots: folders and files to index so that all images are known.
        vectors: (n, dimension) float32 of unit length where they are given; else None.
    """

    source: str
    names: tuple[str, ...]
    labels: tuple[str, ...]
    roots: tuple[str, ...] = ()
    vectors: np.ndarray | None = None

    @property
    def classes(self) -> list[str]:
        """The distinct labels in order."""
        return sorted(set(self.labels))


def read_examples(source: str | os.PathLike[str], labels: str | os.PathLike[str] | None = None) -> Examples:
    """Read examples.

    Args:
        source: a folder with a sub-folder for each class; a list of Food-101 (`meta/train.txt` or `.json`, whose images
            lie in `images` beside `meta`); or a .npy file of vectors (n, dimension).
        labels: for a .npy file: a text file with a label in each line, a .csv or .tsv table with a column `label` or
            `class`, or a .npy file.

    Raises:
        DatasetError: it is not there, or not as it should be.
    """
    path = Path(os.path.abspath(os.path.expanduser(source)))
    if path.suffix.lower() == ".npy":
        return _of_vectors(path, labels)
    if labels is not None:
        raise DatasetError(f"{path} has its labels in itself; labels are given for .npy files only")
    if path.is_dir():
        return _of_folder(path)
    if path.is_file() and path.suffix.lower() in _LISTS:
        return _of_list(path)
    raise DatasetError(
        f"{path} is no folder of class folders, no list such as meta/train.txt and no .npy file; name one of these"
    )


def food101(folder: str | os.PathLike[str]) -> tuple[Path, Path] | None:
    """The two lists of a folder like Food-101, with `meta` and `images`; None for any other."""
    meta = Path(os.path.abspath(os.path.expanduser(folder))) / "meta"
    for suffix in reversed(_LISTS):
        lists = meta / f"train{suffix}", meta / f"test{suffix}"
        if all(path.is_file() for path in lists):
            return lists
    return None


def _of_folder(folder: Path) -> Examples:
    found: list[tuple[str, str]] = []
    for file in scan(str(folder)):
        if isinstance(file, FoundFile):
            parts = Path(file.path).relative_to(folder).parts
            if len(parts) > 1:
                found.append((file.path, parts[0]))
    if not found:
        raise DatasetError(f"{folder} has no class folders with images in them; name a folder with one for each class")
    roots = tuple(str(folder / label) for label in sorted({label for _, label in found}))
    return Examples(str(folder), tuple(path for path, _ in found), tuple(label for _, label in found), roots)


def _of_list(path: Path) -> Examples:
    images = path.parent.parent / "images"
    if not images.is_dir():
        raise DatasetError(f"{path} lists images of {images}, which is not there; unpack the data set as it came")
    found = []
    for line in _lines(path):
        name = PurePosixPath(line)
        if name.is_absolute() or ".." in name.parts or len(name.parts) < 2 or "\0" in line:
            raise DatasetError(f"{path} names {line[:60]!r}, which is no CLASS/IMAGE; take the list as it came")
        file = images.joinpath(*name.parts)
        found.append((str(file if name.suffix else file.with_name(f"{file.name}.jpg")), name.parts[0]))
    if not found:
        raise DatasetError(f"{path} lists nothing; take the list as it came")
    roots = tuple(str(images / label) for label in sorted({label for _, label in found}))
    return Examples(str(path), tuple(file for file, _ in found), tuple(label for _, label in found), roots)


def _lines(path: Path) -> Iterator[str]:
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix.lower() != ".json":
            yield from (line.strip() for line in text.splitlines() if line.strip())
            return
        for names in json.loads(text).values():
            for name in names:
                yield str(name)
    except (OSError, ValueError, AttributeError, TypeError, RecursionError) as error:
        raise DatasetError(f"{path} cannot be read as a list of images ({error}); take it as it came") from None


def _of_vectors(path: Path, labels: str | os.PathLike[str] | None) -> Examples:
    if labels is None:
        raise DatasetError(f"{path} has no labels; name a file with one for each vector: --labels FILE")
    vectors = _matrix(path)
    found = _labels(Path(labels).expanduser())
    if len(found) != len(vectors):
        raise DatasetError(
            f"{path} has {len(vectors):,} vectors, and {labels} {len(found):,} labels; give one for each"
        )
    names = tuple(f"{path.name}[{row}]" for row in range(len(vectors)))
    return Examples(str(path), names, tuple(found), (), vectors)


def _matrix(path: Path) -> np.ndarray:
    try:
        loaded = np.load(path, allow_pickle=False)
        if loaded.ndim != 2 or not len(loaded) or loaded.dtype.kind != "f":
            raise ValueError("it holds no rows of real numbers")
        vectors = loaded.astype(np.float32)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        if not (np.isfinite(lengths).all() and (lengths > 0).all()):
            raise ValueError("a row is zero or not finite")
    except (OSError, ValueError, EOFError) as error:
        raise DatasetError(f"{path} cannot be read as vectors ({error}); save them with numpy.save") from None
    return np.asarray(vectors / lengths)


def _labels(path: Path) -> list[str]:
    try:
        if path.suffix.lower() == ".npy":
            return [str(label) for label in np.load(path, allow_pickle=False).ravel().tolist()]
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError, EOFError) as error:
        raise DatasetError(f"{path} cannot be read as labels ({error}); give a label in each line") from None
    rows = list(csv.reader(lines, delimiter="\t" if path.suffix.lower() == ".tsv" else ","))
    return _column(rows, path) if path.suffix.lower() in (".csv", ".tsv") else [line.strip() for line in lines if line]


def _column(rows: Sequence[Sequence[str]], path: Path) -> list[str]:
    head = [cell.strip().lower() for cell in rows[0]] if rows else []
    place = next((head.index(name) for name in _COLUMNS if name in head), None)
    if place is None:
        raise DatasetError(f"{path} has no column called {' or '.join(_COLUMNS)}; name one so in its first line")
    try:
        return [row[place].strip() for row in rows[1:] if row]
    except IndexError:
        raise DatasetError(f"{path} has a line without a {head[place]}; give one in each line") from None
