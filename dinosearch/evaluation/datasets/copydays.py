"""Copydays: attacked copies ask for their originals.

Layout, judgement and measure are those of [facebookresearch/dino, eval_copy_detection.py]: blocks map to the originals
one to one in alphabetical order, strong attacks by the first four characters of the name; trapezoid AP of the first 20.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from dinosearch.evaluation.dataset import Dataset, ListedTruth, Setup
from dinosearch.evaluation.datasets.listing import image_files
from dinosearch.evaluation.datasets.loader import Loader
from dinosearch.evaluation.datasets.parts import Part, distractor_folder, with_distractors

ORIGINAL, STRONG = "original", "strong"
BLOCKS = (
    STRONG,
    *(f"jpegqual/{quality}" for quality in (3, 5, 8, 10, 15, 20, 30, 50, 75)),
    *(f"crops/{percent}" for percent in (10, 15, 20, 30, 40, 50, 60, 70, 80)),
)
MEASURES, DEPTH = ("mAP-trapezoid@20",), 20


def read(loader: Loader, data: Path, *, distractors: Path | None = None) -> Dataset:
    """Read Copydays; attacks whose folder is absent are left out.

    Args:
        loader: its line in the table.
        data: the folder with `original`, `strong`, `jpegqual` and `crops`.
        distractors: a folder of images that are appended to the database as negatives; DINO takes 10,000 of YFCC100M.

    Raises:
        DatasetError: the originals or all attacks are missing, or a block has another number of images than there are
            originals.
    """
    root = loader.find_folder(data, [ORIGINAL], ("", "copydays")).parent
    images = image_files(root, ORIGINAL, deep=False)
    blocks = {block: image_files(root, block, deep=False) for block in BLOCKS if (root / block).is_dir()}
    if not images or not any(blocks.values()):
        raise loader.lacks(f"there are no images in {ORIGINAL}, or none in {', '.join(BLOCKS)} of {root}")
    by_prefix: dict[str, list[int]] = {}
    for row, name in enumerate(images):
        by_prefix.setdefault(PurePosixPath(name).name[:4], []).append(row)
    queries: list[str] = []
    relevant: list[list[int]] = []
    positions = {}
    for block, names in blocks.items():
        if block == STRONG:
            relevant += [by_prefix.get(PurePosixPath(name).name[:4], []) for name in names]
        elif len(names) == len(images):
            relevant += [[row] for row in range(len(images))]
        else:
            raise loader.lacks(f"{root / block} has {len(names)} images for {len(images)} originals")
        positions[block] = range(len(queries), len(queries) + len(names))
        queries += names
    truth = ListedTruth(relevant)
    absent = [block for block in BLOCKS if block not in blocks]
    dataset = Dataset(
        name=loader.name,
        title=loader.title,
        root=root,
        images=tuple(images),
        queries=tuple(queries),
        setups=tuple(Setup(block, Part(truth, judged), MEASURES) for block, judged in positions.items()),
        depth=DEPTH,
        notes=(f"Attacks that are not here are left out: {', '.join(absent)}.",) if absent else (),
    )
    if distractors is None:
        return dataset
    folder = distractor_folder(loader, data, distractors)
    return with_distractors(dataset, folder, image_files(folder))
