"""Data sets with class labels: SOP and CUB by retrieval of the class, Food-101 and ImageNet by k-NN classification."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dinosearch.evaluation.dataset import Dataset, LabelTruth, Recognition, Setup
from dinosearch.evaluation.datasets.listing import folders, image_files
from dinosearch.evaluation.datasets.loader import Loader, relative
from dinosearch.evaluation.datasets.reading import bad, inside, read_json, unreadable, whole, words

CUB_FIRST_TEST_CLASS = 101


def read_sop(loader: Loader, data: Path) -> Dataset:
    """Read the test part of Stanford Online Products. Every image asks, itself taken out; Recall@K.

    `Ebay_test.txt` has a header and the columns image, class, super class, path [Song et al. 2016,
    rksltnl/Deep-Metric-Learning-CVPR16].

    Args:
        loader: its line in the table.
        data: the folder with `Ebay_test.txt`, or one that holds it.

    Raises:
        DatasetError: the list is missing or has a bad line, or none of its folders is there.
    """
    path = loader.find_file(data, ["Ebay_test.txt"], ("", "Stanford_Online_Products"))
    images, labels = [], []
    for line, (_, label, _, name) in words(path, 4):
        if line > 1:
            labels.append(whole(label, path, line))
            images.append(inside(name, f"{path}, line {line}"))
    if not images:
        raise unreadable(path, "it lists nothing")
    loader.find_folder(path.parent, sorted({name.partition("/")[0] for name in images}))
    return _same_class(loader, path.parent, images, labels, (1, 10, 100, 1000), [path])


def read_cub(loader: Loader, data: Path) -> Dataset:
    """Read classes 101 to 200 of CUB-200-2011, the test part of metric learning. Every image asks, itself taken out.

    Files: `images.txt` and `image_class_labels.txt`, each line with the number of the image first [Wah et al. 2011].

    Args:
        loader: its line in the table.
        data: the folder with `images` and the lists, or one that holds it.

    Raises:
        DatasetError: a file or folder is missing, or a line is bad.
    """
    path = loader.find_file(data, ["images.txt"], ("", "CUB_200_2011", "CUB_200_2011/CUB_200_2011"))
    labels_path = loader.find_file(path.parent, ["image_class_labels.txt"])
    loader.find_folder(path.parent, ["images"])
    classes = {image: whole(label, labels_path, line) for line, (image, label) in words(labels_path, 2)}
    images, labels = [], []
    for line, (image, name) in words(path, 2):
        if image not in classes:
            raise bad(path, line, f"image {image[:20]!r} has no class in {labels_path.name}")
        if classes[image] >= CUB_FIRST_TEST_CLASS:
            images.append(f"images/{inside(name, f'{path}, line {line}')}")
            labels.append(classes[image])
    return _same_class(loader, path.parent, images, labels, (1, 2, 4, 8), [path, labels_path])


def read_food101(loader: Loader, data: Path) -> Dataset:
    """Read Food-101: images of the train part classify those of the test part.

    `meta/train.json` and `meta/test.json` name the images of each class, without suffix [pytorch/vision,
    torchvision/datasets/food101.py].

    Args:
        loader: its line in the table.
        data: the folder with `images` and `meta`, or one that holds it.

    Raises:
        DatasetError: a file or folder is missing or not as it should be.
    """
    root = loader.find_folder(data, ["meta"], ("", "food-101")).parent
    loader.find_folder(root, ["images"])
    paths = [loader.find_file(root / "meta", [f"{part}.json"]) for part in ("train", "test")]
    train, test = (_food(path) for path in paths)
    return _classified(loader, root, train, test, "test", paths)


def read_imagenet(loader: Loader, data: Path) -> Dataset:
    """Read ImageNet-1k: `train/CLASS/*` is the database, `val/CLASS/*` asks [facebookresearch/dino, eval_knn.py].

    Args:
        loader: its line in the table.
        data: the folder with `train` and `val`.

    Raises:
        DatasetError: a folder is missing, or `val` has no class folders or other classes than `train`.
    """
    root = loader.find_folder(data, ["train"], ("", "imagenet", "ILSVRC2012")).parent
    loader.find_folder(root, ["val"])
    train, test = (
        {label: image_files(root, f"{part}/{label}") for label in folders(root, part)} for part in ("train", "val")
    )
    for part, found in (("train", train), ("val", test)):
        if not any(found.values()):
            raise loader.lacks(f"{root / part} has no class folders with images in them")
    return _classified(loader, root, train, test, "val", [])


def _same_class(
    loader: Loader, root: Path, images: Sequence[str], labels: Sequence[int], ranks: Sequence[int], truth: list[Path]
) -> Dataset:
    if not images:
        raise loader.lacks(f"{truth[0]} lists no image of the test part")
    return Dataset(
        name=loader.name,
        title=loader.title,
        root=root,
        images=tuple(images),
        queries=tuple(images),
        setups=(Setup("test", LabelTruth(labels, labels, range(len(labels))), tuple(f"hit@{k}" for k in ranks)),),
        depth=max(ranks),
        truth_files=tuple(relative(root, path) for path in truth),
    )


def _classified(
    loader: Loader,
    root: Path,
    train: dict[str, list[str]],
    test: dict[str, list[str]],
    part: str,
    truth: list[Path],
) -> Dataset:
    """Images of `test` are classified by those of `train`; both by class."""
    numbers = {label: i for i, label in enumerate(sorted(label for label, names in train.items() if names))}
    if unknown := sorted({label for label, names in test.items() if names} - set(numbers)):
        raise loader.lacks(f"the class {unknown[0][:40]!r} is asked for but has no images to learn from in {root}")
    labels = [numbers[label] for label, names in train.items() for _ in names]
    wanted = [frozenset({numbers[label]}) for label, names in test.items() for _ in names]
    positions = np.arange(len(wanted))
    return Dataset(
        name=loader.name,
        title=loader.title,
        root=root,
        images=tuple(name for names in train.values() for name in names),
        queries=tuple(name for names in test.values() for name in names),
        setups=(),
        recognition=(Recognition(part, np.array(labels, np.int64), positions, tuple(wanted), "knn"),),
        truth_files=tuple(relative(root, path) for path in truth),
    )


def _food(path: Path) -> dict[str, list[str]]:
    content = read_json(path)
    if not isinstance(content, dict) or not content:
        raise unreadable(path, "it is no object with a list of images for each class")
    found = {}
    for label, names in content.items():
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise unreadable(path, f"{label[:40]!r} has no list of images")
        found[label] = [f"images/{inside(name, f'{path}, {label[:40]!r}')}.jpg" for name in names]
    return found
