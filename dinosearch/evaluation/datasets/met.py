"""The Met: museum visitors' photos ask for the exhibit among the museum's own photos.

Files: [nikosips/met, code/utils/datasets.py, code/examples/knn_eval.py]: JSON lists of `{id, path}` for the database
and `{path, MET_id}` for queries; a query without `MET_id` is a distractor. Paths are relative to `images`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from dinosearch.evaluation.dataset import Dataset, Recognition
from dinosearch.evaluation.datasets.loader import Loader, relative
from dinosearch.evaluation.datasets.reading import inside, read_json, unreadable

GROUND_TRUTH, IMAGES = "ground_truth", "images"
DATABASES = {"met": "MET_database.json", "mini-met": "mini_MET_database.json"}
DEPTH = 50
"""The largest number of neighbours that the official code tries on the validation part."""


def read(loader: Loader, data: Path) -> Dataset:
    """Read met, or mini-met with its smaller database: the test part, and the validation part to choose settings on.

    Args:
        loader: its line in the table.
        data: the folder with `images` and `ground_truth`, or one that holds it.

    Returns:
        Queries are the test part, then the validation part.

    Raises:
        DatasetError: a file or folder is missing or not as it should be.
    """
    root = loader.find_folder(data, [IMAGES], ("", "met", "MET")).parent
    files = [
        loader.find_file(root, [name], (GROUND_TRUTH, ""))
        for name in (DATABASES[loader.name], "testset.json", "valset.json")
    ]
    database, test, val = (_entries(path) for path in files)
    images, labels = [], []
    for i, entry in enumerate(database):
        images.append(_name(files[0], i, entry))
        labels.append(_label(files[0], i, entry, "id"))
    known = np.array(labels, np.int64)
    queries = [
        _name(path, i, entry) for path, part in zip(files[1:], (test, val), strict=True) for i, entry in enumerate(part)
    ]
    tuning = Recognition("val", known, np.arange(len(test), len(queries)), _truth(files[2], val), "met")
    return Dataset(
        name=loader.name,
        title=loader.title,
        root=root,
        images=tuple(images),
        queries=tuple(queries),
        setups=(),
        recognition=(Recognition("test", known, np.arange(len(test)), _truth(files[1], test), "met", tuning),),
        depth=DEPTH,
        truth_files=tuple(relative(root, path) for path in files),
    )


def _entries(path: Path) -> list[dict[str, Any]]:
    entries = read_json(path)
    if not isinstance(entries, list) or not entries or not all(isinstance(entry, dict) for entry in entries):
        raise unreadable(path, "it is no list of objects")
    return entries


def _name(path: Path, i: int, entry: dict[str, Any]) -> str:
    name = entry.get("path")
    if not isinstance(name, str):
        raise unreadable(path, f"entry {i} has no path")
    return f"{IMAGES}/{inside(name, f'{path}, entry {i}')}"


def _label(path: Path, i: int, entry: dict[str, Any], key: str) -> int:
    label = entry.get(key)
    if isinstance(label, str) and label.isascii() and label.isdigit() and len(label) < 19:
        label = int(label)
    if type(label) is not int or not 0 <= label < 1 << 62:
        raise unreadable(path, f"entry {i} has no number {key}")
    return label


def _truth(path: Path, part: list[dict[str, Any]]) -> tuple[frozenset[int], ...]:
    return tuple(
        frozenset({_label(path, i, entry, "MET_id")} if "MET_id" in entry else ()) for i, entry in enumerate(part)
    )
