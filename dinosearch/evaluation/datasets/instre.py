"""INSTRE with the split of Iscen et al.: 1250 queries with boxes, 27,293 database images.

The ground truth is `gnd_instre.mat` with `qimlist`, `imlist` and, for each query, the 1-based positions of the relevant
images and the box as x, y, width, height [aosokin/os2d; facebookresearch/sscd-copy-detection reads the same].
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from dinosearch.evaluation.dataset import Box, Dataset, ListedTruth, Setup
from dinosearch.evaluation.datasets.loader import Loader, relative
from dinosearch.evaluation.datasets.matlab import read_mat
from dinosearch.evaluation.datasets.reading import inside, unreadable

LARGEST = 1 << 28
"""Bytes that the ground truth may unpack to; the published file has 200 KB."""


def read(loader: Loader, data: Path) -> Dataset:
    """Read INSTRE.

    Args:
        loader: its line in the table.
        data: the folder with `gnd_instre.mat` and the folders `INSTRE-S1`, `INSTRE-S2` and `INSTRE-M`.

    Returns:
        Rows are the positions in `imlist`. Boxes are converted to left, top, right, bottom.

    Raises:
        DatasetError: a file or folder is missing or not as it should be.
    """
    path = loader.find_file(data, ["gnd_instre.mat"], ("", "instre", "INSTRE", "test_script"))
    content = read_mat(path, LARGEST)
    images, queries = _names(path, content, "imlist"), _names(path, content, "qimlist")
    entries = content.get("gnd")
    if not isinstance(entries, list) or len(entries) != len(queries):
        raise unreadable(path, f"gnd has no entry for each of the {len(queries)} queries")
    found = [_entry(path, i, entry, len(images)) for i, entry in enumerate(entries)]
    home = path.parent.parent if path.parent.name == "test_script" else path.parent
    root = loader.find_folder(home, [images[0].partition("/")[0]], ("", "images")).parent
    return Dataset(
        name=loader.name,
        title=loader.title,
        root=root,
        images=tuple(images),
        queries=tuple(queries),
        setups=(Setup("all", ListedTruth([rows for rows, _ in found]), ("mAP",)),),
        boxes=tuple(box for _, box in found),
        truth_files=(relative(root, path),),
    )


def _names(path: Path, content: dict[str, Any], key: str) -> list[str]:
    names = content.get(key)
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise unreadable(path, f"{key} is no list of names")
    return [inside(name, f"{path}, {key}") for name in names]


def _entry(path: Path, i: int, entry: Any, images: int) -> tuple[list[int], Box]:
    """Rows and box of one query, whether they are fields of a struct or two cells."""
    named = isinstance(entry, dict) and {"ok", "bbx"} <= set(entry)
    parts = [entry["ok"], entry["bbx"]] if named else entry
    if not isinstance(parts, list) or len(parts) < 2:
        raise unreadable(path, f"gnd({i + 1}) has no list of images and no box")
    rows, box = (np.asarray(part, np.float64).reshape(-1) if _is_numbers(part) else np.empty(0) for part in parts[:2])
    if not len(rows) or (rows != np.floor(rows)).any() or rows.min() < 1 or rows.max() > images:
        raise unreadable(path, f"gnd({i + 1}) names images that are not among the {images:,} of imlist")
    if len(box) != 4 or not np.isfinite(box).all() or box[2] <= 0 or box[3] <= 0:
        raise unreadable(path, f"gnd({i + 1}) has no box of x, y, width and height")
    left, top, width, height = box.tolist()
    return (rows.astype(np.int64) - 1).tolist(), (left, top, left + width, top + height)


def _is_numbers(part: Any) -> bool:
    return isinstance(part, np.ndarray) and part.dtype.kind in "iuf"
