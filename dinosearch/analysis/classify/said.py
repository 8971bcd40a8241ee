"""What people say that images are: a folder of class folders, or a table of images and labels, found in a collection.

Images that are not in the collection are examples all the same: their vectors are made and vote, they get no tag.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dinosearch.analysis.classify.examples import Examples, read_examples
from dinosearch.collection import Collection
from dinosearch.errors import DatasetError

_IMAGES = ("id", "path", "image", "file")
_LABELS = ("label", "class", "category")
_TABLES = (".csv", ".tsv", ".jsonl")


@dataclass(frozen=True)
class Said:
    """Labels of a person, sorted by where their images are.

    Attributes:
        ids: (n,) int64 images of the collection.
        labels: what they are called.
        outside: images that are not in the collection; None where there are none.
        missing: what names no image at all.
        contradicted: images that were given two labels, which are left out.
    """

    ids: np.ndarray
    labels: tuple[str, ...]
    outside: Examples | None = None
    missing: tuple[str, ...] = ()
    contradicted: int = 0


def read_said(source: str | os.PathLike[str], collection: Collection) -> Said:
    """Read who is what, and find the images in the collection, by path and else by content.

    Args:
        source: a folder with a sub-folder for each label; a list of Food-101; or a table of images and labels: .csv or
            .tsv with a column `path` or `id` and a column `label`, or .jsonl with such names.
        collection: where the images are looked for.

    Raises:
        DatasetError: it is not there, or not as it should be.
    """
    path = Path(os.path.abspath(os.path.expanduser(source)))
    if path.suffix.lower() in _TABLES and not path.is_dir():
        pairs = list(_rows(path))
    else:
        examples = read_examples(path)
        pairs = list(zip(examples.names, examples.labels, strict=True))
    return _found(pairs, str(path), collection)


def _found(pairs: Sequence[tuple[str, str]], source: str, collection: Collection) -> Said:
    by_name = collection.ids_of([name for name, _ in pairs], by_content=True)
    inside: dict[int, str] = {}
    outside: dict[str, str] = {}
    contradicted: set[int] = set()
    missing: list[str] = []
    for name, label in pairs:
        number = by_name.get(name)
        if number is not None:
            if inside.setdefault(number, label) != label:
                contradicted.add(number)
        elif not name.startswith("id:") and os.path.isfile(name):
            outside[name] = label
        else:
            missing.append(name)
    for number in contradicted:
        del inside[number]
    examples = None
    if outside:
        roots = tuple(sorted(outside))
        examples = Examples(source, tuple(outside), tuple(outside.values()), roots)
    ids = np.fromiter(inside, np.int64, len(inside))
    return Said(ids, tuple(inside.values()), examples, tuple(missing), len(contradicted))


def _rows(path: Path) -> Iterator[tuple[str, str]]:
    """Each image, as a path or `id:N`, with its label."""
    try:
        lines = path.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
        if path.suffix.lower() == ".jsonl":
            rows: list[dict[str, Any]] = [json.loads(line) for line in lines if line.strip()]
        else:
            rows = list(csv.DictReader(lines, delimiter="\t" if path.suffix.lower() == ".tsv" else ","))
    except (OSError, ValueError, csv.Error, RecursionError) as error:
        raise DatasetError(f"{path} cannot be read as a table of images and labels ({error})") from None
    for number, row in enumerate(rows, start=1):
        image, label = (_cell(row, names) for names in (_IMAGES, _LABELS))
        if image is None or label is None:
            raise DatasetError(
                f"{path} has no path or id, or no label, in its entry {number}; name the columns so in its first line"
            )
        yield _named(image, path.parent), label


def _cell(row: Any, names: Sequence[str]) -> str | None:
    if not isinstance(row, dict):
        return None
    found = {str(key).strip().lower(): value for key, value in row.items() if value not in (None, "")}
    name = next((name for name in names if name in found), None)
    if name is None:
        return None
    text = str(found[name]).strip()
    return f"id:{text}" if name == "id" and text.isdecimal() else text or None


def _named(image: str, folder: Path) -> str:
    """Paths are absolute, or relative to the table."""
    if image.startswith("id:") and image[3:].isdecimal():
        return image
    return os.path.abspath(os.path.join(folder, os.path.expanduser(image)))
