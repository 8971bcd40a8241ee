"""Data sets whose file names say which images belong together: Holidays, UKBench, GPR1200. Every file is listed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from dinosearch.evaluation.dataset import Dataset, LabelTruth, Setup
from dinosearch.evaluation.datasets.listing import image_files
from dinosearch.evaluation.datasets.loader import Loader, relative
from dinosearch.evaluation.datasets.reading import bad, inside, lines

UKBENCH_GROUP = 4


def read_holidays(loader: Loader, data: Path) -> Dataset:
    """Read INRIA Holidays: of each hundred of numbers the first image asks for the others.

    The query is the image whose number is divisible by 100; it is taken out of its own ranking
    [INRIA eval_holidays, holidays_map.py]. The list is `holidays_images.dat` where it is there, the folders otherwise.

    Args:
        loader: its line in the table.
        data: the folder with `jpg1` and `jpg2`, with `jpg`, or with the images themselves.

    Raises:
        DatasetError: there are no images, or a name is no number.
    """
    root = data / "holidays" if (data / "holidays").is_dir() else data
    parts = [folder for folder in ("jpg1", "jpg2", "jpg") if (root / folder).is_dir()] or [""]
    on_disk = {PurePosixPath(name).stem: name for folder in parts for name in image_files(root, folder, deep=False)}
    found = {int(stem): name for stem, name in on_disk.items() if stem.isdecimal()}
    listed = loader.seek_file(root, ["holidays_images.dat"], ("", "eval_holidays"))
    if listed is not None:
        found = {number: found.get(number, f"{parts[0]}/{name}".lstrip("/")) for number, name in _listed(listed)}
    if not found:
        raise loader.lacks(f"there are no images 100000.jpg, 100001.jpg ... in {data}, jpg1 and jpg2")
    numbers = sorted(found)
    queries = [row for row, number in enumerate(numbers) if number % 100 == 0]
    groups = [number // 100 for number in numbers]
    return Dataset(
        name=loader.name,
        title=loader.title,
        root=root,
        images=tuple(found[number] for number in numbers),
        queries=tuple(found[numbers[row]] for row in queries),
        setups=(Setup("all", LabelTruth(groups, [groups[row] for row in queries], queries), ("mAP",)),),
        truth_files=() if listed is None else (relative(root, listed),),
    )


def read_ukbench(loader: Loader, data: Path) -> Dataset:
    """Read UKBench: `ukbench00000.jpg` and so on, four views of each object; each image asks and counts itself.

    The figure is the mean number of right ones among the first four [Nister and Stewenius 2006].

    Args:
        loader: its line in the table.
        data: the folder with the images or with `full`.

    Raises:
        DatasetError: there are no images.
    """
    found = _numbered(loader, data, ("full", "ukbench/full", "ukbench", ""), r"ukbench(\d{5})\.\w+", "ukbench00000.jpg")
    return _all_ask(loader, data, found, [number // UKBENCH_GROUP for number, _ in found], "N-S@4", depth=4)


def read_gpr1200(loader: Loader, data: Path) -> Dataset:
    """Read GPR1200: `{category}_{name}.jpg`, ten images of each category; each image asks.

    The official code leaves the query in its own ranking, where it counts as right, and takes rectangular AP
    [Visual-Computing/GPR1200, eval/GPR1200.py and utils.py]: setup `official`. `query-removed` says what the other nine
    are worth.

    Args:
        loader: its line in the table.
        data: the folder with the images or with `images`.

    Raises:
        DatasetError: there are no images.
    """
    found = _numbered(loader, data, ("images", "GPR1200/images", "GPR1200", ""), r"(\d+)_.*", "0_NAME.jpg")
    return _all_ask(loader, data, found, [number for number, _ in found], "mAP-rectangular", removed=True)


def _listed(path: Path) -> Iterator[tuple[int, str]]:
    for line, text in lines(path):
        name = inside(text, f"{path}, line {line}")
        stem = PurePosixPath(name).stem
        if not (stem.isascii() and stem.isdecimal()) or len(stem) > 9:
            raise bad(path, line, f"{name[:40]!r} is no number with a suffix")
        yield int(stem), name


def _numbered(loader: Loader, data: Path, folders: Sequence[str], pattern: str, example: str) -> list[tuple[int, str]]:
    """Number and name of the images that fit the pattern in the first folder that has any, in their order."""
    for folder in folders:
        if (data / folder).is_dir():
            names = image_files(data, folder, deep=False)
            matches = [(re.fullmatch(pattern, PurePosixPath(name).name), name) for name in names]
            if found := sorted((int(match[1]), name) for match, name in matches if match):
                return found
    raise loader.lacks(f"there are no images such as {example} in {data} nor in {folders[0]} below it")


def _all_ask(
    loader: Loader,
    root: Path,
    found: Sequence[tuple[int, str]],
    labels: Sequence[int],
    measure: str,
    removed: bool = False,
    depth: int | None = None,
) -> Dataset:
    """Every image is a query; it counts itself, and with `removed` there is a second setup where it is taken out."""
    images = tuple(name for _, name in found)
    setups = [Setup("official" if removed else "all", LabelTruth(labels, labels, counts_itself=True), (measure,))]
    if removed:
        setups.append(Setup("query-removed", LabelTruth(labels, labels, range(len(labels))), (measure,)))
    return Dataset(
        name=loader.name,
        title=loader.title,
        root=root,
        images=images,
        queries=images,
        setups=tuple(setups),
        depth=depth,
    )
