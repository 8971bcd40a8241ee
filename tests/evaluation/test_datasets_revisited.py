"""Revisited and classic Oxford and Paris: tiny trees judged by hand, and the real ground truths where they are here."""

from __future__ import annotations

import os
import pickle
import zipfile
from pathlib import Path

import pytest

from dinosearch.errors import DatasetError
from dinosearch.evaluation import load
from dinosearch.evaluation.datasets.listing import missing_images
from tests.evaluation import trees

BOXES = ((136.5, 34.1, 648.5, 955.7), (130, 17, 843, 732))

LAYOUTS = [
    ("roxford5k", "roxford5k"),
    ("roxford5k", "datasets/roxford5k"),
    ("roxford5k", "oxford5k"),
    ("roxford5k", ""),
    ("rparis6k", "rparis6k"),
    ("rparis6k", "datasets/rparis6k"),
    ("rparis6k", "paris6k"),
]


@pytest.mark.parametrize(("name", "folder"), LAYOUTS)
def test_revisited_is_read_in_both_layouts_and_judged_as_by_hand(name: str, folder: str, tmp_path: Path) -> None:
    data = tmp_path if folder else tmp_path / "own"
    trees.revisited(data, name, folder or ".")
    dataset = load(name, data)
    assert dataset.root == data / folder
    assert dataset.images == tuple(f"jpg/place_{i:06}.jpg" for i in range(6))
    assert dataset.queries == ("jpg/query_000000.jpg", "jpg/query_000001.jpg")
    assert dataset.boxes == BOXES
    assert dataset.truth_files == (Path(f"gnd_{name}.pkl"),)
    assert dataset.depth is None
    assert trees.judgements(dataset, "easy") == [([0], [1, 2, 3]), ([], [0, 4])]
    assert trees.judgements(dataset, "medium") == [([0, 1, 2], [3]), ([4], [0])]
    assert trees.judgements(dataset, "hard") == [([1, 2], [0, 3]), ([4], [0])]

    rankings = ([3, 1, 5, 0, 2, 4], [0, 4, 1, 2, 3, 5])
    # Easy, first query: without 3, 1, 2 there remain 5, 0, 4: the right one at rank 2: (0 + 1/2) / 2 = 1/4. The second
    # query has none and does not count.
    # Medium: 1, 5, 0, 2, 4: ranks 1, 3, 4: ((1 + 1) + (1/2 + 2/3) + (2/3 + 3/4)) / 6 = 55/72; the second 1.
    # Hard: 1, 5, 2, 4: ranks 1, 3: ((1 + 1) + (1/2 + 2/3)) / 4 = 19/24; the second 1.
    found = trees.means(dataset, rankings, "mAP")
    assert found == pytest.approx({"easy": 1 / 4, "medium": 127 / 144, "hard": 43 / 48}, abs=1e-12)
    # k shrinks to the last right rank: Easy 0 of 1 (k 1) and 1 of 2 (k 5); Medium 3 of 4; Hard 2 of 3.
    assert trees.means(dataset, rankings, "mP@1") == {"easy": 0, "medium": 1, "hard": 1}
    expected = {"easy": 1 / 2, "medium": (3 / 4 + 1) / 2, "hard": (2 / 3 + 1) / 2}
    assert trees.means(dataset, rankings, "mP@5") == pytest.approx(expected, abs=1e-12)
    assert trees.means(dataset, rankings, "mP@10") == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("name", ["roxford5k", "rparis6k"])
@pytest.mark.parametrize("asked", ["by name", "by path", "datasets"])
def test_a_million_distractors_are_appended_as_negatives(name: str, asked: str, tmp_path: Path) -> None:
    home = tmp_path / "datasets" if asked == "datasets" else tmp_path
    trees.revisited(home, name)
    folder = trees.revisited_distractors(home)
    dataset = load(name, tmp_path, distractors=folder if asked == "by path" else Path("revisitop1m"))
    assert dataset.root == home
    assert dataset.images[:2] == (f"{name}/jpg/place_000000.jpg", f"{name}/jpg/place_000001.jpg")
    assert dataset.images[6:] == ("revisitop1m/jpg/0/a/0a1.jpg", "revisitop1m/jpg/f/f/ff9.jpg")
    assert dataset.queries[0] == f"{name}/jpg/query_000000.jpg"
    assert dataset.truth_files == (Path(name) / f"gnd_{name}.pkl",)
    assert "2 distractors from revisitop1m are in the database." in dataset.notes
    assert missing_images(dataset) == ()
    # Medium, first query: 7 and 6 are wrong, 3 is junk: 7, 0, 6, 1, 2: ranks 2, 4, 5:
    # ((0 + 1/2) + (1/3 + 2/4) + (2/4 + 3/5)) / 6 = (30 + 50 + 66) / 360 = 73/180. Second: 6, 4: (0 + 1/2) / 2 = 1/4.
    found = trees.means(dataset, ([7, 3, 0, 6, 1, 2, 4, 5], [6, 4, 0, 1, 2, 3, 5, 7]), "mAP")
    assert found["medium"] == pytest.approx((73 / 180 + 1 / 4) / 2, abs=1e-12)
    (folder / "jpg" / "f" / "f" / "ff9.jpg").unlink()
    assert missing_images(load(name, tmp_path, distractors=folder)) == ("revisitop1m/jpg/f/f/ff9.jpg",)


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (
            ["0/a/0a1.jpg", "../../../etc/passwd"],
            r"revisitop1m\.txt, line 2: '\.\./\.\./\.\./etc/passwd' is no path below",
        ),
        (["/etc/passwd"], r"revisitop1m\.txt, line 1: '/etc/passwd' is no path below"),
        ([], "has no images to add"),
    ],
)
def test_a_bad_list_of_distractors_is_refused(lines: list[str], told: str, tmp_path: Path) -> None:
    data, folder = trees.revisited(tmp_path, "roxford5k"), trees.revisited_distractors(tmp_path)
    trees.text(folder / "revisitop1m.txt", *lines)
    with pytest.raises(DatasetError, match=told):
        load("roxford5k", data, distractors=folder)


