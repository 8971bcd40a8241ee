"""Every data set of the table: with a file missing, with a listed image missing, with a bad ground truth."""

from __future__ import annotations

import json
import os
import pickle
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from dinosearch.errors import DatasetError
from dinosearch.evaluation import DATASETS, load
from dinosearch.evaluation.datasets.listing import missing_images
from tests.evaluation import trees

Damage = Callable[[Path], None]


@dataclass(frozen=True)
class Case:
    """What is done to one tiny tree.

    Attributes:
        build: builds it below a folder and returns what is loaded.
        missing: the file or folder that is taken away, below that folder.
        damage: makes the ground truth bad; it gets that folder.
        told: regular expressions that the error for this must match: the file, and the line where there is one.
        image: an image that is taken away, below that folder.
        listed: whether a list names that image, so that its absence is known; otherwise the file names are the list.
    """

    build: Callable[[Path], Path]
    missing: str
    damage: Damage
    told: tuple[str, ...]
    image: str
    listed: bool = True


def writes(name: str, content: str | bytes) -> Damage:
    def damage(tmp: Path) -> None:
        (tmp / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp / name).write_bytes(content.encode() if isinstance(content, str) else content)

    return damage


def adds(name: str, line: str) -> Damage:
    def damage(tmp: Path) -> None:
        with open(tmp / name, "a", encoding="utf-8") as file:
            file.write(line + "\n")

    return damage


