"""People's own photos as a data set: class folders, and a CSV file of path and label."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dinosearch.errors import DatasetError
from dinosearch.evaluation import load
from dinosearch.evaluation.datasets.listing import missing_images
from tests.evaluation import trees


def test_class_folders_are_judged_as_by_hand(tmp_path: Path) -> None:
    dataset = load("folder", trees.class_folders(tmp_path))
    names = ("alone/6.jpg", "cat/1.jpg", "cat/3.png", "cat/deeper/2.jpg", "dog/4.jpg", "dog/5.jpg")
    assert dataset.images == dataset.queries == names
    assert dataset.title == "photos (3 labels)"
    assert dataset.truth_files == () and dataset.depth is None
    assert set(dataset.notes) == {
        "1 images that lie in no class folder are left out.",
        "1 labels have one image only; it asks for nothing but may be a wrong answer.",
    }
    cats = [([2, 3], [1]), ([1, 3], [2]), ([1, 2], [3])]
    assert trees.judgements(dataset, "all") == [([], [0]), *cats, ([5], [4]), ([4], [5])]
    rankings = (
        [0, 1, 2, 3, 4, 5],  # nothing is right: does not count
        [1, 2, 0, 3, 4, 5],  # ranks 1, 3: (1 + 2/3) / 2 = 5/6
        [2, 0, 1, 4, 5, 3],  # ranks 2, 5: (1/2 + 2/5) / 2 = 9/20
        [3, 1, 2, 0, 4, 5],  # 1
        [4, 5, 0, 1, 2, 3],  # 1
        [5, 0, 1, 2, 3, 4],  # rank 5: 1/5
    )
    found = trees.means(dataset, rankings, "mAP-rectangular")["all"]
    assert found == pytest.approx((5 / 6 + 9 / 20 + 1 + 1 + 1 / 5) / 5, abs=1e-12)
    assert trees.means(dataset, rankings, "hit@1") == {"all": 3 / 5}
    assert trees.means(dataset, rankings, "P@5") == pytest.approx({"all": (2 + 2 + 2 + 1 + 1) / 25}, abs=1e-12)
    assert trees.means(dataset, rankings, "recall@10") == {"all": 1}


def test_a_csv_file_is_judged_as_by_hand(tmp_path: Path) -> None:
    path = trees.class_list(tmp_path)
    dataset = load("folder", path)
    assert dataset.root == tmp_path
    assert dataset.images == dataset.queries == ("a/1.jpg", "a/2.jpg", "b/3.jpg")
    assert dataset.title == "labels.csv (2 labels)"
    assert dataset.truth_files == (Path("labels.csv"),)
    assert trees.judgements(dataset, "all") == [([1], [0]), ([0], [1]), ([], [2])]
    # ranks 1 and 2; the third has no other of its label
    found = trees.means(dataset, ([0, 1, 2], [1, 2, 0], [0, 1]), "mAP-rectangular")
    assert found == {"all": 3 / 4}


def test_columns_stand_in_any_order_beside_others_and_behind_a_mark(tmp_path: Path) -> None:
    trees.images(tmp_path, "a b.jpg", "c.jpg")
    path = tmp_path / "labels.csv"
    path.write_bytes('\ufefflabel, note ,path\r\nthing,"x,\n y",./a b.jpg\r\n\r\nthing,,c.jpg\r\n'.encode())
    dataset = load("folder", path)
    assert dataset.images == ("a b.jpg", "c.jpg")
    assert trees.judgements(dataset, "all") == [([1], [0]), ([0], [1])]


def test_a_relative_path_is_taken_from_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trees.class_folders(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert load("folder", Path("photos")).root == tmp_path / "photos"


def test_a_class_folder_may_be_a_link(tmp_path: Path) -> None:
    data = trees.class_folders(tmp_path)
    trees.images(tmp_path / "elsewhere", "7.jpg", "8.jpg")
    os.symlink(tmp_path / "elsewhere", data / "zebra", target_is_directory=True)
    dataset = load("folder", data)
    assert dataset.images[-2:] == ("zebra/7.jpg", "zebra/8.jpg")
    assert missing_images(dataset) == ()


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (["path,label", "../../etc/passwd,a"], "line 2: '../../etc/passwd' is no path below"),
        (["path,label", "/etc/passwd,a"], "line 2: '/etc/passwd' is no path below"),
        (["path,label", "a/../../b.jpg,a"], "line 2: 'a/../../b.jpg' is no path below"),
        (["path,label", "a/1.jpg,cat", ",cat"], "line 3: '' is no path below"),
        (["path,label", "a/1.jpg,cat", "a/2.jpg, "], "line 3: the label is empty"),
        (["path,label", "a/1.jpg,cat", "./a/1.jpg,dog"], "line 3: 'a/1.jpg' is named a second time"),
        (["path,label", "a/1.jpg,cat,more"], "line 2: 2 fields are expected, 3 found"),
        (["file,label", "a/1.jpg,cat"], "line 1: the header has no column path"),
        (["path;label"], "line 1: the header has no column path and no column label"),
        ([], "line 1: the header has no column path and no column label"),
        (["path,label", '"a/1.jpg,cat'], "it is no CSV"),
        (["path,label", "a/1.jpg,cat", "a/2.jpg,dog"], "no label in"),
        (["path,label"], "no label in"),
    ],
)
def test_a_bad_csv_file_is_refused(lines: list[str], told: str, tmp_path: Path) -> None:
    path = trees.class_list(tmp_path)
    trees.text(path, *lines)
    with pytest.raises(DatasetError) as caught:
        load("folder", path)
    message = str(caught.value)
    assert str(path) in message and told in message and len(message.splitlines()) == 1


def test_a_photo_in_place_of_the_csv_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(trees.JPEG_HEAD)
    with pytest.raises(DatasetError, match=r"photo\.jpg cannot be used: it is no UTF-8 text"):
        load("folder", path)


def test_class_folders_with_one_image_each_are_refused(tmp_path: Path) -> None:
    trees.images(tmp_path, "cat/1.jpg", "dog/2.jpg")
    with pytest.raises(DatasetError, match="no label in .* has two images"):
        load("folder", tmp_path)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may list every folder")
def test_a_class_folder_that_cannot_be_listed_is_refused(tmp_path: Path) -> None:
    data = trees.class_folders(tmp_path)
    (data / "cat").chmod(0)
    try:
        with pytest.raises(DatasetError, match="cat cannot be listed"):
            load("folder", data)
    finally:
        (data / "cat").chmod(0o700)
