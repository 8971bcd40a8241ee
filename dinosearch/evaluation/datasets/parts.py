"""A ground truth that is judged for some of the queries, and database images that are appended as negatives."""

from __future__ import annotations

import os
from collections.abc import Container, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from dinosearch.errors import DatasetError
from dinosearch.evaluation.dataset import NO_ROWS, Dataset, Judgement, Truth
from dinosearch.evaluation.datasets.loader import Loader


class Part:
    """The judgements of some queries; to the others nothing is relevant, so that they are left out of the means.

    Args:
        truth: the judgements of all queries.
        queries: positions of those that are judged.
    """

    def __init__(self, truth: Truth, queries: Container[int]) -> None:
        self._truth, self._queries = truth, queries

    def __len__(self) -> int:
        return len(self._truth)

    def __getitem__(self, query: int) -> Judgement:
        return self._truth[query] if query in self._queries else Judgement(NO_ROWS)


def distractor_folder(loader: Loader, data: Path, asked: Path, beside: Sequence[str] = ("", "datasets")) -> Path:
    """The folder of distractors: a path as it stands, or a name that is looked for below and beside the data folder.

    Args:
        loader: the data set, for the error.
        data: the data folder.
        asked: what the user names, such as `revisitop1m`.
        beside: folders below `data` to look in.

    Raises:
        DatasetError: there is none.
    """
    places = [Path(os.path.abspath(asked)), *(data / folder / asked for folder in beside), data.parent / asked]
    for place in places:
        if place.is_dir():
            return place
    raise DatasetError(
        f"the distractors {asked} for {loader.title} are no folder here, in {data} or beside it; give their path, or"
        " leave the distractors out"
    )


def with_distractors(dataset: Dataset, folder: Path, names: Iterable[str]) -> Dataset:
    """Append images of another folder to the database; they are relevant to nothing.

    Args:
        dataset: the data set.
        folder: absolute path.
        names: posix paths of the distractors relative to it.

    Returns:
        The data set with the folder that both lie in as its root and all names relative to that.

    Raises:
        DatasetError: there are no names, or the two lie on different drives.
    """
    try:
        root = Path(os.path.commonpath([dataset.root, folder]))
    except ValueError:
        raise DatasetError(f"{folder} and {dataset.root} lie on different drives; move one to the other") from None
    own, other = _prefix(root, dataset.root), _prefix(root, folder)
    more = [other + name for name in names]
    if not more:
        raise DatasetError(f"{folder} has no images to add to {dataset.title}; name another folder, or leave it out")
    return replace(
        dataset,
        root=root,
        images=(*(own + name for name in dataset.images), *more),
        queries=tuple(own + name for name in dataset.queries),
        truth_files=tuple(Path(own) / path for path in dataset.truth_files),
        notes=(*dataset.notes, f"{len(more):,} distractors from {folder.name} are in the database."),
    )


def _prefix(root: Path, folder: Path) -> str:
    relative = folder.relative_to(root).as_posix()
    return "" if relative == "." else f"{relative}/"
