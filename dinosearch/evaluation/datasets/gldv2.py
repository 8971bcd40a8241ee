"""Google Landmarks v2: retrieval in the index part, recognition by the train part.

Files: [cvdfoundation/google-landmark, README]; the image with the id `abc...` is `abc`'s `PART/a/b/c/abc....jpg`.
Queries whose `Usage` is `Ignored`, or whose images are `None`, are dropped [tensorflow/models,
google_landmarks_dataset/dataset_file_io.py and metrics.py].
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from dinosearch.evaluation.dataset import Dataset, ListedTruth, Recognition, Setup
from dinosearch.evaluation.datasets.loader import Loader, relative
from dinosearch.evaluation.datasets.parts import Part
from dinosearch.evaluation.datasets.reading import bad, table, unreadable, whole, words

INDEX, TEST, TRAIN = "index", "test", "train"
METADATA = ("", "metadata", "ground_truth", INDEX, TEST, TRAIN)
USAGES = ("public", "private")
IGNORED, NO_IMAGES = "ignored", "None"
_ID = re.compile(r"[0-9a-f]{16}")


def read_retrieval(loader: Loader, data: Path) -> Dataset:
    """Read GLDv2 retrieval: queries of the test part, the index part as database; setups `public` and `private`.

    Args:
        loader: its line in the table.
        data: the folder with `index` and `test`; the CSV files lie there, or in `metadata` or `ground_truth` below it.

    Raises:
        DatasetError: a file or folder is missing, or a line is bad.
    """
    for part in (INDEX, TEST):
        loader.find_folder(data, [part])
    listed = loader.find_file(data, ["index.csv", "index_image_to_landmark.csv"], METADATA)
    solution = loader.find_file(data, ["retrieval_solution_v2.1.csv"], METADATA)
    images = list(_ids(listed))
    rows = {image: row for row, image in enumerate(images)}
    queries, relevant, usages = [], [], []
    for line, image, wanted, usage in _solution(solution, "images"):
        if wanted == [NO_IMAGES]:
            continue
        unknown = [other for other in wanted if other not in rows]
        if unknown or not wanted:
            raise bad(
                solution, line, f"{unknown[0][:40]!r} is not in {listed.name}" if unknown else "no image is named"
            )
        queries.append(image)
        relevant.append([rows[other] for other in wanted])
        usages.append(usage)
    if not queries:
        raise unreadable(solution, "it has no query that counts")
    truth = ListedTruth(relevant)
    judged = {usage: {i for i, found in enumerate(usages) if found == usage} for usage in USAGES}
    return Dataset(
        name=loader.name,
        title=loader.title,
        root=data,
        images=tuple(_path(INDEX, image) for image in images),
        queries=tuple(_path(TEST, image) for image in queries),
        setups=tuple(Setup(usage, Part(truth, those), ("mAP@100",)) for usage, those in judged.items() if those),
        depth=100,
        truth_files=(relative(data, listed), relative(data, solution)),
    )


def read_recognition(loader: Loader, data: Path) -> Dataset:
    """Read GLDv2 recognition: queries of the test part, the cleaned train part (or the full one) as database.

    Args:
        loader: its line in the table.
        data: the folder with `train` and `test`; the CSV files lie there, or in `metadata` or `ground_truth` below it.

    Raises:
        DatasetError: a file or folder is missing, or a line is bad.
    """
    full = loader.name.endswith("-full")
    for part in (TRAIN, TEST):
        loader.find_folder(data, [part])
    listed = loader.find_file(data, ["train.csv" if full else "train_clean.csv"], METADATA)
    solution = loader.find_file(data, ["recognition_solution_v2.1.csv"], METADATA)
    images, labels = [], []
    for image, label in _full(listed) if full else _clean(listed):
        images.append(image)
        labels.append(label)
    found = sorted(_solution(solution, "landmarks"), key=lambda entry: entry[1])  # by id, which breaks ties of GAP
    classes = [frozenset(whole(text, solution, line) for text in wanted) for line, _, wanted, _ in found]
    for path, entries in ((listed, images), (solution, found)):
        if not entries:
            raise unreadable(path, "it lists nothing that counts")
    known = np.array(labels, np.int64)
    parts = []
    for usage in USAGES:
        chosen = [i for i, entry in enumerate(found) if entry[3] == usage]
        if chosen:
            parts.append(
                Recognition(usage, known, np.array(chosen, np.int64), tuple(classes[i] for i in chosen), "gldv2")
            )
    return Dataset(
        name=loader.name,
        title=loader.title,
        root=data,
        images=tuple(_path(TRAIN, image) for image in images),
        queries=tuple(_path(TEST, image) for _, image, _, _ in found),
        setups=(),
        recognition=tuple(parts),
        depth=1,
        truth_files=(relative(data, listed), relative(data, solution)),
        notes=(f"The database is that of {listed.name}.",),
    )


def _path(part: str, image: str) -> str:
    return f"{part}/{image[0]}/{image[1]}/{image[2]}/{image}.jpg"


def _id(text: str, path: Path, line: int) -> str:
    if not _ID.fullmatch(text):
        raise bad(path, line, f"{text[:40]!r} is no image id of 16 hexadecimal digits")
    return text


def _ids(path: Path) -> Iterator[str]:
    for line, (image,) in table(path, ("id",)):
        yield _id(image, path, line)


def _full(path: Path) -> Iterator[tuple[str, int]]:
    for line, (image, landmark) in table(path, ("id", "landmark_id")):
        yield _id(image, path, line), whole(landmark, path, line)


def _clean(path: Path) -> Iterator[tuple[str, int]]:
    # A landmark's line may be longer than a field that Python's csv module takes; nothing in this file is quoted.
    for line, (landmark, images) in words(path, 2, ","):
        if line == 1 and landmark == "landmark_id":
            continue
        for image in images.split():
            yield _id(image, path, line), whole(landmark, path, line)


def _solution(path: Path, column: str) -> Iterator[tuple[int, str, list[str], str]]:
    """Line, query, what is right for it, and `public` or `private`; ignored queries are left out."""
    for line, (image, wanted, usage) in table(path, ("id", column, "Usage")):
        usage = usage.strip().lower()
        if usage == IGNORED:
            continue
        if usage not in USAGES:
            raise bad(path, line, f"the usage is {usage[:40]!r}, not Public, Private or Ignored")
        yield line, _id(image, path, line), wanted.split(), usage
