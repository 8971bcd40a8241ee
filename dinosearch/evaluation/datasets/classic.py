"""Oxford5k and Paris6k with their first ground truth, from the text files or from cnnimageretrieval's pickle.

Each of the 55 queries has text files `<name>_{query,good,ok,junk}.txt`; good and ok are relevant, junk is taken out of
the ranking; the query image stays in the database and is one of the relevant ones [oxbuildings and parisbuildings,
compute_ap; in Paris's files it stands in all 55 lists of ok images]. The pickle has the keys of the Revisited one with
`ok` and `junk` [filipradenovic/cnnimageretrieval-pytorch, testdataset.py].
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from dinosearch.evaluation.dataset import Box, Dataset, ListedTruth, Setup
from dinosearch.evaluation.datasets.listing import folders, image_files, with_suffixes
from dinosearch.evaluation.datasets.loader import Loader, relative
from dinosearch.evaluation.datasets.pickles import read_ground_truth
from dinosearch.evaluation.datasets.reading import bad, inside, lines, number, words

FIRST = {"oxford5k": "all_souls_1", "paris6k": "defense_1"}
"""A query by which the text files of the one are told from those of the other."""

IMAGES = ("jpg", "images", "oxbuild_images", "oxbuild_images-v1", "paris")
OXFORD_PREFIX = "oxc1_"
QUERY = "_query.txt"


def read(loader: Loader, data: Path) -> Dataset:
    """Read oxford5k or paris6k.

    Args:
        loader: its line in the table.
        data: the data set's folder, or one that holds it, also under `datasets`. The text files lie in it or in a
            folder below it; they are taken before the pickle.

    Returns:
        With text files the rows are the images in alphabetical order; with the pickle, its order.

    Raises:
        DatasetError: a file or folder is missing or not as it should be.
    """
    pickle, first = f"gnd_{loader.name}.pkl", FIRST[loader.name] + QUERY
    homes = [data / folder for folder in ("", loader.name, f"datasets/{loader.name}")]
    for home in homes:
        if not home.is_dir():
            continue
        for folder in (home, *(home / name for name in folders(home))):
            if (folder / first).is_file():
                return _from_text(loader, home if folder == home or _has_images(home) else folder, folder)
        if (home / pickle).is_file():
            return _from_pickle(loader, home, home / pickle)
    raise loader.lacks(f"there is neither {first} nor {pickle} in {data}, a folder below it or datasets/{loader.name}")


def _from_text(loader: Loader, root: Path, folder: Path) -> Dataset:
    images_folder = loader.find_folder(root, IMAGES).name
    files = image_files(root, images_folder)
    names = {PurePosixPath(name).stem: name for name in reversed(files)}
    queries: list[str] = []
    boxes: list[Box] = []
    relevant: list[list[str]] = []
    junk: list[list[str]] = []

    def known(stem: str) -> str:
        # what the ground truth names is in the database even where the file is missing, so that it can be reported
        return names.setdefault(stem, f"{images_folder}/{stem}.jpg")

    truth_files = []
    for path in sorted(folder / name for name in os.listdir(folder) if name.endswith(QUERY) and name[0] != "."):
        query, box = _query(path)
        lists = {
            kind: path.with_name(path.name.removesuffix(QUERY) + f"_{kind}.txt") for kind in ("good", "ok", "junk")
        }
        for other in lists.values():
            loader.find_file(folder, [other.name])
        queries.append(known(query))
        boxes.append(box)
        relevant.append([known(stem) for kind in ("good", "ok") for stem in _stems(lists[kind])])
        junk.append([known(stem) for stem in _stems(lists["junk"])])
        truth_files += [path, *lists.values()]
    images = sorted(names.values())
    rows = {name: row for row, name in enumerate(images)}
    truth = ListedTruth(_rows(rows, relevant), _rows(rows, junk))
    return _dataset(loader, root, images, queries, truth, boxes, truth_files)


def _from_pickle(loader: Loader, root: Path, path: Path) -> Dataset:
    folder = loader.find_folder(root, IMAGES).name
    found = read_ground_truth(path, ("ok", "junk"))
    truth = ListedTruth(found.rows["ok"], found.rows["junk"])
    images, queries = (list(with_suffixes(root, folder, stems)) for stems in (found.images, found.queries))
    return _dataset(loader, root, images, queries, truth, found.boxes, [path])


def _dataset(
    loader: Loader,
    root: Path,
    images: list[str],
    queries: list[str],
    truth: ListedTruth,
    boxes: list[Box],
    truth_files: list[Path],
) -> Dataset:
    return Dataset(
        name=loader.name,
        title=loader.title,
        root=root,
        images=tuple(images),
        queries=tuple(queries),
        setups=(Setup("all", truth, ("mAP",)),),
        boxes=tuple(boxes),
        truth_files=tuple(relative(root, path) for path in truth_files),
    )


def _query(path: Path) -> tuple[str, Box]:
    found = list(words(path, 5))
    if len(found) != 1:
        raise bad(path, 1, f"one line with a name and a box is expected, {len(found)} found")
    line, (name, *edges) = found[0]
    left, top, right, bottom = (number(edge, path, line) for edge in edges)
    if left >= right or top >= bottom:
        raise bad(path, line, "the box is empty")
    return inside(name.removeprefix(OXFORD_PREFIX), f"{path}, line {line}"), (left, top, right, bottom)


def _rows(rows: dict[str, int], lists: list[list[str]]) -> list[list[int]]:
    return [[rows[name] for name in names] for names in lists]


def _stems(path: Path) -> Iterator[str]:
    return (inside(name, f"{path}, line {line}") for line, name in lines(path))


def _has_images(folder: Path) -> bool:
    return any((folder / name).is_dir() for name in IMAGES)
