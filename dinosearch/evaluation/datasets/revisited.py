"""Revisited Oxford and Paris, optionally with the 1M distractors.

Files, judgements and figures: [filipradenovic/revisitop, python/dataset.py, evaluate.py]. The second folder layout is
that of [naver/deep-image-retrieval], which keeps the file among the classic data set's images.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dinosearch.evaluation.dataset import Dataset, ListedTruth, Setup
from dinosearch.evaluation.datasets.listing import with_suffixes
from dinosearch.evaluation.datasets.loader import Loader, relative
from dinosearch.evaluation.datasets.parts import distractor_folder, with_distractors
from dinosearch.evaluation.datasets.pickles import read_ground_truth
from dinosearch.evaluation.datasets.reading import inside, lines

MEASURES = ("mAP", "mP@1", "mP@5", "mP@10")

SETUPS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "easy": (("easy",), ("junk", "hard")),
    "medium": (("easy", "hard"), ("junk",)),
    "hard": (("hard",), ("junk", "easy")),
}
"""Relevant and junk of each setup, in the terms of the file."""

FOLDERS = {"roxford5k": ("roxford5k", "oxford5k"), "rparis6k": ("rparis6k", "paris6k")}
"""Folders that hold the ground truth and `jpg`; the second one in dirtorch's layout."""

DISTRACTORS = "revisitop1m"


def read(loader: Loader, data: Path, *, distractors: Path | None = None) -> Dataset:
    """Read roxford5k or rparis6k.

    Args:
        loader: its line in the table.
        data: the data set's folder, or one that holds it, also under `datasets`.
        distractors: the folder with `revisitop1m.txt` and `jpg`, or the name of one below or beside the data folder;
            its images are appended to the database as negatives.

    Returns:
        Rows are the indices of the official file. Boxes are in the coordinates of PIL's crop.

    Raises:
        DatasetError: a file or folder is missing or not as it should be.
    """
    own = FOLDERS[loader.name]
    where = ("", *own, *(f"datasets/{folder}" for folder in own))
    path = loader.find_file(data, [f"gnd_{loader.name}.pkl"], where)
    root = path.parent
    loader.find_folder(root, ["jpg"])
    truth = read_ground_truth(path, ("easy", "hard", "junk"))
    dataset = Dataset(
        name=loader.name,
        title=loader.title,
        root=root,
        images=with_suffixes(root, "jpg", truth.images),
        queries=with_suffixes(root, "jpg", truth.queries),
        setups=tuple(
            Setup(name, ListedTruth(_union(truth.rows, relevant), _union(truth.rows, junk)), MEASURES)
            for name, (relevant, junk) in SETUPS.items()
        ),
        boxes=tuple(truth.boxes),
        truth_files=(relative(root, path),),
    )
    if distractors is None:
        return dataset
    folder = distractor_folder(loader, data, distractors)
    listed = loader.find_file(folder, [f"{DISTRACTORS}.txt"], ("", DISTRACTORS))
    loader.find_folder(listed.parent, ["jpg"])
    names = [f"jpg/{inside(name, f'{listed}, line {line}')}" for line, name in lines(listed)]
    return with_distractors(dataset, listed.parent, names)


def _union(rows: dict[str, list[list[int]]], kinds: Sequence[str]) -> list[list[int]]:
    return [sum(lists, []) for lists in zip(*(rows[kind] for kind in kinds), strict=True)]
