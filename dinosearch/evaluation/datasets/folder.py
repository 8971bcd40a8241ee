"""People's own photos: a folder of class folders, or a CSV file of `path,label`. Every image asks, itself taken out."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from dinosearch.errors import DatasetError
from dinosearch.evaluation.dataset import Dataset, LabelTruth, Setup
from dinosearch.evaluation.datasets.listing import folders, image_files
from dinosearch.evaluation.datasets.loader import Loader
from dinosearch.evaluation.datasets.reading import bad, inside, table

MEASURES = ("mAP-rectangular", "hit@1", "hit@5", "P@5", "P@10", "recall@10")


def read(loader: Loader, data: Path) -> Dataset:
    """Read class folders, whose names are the labels, or a CSV file with the columns `path` and `label`.

    Images lie anywhere below their class folder; hidden files and folders are left out. Paths in a CSV file are
    relative to its folder.

    Args:
        loader: its line in the table.
        data: the folder or the file.

    Raises:
        DatasetError: there are no class folders, a line is bad, or no label has two images.
    """
    root, truth_files = (data.parent, (Path(data.name),)) if data.is_file() else (data, ())
    labels = _from_csv(data) if data.is_file() else _from_folders(data)
    if max(Counter(labels.values()).values(), default=0) < 2:
        raise DatasetError(
            f"no label in {data} has two images, so that no query has an answer; put the images of one thing into one"
            " folder, or name them with the same label in a CSV file of path,label"
        )
    given = list(labels.values())
    notes = []
    if beside := 0 if data.is_file() else len(image_files(data, deep=False)):
        notes.append(f"{beside:,} images that lie in no class folder are left out.")
    if alone := sum(count == 1 for count in Counter(given).values()):
        notes.append(f"{alone:,} labels have one image only; it asks for nothing but may be a wrong answer.")
    return Dataset(
        name=loader.name,
        title=f"{data.name} ({len(set(given)):,} labels)",
        root=root,
        images=tuple(labels),
        queries=tuple(labels),
        setups=(Setup("all", LabelTruth(given, given, range(len(given))), MEASURES),),
        truth_files=truth_files,
        notes=tuple(notes),
    )


def _from_folders(root: Path) -> dict[str, str]:
    return {name: label for label in folders(root) for name in image_files(root, label)}


def _from_csv(path: Path) -> dict[str, str]:
    labels: dict[str, str] = {}
    for line, (name, label) in table(path, ("path", "label")):
        known = inside(name.strip(), f"{path}, line {line}")
        if not label.strip():
            raise bad(path, line, "the label is empty")
        if known in labels:
            raise bad(path, line, f"{known[:60]!r} is named a second time")
        labels[known] = label.strip()
    return labels