def test_distractors_that_are_not_there_are_refused(tmp_path: Path) -> None:
    data = trees.revisited(tmp_path, "roxford5k")
    with pytest.raises(DatasetError, match="the distractors revisitop1m for Revisited Oxford .* are no folder here"):
        load("roxford5k", data, distractors=Path("revisitop1m"))
    folder = trees.revisited_distractors(tmp_path)
    (folder / "revisitop1m.txt").unlink()
    with pytest.raises(DatasetError, match=r"there is no revisitop1m\.txt in .*cmp\.felk\.cvut\.cz/revisitop"):
        load("roxford5k", data, distractors=folder)


def test_names_are_completed_with_the_suffix_on_disk(tmp_path: Path) -> None:
    data = trees.revisited(tmp_path, "roxford5k")
    (data / "roxford5k" / "jpg" / "place_000002.jpg").rename(data / "roxford5k" / "jpg" / "place_000002.PNG")
    dataset = load("roxford5k", data)
    assert dataset.images[1:3] == ("jpg/place_000001.jpg", "jpg/place_000002.PNG")
    assert missing_images(dataset) == ()


REAL = {
    # images, queries, easy, hard, junk, queries without easy [../shared/reference/retrieval.md, 1.1]
    "roxford5k": (4993, 70, 3029, 2497, 1356, 2),
    "rparis6k": (6322, 70, 6874, 10350, 7153, 0),
}


@pytest.mark.parametrize("name", REAL)
def test_the_real_ground_truth_has_the_published_counts(name: str, shared_data: Path, tmp_path: Path) -> None:
    (tmp_path / name / "jpg").mkdir(parents=True)
    os.symlink(shared_data / "ground_truth" / "revisitop" / f"gnd_{name}.pkl", tmp_path / name / f"gnd_{name}.pkl")
    dataset = load(name, tmp_path)
    judged = {setup: trees.judgements(dataset, setup) for setup in ("easy", "medium", "hard")}
    relevant = {setup: sum(len(rows) for rows, _ in queries) for setup, queries in judged.items()}
    images, queries, easy, hard, junk, without = REAL[name]
    assert (len(dataset.images), len(dataset.queries), len(dataset.boxes)) == (images, queries, queries)
    assert relevant == {"easy": easy, "medium": easy + hard, "hard": hard}
    assert sum(len(rows) for _, rows in judged["medium"]) == junk
    assert sum(len(rows) for _, rows in judged["easy"]) == junk + hard
    assert sum(len(rows) for _, rows in judged["hard"]) == junk + easy
    assert sum(not rows for rows, _ in judged["easy"]) == without
    assert len(missing_images(dataset)) == images + queries
    assert not any("do not compare" in note for note in dataset.notes)

    with open(tmp_path / name / f"gnd_{name}.pkl", "rb") as file:
        plain = pickle.load(file)
    assert dataset.images == tuple(f"jpg/{stem}.jpg" for stem in plain["imlist"])
    assert list(dataset.boxes) == [tuple(entry["bbx"]) for entry in plain["gnd"]]
    assert [rows for rows, _ in judged["hard"]] == [sorted(entry["hard"]) for entry in plain["gnd"]]


CLASSIC = {"oxford5k": "all_souls", "paris6k": "defense"}