def cuts(name: str) -> Damage:
    def damage(tmp: Path) -> None:
        content = (tmp / name).read_bytes()
        (tmp / name).write_bytes(content[: len(content) // 2])

    return damage


def renames(folder: str, pattern: str, prefix: str) -> Damage:
    def damage(tmp: Path) -> None:
        for path in list((tmp / folder).glob(pattern)):
            path.rename(path.with_name(prefix + path.name))

    return damage


OUT_OF_RANGE = trees.REVISITED | {"gnd": [*trees.REVISITED["gnd"][:1], trees.REVISITED["gnd"][1] | {"junk": [6]}]}
ID = trees.landmark_id

CASES: dict[str, Case] = {
    "roxford5k": Case(
        partial(trees.revisited, name="roxford5k"),
        "roxford5k/gnd_roxford5k.pkl",
        writes("roxford5k/gnd_roxford5k.pkl", pickle.dumps(OUT_OF_RANGE)),
        (r"gnd_roxford5k\.pkl", r"gnd\[1\] names 6 as junk, but imlist has 6 images"),
        "roxford5k/jpg/query_000001.jpg",
    ),
    "rparis6k": Case(
        partial(trees.revisited, name="rparis6k"),
        "rparis6k/jpg",
        cuts("rparis6k/gnd_rparis6k.pkl"),
        (r"gnd_rparis6k\.pkl", "no complete pickle"),
        "rparis6k/jpg/place_000003.jpg",
    ),
    "oxford5k": Case(
        partial(trees.classic, name="oxford5k"),
        "oxford5k/all_souls_2_ok.txt",
        writes("oxford5k/all_souls_2_query.txt", "oxc1_all_souls_000004 0 0 100\n"),
        (r"all_souls_2_query\.txt, line 1: 5 fields are expected, 4 found",),
        "oxford5k/jpg/all_souls_000003.jpg",
    ),
    "paris6k": Case(
        partial(trees.classic, name="paris6k"),
        "paris6k/defense_1_query.txt",
        writes("paris6k/defense_2_good.txt", "defense_000004\n/etc/passwd\n"),
        (r"defense_2_good\.txt, line 2: '/etc/passwd' is no path below",),
        "paris6k/jpg/defense_000001.jpg",
    ),
    "holidays": Case(
        trees.holidays,
        "jpg?",
        writes("eval_holidays/holidays_images.dat", "100000.jpg\nsunset.jpg\n"),
        (r"holidays_images\.dat, line 2: 'sunset\.jpg' is no number",),
        "jpg1/100002.jpg",
        listed=False,
    ),
    "ukbench": Case(
        trees.ukbench,
        "full",
        renames("full", "*.jpg", "not-"),
        (r"UKBench .*there are no images such as ukbench00000\.jpg",),
        "full/ukbench00003.jpg",
        listed=False,
    ),
    "copydays": Case(
        trees.copydays,
        "original",
        lambda tmp: (tmp / "crops/80/200100.jpg").unlink(),
        (r"crops/80 has 2 images for 3 originals",),
        "strong/200002.jpg",
        listed=False,
    ),
    "met": Case(
        partial(trees.met, name="met"),
        "ground_truth/MET_database.json",
        writes("ground_truth/testset.json", '[{"path": "a.jpg"},\n {"path": "b.jpg"'),
        (r"testset\.json, line 2: it is no JSON",),
        "images/MET/7/1.jpg",
    ),
    "mini-met": Case(
        partial(trees.met, name="mini-met"),
        "ground_truth/mini_MET_database.json",
        writes("ground_truth/valset.json", json.dumps([{"path": "../../etc/passwd", "MET_id": 9}])),
        (r"valset\.json, entry 0: '\.\./\.\./etc/passwd' is no path below",),
        "images/test_other/b.jpg",
    ),
    "amstertime": Case(
        trees.amstertime,
        "old",
        writes("tasks/retrieval.csv", "query,target\nnew/0000.png,old\nold/0000.jpg,old\n"),
        (r"retrieval\.csv, line 3: .*'old/0000\.jpg' asks 'old'",),
        "old/0003.jpg",
        listed=False,
    ),
    "gldv2-retrieval": Case(
        trees.gldv2_retrieval,
        "index.csv",
        adds("retrieval_solution_v2.1.csv", f"{ID(19)},{ID(77)},Public"),
        (rf"retrieval_solution_v2\.1\.csv, line 6: '{ID(77)}' is not in index\.csv",),
        trees.landmark_file("index", 1),
    ),
    "gldv2-recognition": Case(
        partial(trees.gldv2_recognition, name="gldv2-recognition"),
        "train_clean.csv",
        adds("train_clean.csv", f"nine,{ID(2)}"),
        (r"train_clean\.csv, line 4: 'nine' is no whole number",),
        trees.landmark_file("test", 17),
    ),
    "gldv2-recognition-full": Case(
        partial(trees.gldv2_recognition, name="gldv2-recognition-full"),
        "recognition_solution_v2.1.csv",
        writes("train.csv", f"id,url\n{ID(0)},there\n"),
        (r"train\.csv, line 1: the header has no column landmark_id",),
        trees.landmark_file("train", 2),
    ),
    "instre": Case(
        trees.instre,
        "gnd_instre.mat",
        cuts("gnd_instre.mat"),
        (r"gnd_instre\.mat cannot be used: it ends too early",),
        "INSTRE-S2/02/200.jpg",
    ),
    "ilias": Case(
        partial(trees.ilias, name="ilias"),
        "image_ids/positive_ids.txt",
        writes("ilias_core/bag_000/query/Q000_00_bbox.txt", "10 20 30 40\n10 20 0 40\n"),
        (r"Q000_00_bbox\.txt, line 2: the box is empty",),
        "ilias_core/bag_000/pos/P000_01.jpg",
    ),
    "mini-ilias": Case(
        partial(trees.ilias, name="mini-ilias"),
        "image_ids/mini_ilias_yfcc100m_ids.txt",
        adds("image_ids/image_query_ids.txt", "Q002_00"),
        (r"image_query_ids\.txt, line 3: 'Q002_00' is no OBJECT/query/IMAGE",),
        "ilias_core/mug_001/query/Q001_00.jpg",
    ),
    "gpr1200": Case(
        trees.gpr1200,
        "images",
        renames("images", "*.jpg", "cat"),
        (r"GPR1200 .*there are no images such as 0_NAME\.jpg",),
        "images/2_e.jpg",
        listed=False,
    ),
    "sop": Case(
        trees.sop,
        "Stanford_Online_Products/Ebay_test.txt",
        adds("Stanford_Online_Products/Ebay_test.txt", "59556 first 1 chair_final/222_2.JPG"),
        (r"Ebay_test\.txt, line 6: 'first' is no whole number",),
        "Stanford_Online_Products/chair_final/222_1.JPG",
    ),
    "cub": Case(
        trees.cub,
        "CUB_200_2011/image_class_labels.txt",
        adds("CUB_200_2011/images.txt", "5 200.Yellowthroat/y_2.jpg"),
        (r"images\.txt, line 5: image '5' has no class in image_class_labels\.txt",),
        "CUB_200_2011/images/101.Pelican/p_3.jpg",
    ),
    "food101": Case(
        trees.food101,
        "food-101/meta/test.json",
        writes("food-101/meta/train.json", json.dumps({"waffles": "waffles/1"})),
        (r"train\.json cannot be used: 'waffles' has no list of images",),
        "food-101/images/apple_pie/5.jpg",
    ),
    "imagenet": Case(
        trees.imagenet,
        "val",
        renames("train", "n01440764", "x"),
        (r"the class 'n01440764' is asked for but has no images to learn from",),
        "train/n01443537/b.JPEG",
        listed=False,
    ),
    "folder": Case(
        trees.class_list,
        "labels.csv",
        writes("labels.csv", "path,label\na/1.jpg,cat\na/2.jpg,\n"),
        (r"labels\.csv, line 3: the label is empty",),
        "a/2.jpg",
    ),
}


def remove(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink()


def refused(name: str, data: Path) -> str:
    """The error of `load`, which must be one sentence on one line."""
    with pytest.raises(DatasetError) as caught:
        load(name, data)
    message = str(caught.value)
    assert len(message.splitlines()) == 1 and not re.search(r"[.!?]\s+[A-Z]", message), message
    return message


def test_the_table_has_every_data_set() -> None:
    assert set(CASES) == set(DATASETS)


@pytest.mark.parametrize("name", DATASETS)
def test_a_complete_tree_is_read_and_nothing_is_missing(name: str, tmp_path: Path) -> None:
    dataset = load(name, CASES[name].build(tmp_path))
    assert dataset.name == name
    assert dataset.images and dataset.queries
    assert missing_images(dataset) == ()
    assert all((dataset.root / path).is_file() for path in dataset.truth_files)


@pytest.mark.parametrize("name", DATASETS)
def test_a_missing_file_is_named_with_the_place_that_publishes_it(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    data = case.build(tmp_path)
    for path in list(tmp_path.glob(case.missing)):
        remove(path)
    message = refused(name, data)
    assert re.search(rf"\b{re.escape(os.path.basename(case.missing).rstrip('?'))}\b", message), message
    assert DATASETS[name].published in message


@pytest.mark.parametrize("name", DATASETS)
def test_a_missing_image_is_named_or_leaves_the_data_set_smaller(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    data = case.build(tmp_path)
    whole = load(name, data)
    (tmp_path / case.image).unlink()
    dataset = load(name, data)
    gone = (tmp_path / case.image).relative_to(dataset.root).as_posix()
    if case.listed:
        assert (dataset.images, dataset.queries) == (whole.images, whole.queries)
        assert missing_images(dataset) == (gone,)
    else:
        assert {*whole.images, *whole.queries} - {*dataset.images, *dataset.queries} == {gone}
        assert missing_images(dataset) == ()


@pytest.mark.parametrize("name", DATASETS)
def test_a_bad_ground_truth_is_refused_with_file_and_line(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    data = case.build(tmp_path)
    case.damage(tmp_path)
    message = refused(name, data)
    for expression in case.told:
        assert re.search(expression, message), message


@pytest.mark.parametrize("name", DATASETS)
def test_a_folder_that_is_not_there_or_empty_is_refused(name: str, tmp_path: Path) -> None:
    assert DATASETS[name].published in refused(name, tmp_path / "absent")
    assert str(tmp_path) in refused(name, tmp_path)


@pytest.mark.parametrize("name", sorted(set(DATASETS) - {"folder"}))
def test_a_file_in_place_of_the_folder_is_refused(name: str, tmp_path: Path) -> None:
    trees.images(tmp_path, "some.csv")
    assert "is a file; name the folder that holds" in refused(name, tmp_path / "some.csv")


def test_an_unknown_data_set_is_refused(tmp_path: Path) -> None:
    assert refused("oxford105k", tmp_path) == "there is no data set 'oxford105k'; see: dinosearch benchmark --list"


@pytest.mark.parametrize("name", [name for name, loader in DATASETS.items() if "distractors" not in loader.options])
def test_distractors_are_refused_where_there_are_none(name: str, tmp_path: Path) -> None:
    data = CASES[name].build(tmp_path)
    with pytest.raises(DatasetError, match="takes no distractors; roxford5k, rparis6k, copydays do"):
        load(name, data, distractors=tmp_path)


@pytest.mark.parametrize("name", DATASETS)
def test_a_set_that_is_smaller_than_the_published_one_says_so(name: str, tmp_path: Path) -> None:
    dataset = load(name, CASES[name].build(tmp_path))
    said = [note for note in dataset.notes if "do not compare figures" in note]
    assert len(said) == sum(size is not None for size in DATASETS[name].size)
