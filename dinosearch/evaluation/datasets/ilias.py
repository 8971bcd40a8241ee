"""ILIAS and mini-ILIAS: clean photos of a thousand objects ask for photos of them in clutter.

Layout: [ilias-vrg/ilias, download/README.md]. Queries and positives are the sorted ids of `image_ids`, the object is
the first part of an id, boxes are `x y width height` lines, of which the official crop takes the hull, in pixels of the
upright image; AP of the first 1000 [evaluation/src/dataset.py, feature_extraction/src/datasets/generators.py].
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from dinosearch.evaluation.dataset import Box, Dataset, LabelTruth, Setup
from dinosearch.evaluation.datasets.listing import image_files
from dinosearch.evaluation.datasets.loader import Loader, relative
from dinosearch.evaluation.datasets.reading import bad, inside, lines, number, unreadable, words
from dinosearch.images import is_archive, scan_tar, split_member
from dinosearch.records import Problem

CORE, IDS, DISTRACTORS = "ilias_core", "image_ids", "yfcc100m"
MINI_IDS = "mini_ilias_yfcc100m_ids.txt"
MEASURES, DEPTH = ("mAP@1000",), 1000


def read(loader: Loader, data: Path) -> Dataset:
    """Read ilias or mini-ilias with the distractors that are there.

    Args:
        loader: its line in the table.
        data: the folder with `ilias_core`, `image_ids` and, if any, `yfcc100m` with the published tar files or with
            images.

    Returns:
        Positives first, then distractors; members of tar files as `yfcc100m/NAME.tar::MEMBER`.

    Raises:
        DatasetError: a file or folder is missing, a line is bad, or a tar file is damaged.
    """
    root = loader.find_folder(data, [CORE], ("", "ilias")).parent
    files = [loader.find_file(root, [f"{kind}_ids.txt"], (IDS, "")) for kind in ("image_query", "positive")]
    queries, images = (_ids(path) for path in files)
    if loader.name == "mini-ilias":
        files.append(loader.find_file(root, [MINI_IDS], (IDS, "")))
    names, notes = _distractors(root, files[2:])
    boxes = tuple(_box(root / CORE / query) for query in queries)
    if unboxed := sum(box is None for box in boxes):
        notes.append(f"{unboxed:,} queries have no box here and are asked whole.")
    return Dataset(
        name=loader.name,
        title=loader.title,
        root=root,
        images=(*(f"{CORE}/{image}" for image in images), *names),
        queries=tuple(f"{CORE}/{query}" for query in queries),
        setups=(Setup("all", LabelTruth(_objects(images), _objects(queries)), MEASURES),),
        boxes=boxes,
        depth=DEPTH,
        truth_files=tuple(relative(root, path) for path in files),
        notes=tuple(notes),
    )


def _ids(path: Path) -> list[str]:
    """The first field of each line, in the official order, with its suffix."""
    found = []
    for line, text in lines(path):
        name = inside(text.partition(",")[0].strip(), f"{path}, line {line}")
        if name.count("/") != 2:
            raise bad(path, line, f"{name[:60]!r} is no OBJECT/query/IMAGE or OBJECT/pos/IMAGE")
        found.append(name if PurePosixPath(name).suffix else f"{name}.jpg")
    if not found:
        raise unreadable(path, "it lists nothing")
    return sorted(found)


def _objects(names: list[str]) -> list[str]:
    return [name.partition("/")[0] for name in names]


def _box(image: Path) -> Box | None:
    """The hull of the boxes beside a query image; None where there is no file."""
    path = image.with_name(f"{image.stem}_bbox.txt")
    if not path.is_file():
        return None
    boxes = []
    for line, fields in words(path, 4):
        left, top, width, height = (number(field, path, line) for field in fields)
        if width <= 0 or height <= 0:
            raise bad(path, line, "the box is empty")
        boxes.append((left, top, left + width, top + height))
    if not boxes:
        raise unreadable(path, "it has no box")
    lefts, tops, rights, bottoms = zip(*boxes, strict=True)
    return min(lefts), min(tops), max(rights), max(bottoms)


def _distractors(root: Path, chosen: list[Path]) -> tuple[list[str], list[str]]:
    """Names of the distractors that are there, and what is to be said of them.

    Args:
        root: the folder with `yfcc100m`.
        chosen: the file with the ids of mini-ILIAS, or nothing for all.
    """
    names: list[str] = []
    if (root / DISTRACTORS).is_dir():
        names = [*image_files(root, DISTRACTORS), *_members(root)]
    if not chosen:
        return names, [f"Of the 100 million distractors {len(names):,} are here; the official figures have all."]
    wanted = {text for _, text in lines(chosen[0])}
    names = [name for name in names if PurePosixPath(name).stem in wanted]
    if len(names) == len(wanted):
        return names, []
    return names, [f"Of the {len(wanted):,} distractors {len(names):,} are here; the official figures have all."]


def _members(root: Path) -> Iterator[str]:
    for archive in sorted(path for path in (root / DISTRACTORS).iterdir() if is_archive(path.name)):
        for found in scan_tar(str(archive)):
            if isinstance(found, Problem):
                raise unreadable(archive, found.reason)
            yield f"{DISTRACTORS}/{archive.name}::{split_member(found.path)[1]}"
