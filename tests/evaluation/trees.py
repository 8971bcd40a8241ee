"""Builds tiny data sets in their published folder layouts, and reads judgements and means off a loaded data set.

Image files are empty: a loader opens none. Each builder returns what a user would pass as the data folder.
"""

from __future__ import annotations

import io
import json
import pickle
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dinosearch.evaluation import Dataset, score
from dinosearch.evaluation.dataset import Recognition
from dinosearch.evaluation.recognition import recognise
from tests.evaluation.mat5 import mat_file

JPEG_HEAD = b"\xff\xd8\xff\xe0" + bytes(60)
"""What a JPEG begins with; members of tar files are known by it."""

Rows = list[tuple[list[int], list[int]]]


def images(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def text(path: Path, *lines: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def judgements(dataset: Dataset, setup: str) -> Rows:
    """Relevant and junk rows of every query."""
    truth = next(found.truth for found in dataset.setups if found.name == setup)
    return [(truth[i].relevant.tolist(), truth[i].junk.tolist()) for i in range(len(truth))]


def means(dataset: Dataset, rankings: Iterable[Sequence[int]], measure: str) -> dict[str, float]:
    """The mean of a measure in each setup."""
    found = score(dataset, [np.array(ranking, np.int64) for ranking in rankings])
    return {scores.setup: scores.mean(measure).value for scores in found}


def recognised(part: Recognition, nearest: Mapping[int, Sequence[tuple[int, float]]]) -> dict[str, float]:
    """The mean of each measure, where `nearest` has the rows and cosines of each query."""

    def neighbours(query: int) -> tuple[np.ndarray, np.ndarray]:
        rows, cosines = zip(*nearest[query], strict=True)
        return np.array(rows, np.int64), np.array(cosines, np.float64)

    scores, _ = recognise(part, neighbours)
    return {measure: scores.mean(measure).value for measure in scores.measures}


REVISITED: dict[str, Any] = {
    "imlist": [f"place_{i:06}" for i in range(6)],
    "qimlist": ["query_000000", "query_000001"],
    "gnd": [
        {"bbx": [136.5, 34.1, 648.5, 955.7], "easy": [0], "hard": [1, 2], "junk": [3]},
        {"bbx": [130, 17, 843, 732], "easy": [], "hard": [4], "junk": [0]},
    ],
}


def revisited(tmp: Path, name: str, folder: str | None = None) -> Path:
    """`folder/jpg` and the pickle beside it; the folder has the data set's name if not said."""
    root = tmp / (folder or name)
    images(root / "jpg", *(f"{stem}.jpg" for stem in REVISITED["imlist"] + REVISITED["qimlist"]))
    (root / f"gnd_{name}.pkl").write_bytes(pickle.dumps(REVISITED, protocol=3))
    return tmp


def revisited_distractors(tmp: Path) -> Path:
    root = tmp / "revisitop1m"
    images(root / "jpg", "0/a/0a1.jpg", "f/f/ff9.jpg")
    text(root / "revisitop1m.txt", "0/a/0a1.jpg", "f/f/ff9.jpg")
    return root


CLASSIC_QUERIES = {"oxford5k": ("all_souls", "oxc1_"), "paris6k": ("defense", "")}


def classic(tmp: Path, name: str) -> Path:
    """Two queries of one landmark, six images, text files beside `jpg`."""
    place, prefix = CLASSIC_QUERIES[name]
    root = tmp / name
    images(root / "jpg", *(f"{place}_{i:06}.jpg" for i in range(6)))
    lists = {
        f"{place}_1_query": [f"{prefix}{place}_000000 136.5 34.1 648.5 955.7"],
        f"{place}_1_good": [f"{place}_000000", f"{place}_000001"],
        f"{place}_1_ok": [f"{place}_000002"],
        f"{place}_1_junk": [f"{place}_000003"],
        f"{place}_2_query": [f"{prefix}{place}_000004 0 0 100 50"],
        f"{place}_2_good": [f"{place}_000004"],
        f"{place}_2_ok": [],
        f"{place}_2_junk": [],
    }
    for stem, lines in lists.items():
        text(root / f"{stem}.txt", *lines)
    return tmp


def holidays(tmp: Path) -> Path:
    images(tmp / "jpg1", "100000.jpg", "100001.jpg", "100002.jpg")
    images(tmp / "jpg2", "100100.jpg", "100101.jpg")
    return tmp


def ukbench(tmp: Path) -> Path:
    images(tmp / "full", *(f"ukbench{i:05}.jpg" for i in range(8)))
    return tmp


def copydays(tmp: Path) -> Path:
    originals = ("200000.jpg", "200100.jpg", "200200.jpg")
    images(tmp / "original", *originals)
    images(tmp / "strong", "200001.jpg", "200002.jpg", "200101.jpg")
    images(tmp / "jpegqual" / "3", *originals)
    images(tmp / "crops" / "80", *originals)
    return tmp


MET = {
    "database": [
        {"id": 7, "path": "MET/7/0.jpg"},
        {"id": 7, "path": "MET/7/1.jpg"},
        {"id": 9, "path": "MET/9/0.jpg"},
        {"id": 11, "path": "MET/11/0.jpg"},
    ],
    "testset": [
        {"path": "test_met/a.jpg", "MET_id": 7},
        {"path": "test_other/b.jpg"},
        {"path": "test_met/c.jpg", "MET_id": 9},
    ],
    "valset": [{"path": "val_met/d.jpg", "MET_id": 9}],
}


def met(tmp: Path, name: str) -> Path:
    database = "mini_MET_database" if name == "mini-met" else "MET_database"
    for file, entries in zip((database, "testset", "valset"), MET.values(), strict=True):
        images(tmp / "images", *(str(entry["path"]) for entry in entries))
        text(tmp / "ground_truth" / f"{file}.json", json.dumps(entries))
    return tmp


def amstertime(tmp: Path) -> Path:
    images(tmp / "new", "0000.png", "0003.png", "0004.png")
    images(tmp / "old", "0000.jpg", "0003.jpg", "0004.jpg")
    return tmp


def amstertime_tasks(root: Path) -> None:
    asked = [("new/0000.png", "old"), ("new/0003.png", "old"), ("old/0000.jpg", "new"), ("old/0003.jpg", "new")]
    text(root / "tasks" / "retrieval.csv", "query,target", *(f"{query},{target}" for query, target in asked))


def landmark_id(i: int) -> str:
    """A GLDv2 image id; its folders are the first three digits."""
    return f"abc{i:013x}"


def landmark_file(part: str, i: int) -> str:
    return f"{part}/a/b/c/{landmark_id(i)}.jpg"


def gldv2_retrieval(tmp: Path) -> Path:
    images(tmp, *(landmark_file("index", i) for i in range(3)), *(landmark_file("test", i) for i in range(16, 20)))
    text(tmp / "index.csv", "id", *(landmark_id(i) for i in range(3)))
    text(
        tmp / "retrieval_solution_v2.1.csv",
        "id,images,Usage",
        f"{landmark_id(16)},{landmark_id(0)} {landmark_id(2)},Public",
        f"{landmark_id(17)},None,Ignored",
        f"{landmark_id(18)},{landmark_id(1)},Private",
        f"{landmark_id(19)},{landmark_id(2)},Private",
    )
    return tmp


def gldv2_recognition(tmp: Path, name: str) -> Path:
    images(tmp, *(landmark_file("train", i) for i in range(3)), *(landmark_file("test", i) for i in range(16, 20)))
    if name.endswith("-full"):
        rows = [f'{landmark_id(i)},"https://example.org/{i},b.jpg",{label}' for i, label in enumerate((5, 5, 8))]
        text(tmp / "train.csv", "id,url,landmark_id", *rows)
    else:
        lines = [f"5,{landmark_id(0)} {landmark_id(1)}", f"8,{landmark_id(2)}"]
        text(tmp / "train_clean.csv", "landmark_id,images", *lines)
    text(
        tmp / "recognition_solution_v2.1.csv",
        "id,landmarks,Usage",
        f"{landmark_id(16)},5,Public",
        f"{landmark_id(17)},,Public",
        f"{landmark_id(18)},8 5,Private",
        f"{landmark_id(19)},5,Ignored",
    )
    return tmp


INSTRE: dict[str, Any] = {
    "imlist": [f"INSTRE-S1/01a_canada_book/{i:03}.jpg" for i in range(1, 4)] + ["INSTRE-M/01/001.jpg"],
    "qimlist": ["INSTRE-S1/01a_canada_book/100.jpg", "INSTRE-S2/02/200.jpg"],
    "gnd": [{"ok": (1, 3), "bbx": (10, 20, 30, 40)}, {"ok": (4,), "bbx": (0.5, 1, 99.5, 9)}],
}


def instre(tmp: Path) -> Path:
    images(tmp, *INSTRE["imlist"], *INSTRE["qimlist"])
    (tmp / "gnd_instre.mat").write_bytes(mat_file(INSTRE, compressed=True))
    return tmp


def ilias(tmp: Path, name: str) -> Path:
    """Two objects, three positives, three distractors: two in a tar file, one as a file."""
    core, ids = tmp / "ilias_core", tmp / "image_ids"
    queries, positives = ["mug_001/query/Q001_00", "bag_000/query/Q000_00"], ["mug_001/pos/P001_00"]
    positives += ["bag_000/pos/P000_01", "bag_000/pos/P000_00"]
    images(core, *(f"{image}.jpg" for image in (*queries, *positives)))
    text(core / "bag_000" / "query" / "Q000_00_bbox.txt", "10 20 30 40", "5 30 10 50.5")
    text(ids / "image_query_ids.txt", *queries)
    text(ids / "positive_ids.txt", *positives)
    tar_file(tmp / "yfcc100m" / "0.tar", {"a1.jpg": JPEG_HEAD, "sub/a2.jpg": JPEG_HEAD, "read.me": b"no image"})
    images(tmp / "yfcc100m", "b7.jpg")
    if name == "mini-ilias":
        text(ids / "mini_ilias_yfcc100m_ids.txt", "a2", "b7")
    return tmp


def tar_file(path: Path, members: Mapping[str, bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))


def gpr1200(tmp: Path) -> Path:
    images(tmp / "images", "0_a.jpg", "0_b.jpg", "0_c.jpg", "2_d.jpg", "2_e.jpg", "10_f.jpg", "10_g.jpg")
    return tmp


def sop(tmp: Path) -> Path:
    root = tmp / "Stanford_Online_Products"
    names = ["bicycle_final/111_0.JPG", "bicycle_final/111_1.JPG", "chair_final/222_0.JPG", "chair_final/222_1.JPG"]
    images(root, *names)
    labels = (11319, 11319, 11320, 11320)
    rows = [f"{59552 + i} {label} 1 {name}" for i, (label, name) in enumerate(zip(labels, names, strict=True))]
    text(root / "Ebay_test.txt", "image_id class_id super_class_id path", *rows)
    return tmp


def cub(tmp: Path) -> Path:
    root = tmp / "CUB_200_2011"
    names = ["100.Pelican/p_1.jpg", "101.Pelican/p_2.jpg", "101.Pelican/p_3.jpg", "200.Yellowthroat/y_1.jpg"]
    images(root / "images", *names)
    text(root / "images.txt", *(f"{i} {name}" for i, name in enumerate(names, start=1)))
    text(root / "image_class_labels.txt", "1 100", "2 101", "3 101", "4 200")
    return tmp


FOOD: dict[str, dict[str, list[str]]] = {
    "train": {"waffles": ["waffles/1", "waffles/2"], "apple_pie": ["apple_pie/3"]},
    "test": {"waffles": ["waffles/4"], "apple_pie": ["apple_pie/5"]},
}


def food101(tmp: Path) -> Path:
    root = tmp / "food-101"
    for part, classes in FOOD.items():
        images(root / "images", *(f"{name}.jpg" for names in classes.values() for name in names))
        text(root / "meta" / f"{part}.json", json.dumps(classes))
    return tmp


def imagenet(tmp: Path) -> Path:
    images(tmp / "train", "n01440764/a.JPEG", "n01443537/b.JPEG", "n01443537/c.JPEG")
    images(tmp / "val", "n01440764/d.JPEG", "n01443537/e.JPEG")
    return tmp


def class_folders(tmp: Path) -> Path:
    images(tmp / "photos", "cat/1.jpg", "cat/deeper/2.jpg", "cat/3.png", "dog/4.jpg", "dog/5.jpg", "alone/6.jpg")
    images(tmp / "photos", "beside.jpg", "cat/.hidden.jpg", "cat/notes.txt")
    return tmp / "photos"


def class_list(tmp: Path) -> Path:
    images(tmp, "a/1.jpg", "a/2.jpg", "b/3.jpg")
    text(tmp / "labels.csv", "path,label", "a/1.jpg,cat", "a/2.jpg,cat", '"b/3.jpg","dog, large"')
    return tmp / "labels.csv"