@pytest.mark.parametrize("name", CLASSIC)
@pytest.mark.parametrize("kind", ["text files", "text files in a folder", "pickle"])
def test_classic_is_read_from_text_and_pickle_and_judged_as_by_hand(name: str, kind: str, tmp_path: Path) -> None:
    place = CLASSIC[name]
    data = trees.classic(tmp_path, name)
    root = data / name
    if kind == "text files in a folder":
        (root / "gt_files").mkdir()
        for path in list(root.glob("*.txt")):
            path.rename(root / "gt_files" / path.name)
    elif kind == "pickle":
        for path in list(root.glob("*.txt")):
            path.unlink()
        content = {
            "imlist": [f"{place}_{i:06}" for i in range(6)],
            "qimlist": [f"{place}_000000", f"{place}_000004"],
            "gnd": [
                {"bbx": [136.5, 34.1, 648.5, 955.7], "ok": [0, 1, 2], "junk": [3]},
                {"bbx": [0, 0, 100, 50], "ok": [4], "junk": []},
            ],
        }
        (root / f"gnd_{name}.pkl").write_bytes(pickle.dumps(content, protocol=2))
    dataset = load(name, data)
    assert dataset.root == root
    assert dataset.images == tuple(f"jpg/{place}_{i:06}.jpg" for i in range(6))
    assert dataset.queries == (dataset.images[0], dataset.images[4])
    assert dataset.boxes == ((136.5, 34.1, 648.5, 955.7), (0, 0, 100, 50))
    assert len(dataset.truth_files) == (1 if kind == "pickle" else 8)
    assert trees.judgements(dataset, "all") == [([0, 1, 2], [3]), ([4], [])]
    # First: without 3 there remain 0, 4, 1, 2, 5: ranks 1, 3, 4: ((1 + 1) + (1/2 + 2/3) + (2/3 + 3/4)) / 6 = 55/72;
    # second: rank 2: (0 + 1/2) / 2 = 1/4.
    found = trees.means(dataset, ([0, 3, 4, 1, 2, 5], [1, 4, 0, 2, 3, 5]), "mAP")
    assert found == pytest.approx({"all": (55 / 72 + 1 / 4) / 2}, abs=1e-12)


@pytest.mark.parametrize(
    ("file", "content", "told"),
    [
        ("query", "", "line 1: one line with a name and a box is expected, 0 found"),
        ("query", "a 0 0 1 1\nb 0 0 1 1\n", "line 1: one line with a name and a box is expected, 2 found"),
        ("query", "a 0 0 wide 1\n", "line 1: 'wide' is no number"),
        ("query", "a 0 0 nan 1\n", "line 1: 'nan' is no number"),
        ("query", "\na 10 0 10 1\n", "line 2: the box is empty"),
        ("query", "oxc1_../../etc/passwd 0 0 1 1\n", r"line 1: '\.\./\.\./etc/passwd' is no path below"),
        ("ok", "a\n../b\n", r"line 2: '\.\./b' is no path below"),
        ("junk", b"\xff\xfe\x00", "cannot be used: it is no UTF-8 text"),
    ],
)
def test_a_bad_text_file_is_refused(file: str, content: str | bytes, told: str, tmp_path: Path) -> None:
    data = trees.classic(tmp_path, "oxford5k")
    path = data / "oxford5k" / f"all_souls_2_{file}.txt"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DatasetError, match=rf"all_souls_2_{file}\.txt.*{told}") as caught:
        load("oxford5k", data)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("name", CLASSIC)
def test_a_bad_classic_pickle_is_refused(name: str, tmp_path: Path) -> None:
    trees.images(tmp_path / "jpg", "a.jpg")
    entry = {"bbx": [0, 0, 1, 1], "ok": [1], "junk": []}
    content = {"imlist": ["a"], "qimlist": ["a"], "gnd": [entry]}
    (tmp_path / f"gnd_{name}.pkl").write_bytes(pickle.dumps(content))
    with pytest.raises(DatasetError, match=r"gnd\[0\] names 1 as ok, but imlist has 1 images"):
        load(name, tmp_path)


def test_the_files_of_one_city_are_not_read_for_the_other(tmp_path: Path) -> None:
    data = trees.classic(tmp_path, "oxford5k")
    with pytest.raises(DatasetError, match=r"neither defense_1_query\.txt nor gnd_paris6k\.pkl"):
        load("paris6k", data / "oxford5k")


def test_the_real_paris_files_are_read(shared_data: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(shared_data / "ground_truth" / "paris_classic" / "paris_120310.zip") as archive:
        archive.extractall(tmp_path)
    (tmp_path / "jpg").mkdir()
    dataset = load("paris6k", tmp_path)
    assert (len(dataset.queries), len(dataset.boxes), len(dataset.truth_files)) == (55, 55, 4 * 55)
    assert dataset.queries[0] == "jpg/paris_defense_000605.jpg"
    assert dataset.boxes[0] == (130, 17, 843, 732)
    rows = {name: row for row, name in enumerate(dataset.images)}
    judged = trees.judgements(dataset, "all")
    # the query stays in the database and is right in all 55 lists
    assert all(rows[query] in relevant for query, (relevant, _) in zip(dataset.queries, judged, strict=True))
    folder = tmp_path / "paris_120310"
    lists = {path.stem: set(path.read_text().split()) for path in folder.glob("*.txt")}
    names = sorted(stem.removesuffix("_query") for stem in lists if stem.endswith("_query"))
    assert [len(relevant) for relevant, _ in judged] == [len(lists[f"{n}_good"] | lists[f"{n}_ok"]) for n in names]
    assert [len(junk) for _, junk in judged] == [len(lists[f"{n}_junk"]) for n in names]
    assert missing_images(dataset) == dataset.images
