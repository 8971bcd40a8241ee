"""Stanford Online Products, CUB, Food-101 and ImageNet: tiny trees judged by hand, and their lists damaged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dinosearch.errors import DatasetError
from dinosearch.evaluation import load
from dinosearch.evaluation.datasets.listing import missing_images
from tests.evaluation import trees


@pytest.mark.parametrize("folder", ["Stanford_Online_Products", "."])
def test_sop_is_judged_as_by_hand(folder: str, tmp_path: Path) -> None:
    trees.sop(tmp_path)
    root = tmp_path / "Stanford_Online_Products"
    dataset = load("sop", tmp_path if folder != "." else root)
    assert dataset.root == root
    names = ("bicycle_final/111_0.JPG", "bicycle_final/111_1.JPG", "chair_final/222_0.JPG", "chair_final/222_1.JPG")
    assert dataset.images == dataset.queries == names
    assert dataset.depth == 1000
    assert dataset.truth_files == (Path("Ebay_test.txt"),)
    assert trees.judgements(dataset, "test") == [([1], [0]), ([0], [1]), ([3], [2]), ([2], [3])]
    # without themselves the right one stands at ranks 1, 2, 3 and nowhere
    rankings = ([0, 1, 2, 3], [2, 0, 1, 3], [2, 0, 1, 3], [3, 0])
    assert trees.means(dataset, rankings, "hit@1") == {"test": 1 / 4}
    assert trees.means(dataset, rankings, "hit@10") == {"test": 3 / 4}
    assert trees.means(dataset, rankings, "hit@1000") == {"test": 3 / 4}


HEADER = "image_id class_id super_class_id path"


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ([HEADER, "1 1 1 ../../etc/passwd"], "line 2: '../../etc/passwd' is no path below"),
        ([HEADER, "1 1 1 /etc/passwd"], "line 2: '/etc/passwd' is no path below"),
        ([HEADER, "1 1 1 chair_final/222_0.JPG", "2 1 1"], "line 3: 4 fields are expected, 3 found"),
        ([HEADER, "1 1.5 1 chair_final/222_0.JPG"], "line 2: '1.5' is no whole number"),
        ([HEADER], "it lists nothing"),
        ([], "it lists nothing"),
    ],
)
def test_a_bad_list_of_sop_is_refused(lines: list[str], told: str, tmp_path: Path) -> None:
    data = trees.sop(tmp_path)
    trees.text(tmp_path / "Stanford_Online_Products" / "Ebay_test.txt", *lines)
    assert told in refused("sop", data, "Ebay_test.txt")


def test_sop_without_its_photos_is_refused(tmp_path: Path) -> None:
    trees.text(tmp_path / "Ebay_test.txt", HEADER, "1 1 1 chair_final/222_0.JPG")
    with pytest.raises(DatasetError, match=r"there is no chair_final in .*cvgl\.stanford\.edu"):
        load("sop", tmp_path)


@pytest.mark.parametrize("folder", ["CUB_200_2011", "CUB_200_2011/CUB_200_2011", "."])
def test_cub_is_judged_as_by_hand(folder: str, tmp_path: Path) -> None:
    made = trees.cub(tmp_path / "made") / "CUB_200_2011"
    root = tmp_path / "data" / folder
    root.parent.mkdir(parents=True, exist_ok=True)
    made.rename(root)
    dataset = load("cub", tmp_path / "data")
    assert dataset.root == root
    # class 100 is of the train part
    names = ("101.Pelican/p_2.jpg", "101.Pelican/p_3.jpg", "200.Yellowthroat/y_1.jpg")
    assert dataset.images == dataset.queries == tuple(f"images/{name}" for name in names)
    assert trees.judgements(dataset, "test") == [([1], [0]), ([0], [1]), ([], [2])]
    # ranks 2 and 1; nothing is right for the third, which does not count
    rankings = ([0, 2, 1], [0, 1, 2], [2, 1, 0])
    assert trees.means(dataset, rankings, "hit@1") == {"test": 1 / 2}
    assert trees.means(dataset, rankings, "hit@2") == {"test": 1}
    assert dataset.depth == 8


@pytest.mark.parametrize(
    ("file", "lines", "told"),
    [
        ("images.txt", ["2 ../../etc/passwd"], "line 1: '../../etc/passwd' is no path below"),
        ("images.txt", ["2 /etc/passwd"], "line 1: '/etc/passwd' is no path below"),
        ("images.txt", ["2 101.Pelican/p 2.jpg"], "line 1: 2 fields are expected, 3 found"),
        ("images.txt", ["9 101.Pelican/p_2.jpg"], "line 1: image '9' has no class in image_class_labels.txt"),
        ("images.txt", ["1 100.Pelican/p_1.jpg"], "lists no image of the test part"),
        ("image_class_labels.txt", ["1 100", "2 pelican"], "line 2: 'pelican' is no whole number"),
    ],
)
def test_a_bad_list_of_cub_is_refused(file: str, lines: list[str], told: str, tmp_path: Path) -> None:
    data = trees.cub(tmp_path)
    trees.text(tmp_path / "CUB_200_2011" / file, *lines)
    assert told in refused("cub", data, file)


@pytest.mark.parametrize("folder", ["food-101", "."])
def test_food101_is_classified_as_by_hand(folder: str, tmp_path: Path) -> None:
    data = trees.food101(tmp_path)
    root = data / "food-101"
    dataset = load("food101", data if folder != "." else root)
    assert dataset.root == root
    assert dataset.images == ("images/waffles/1.jpg", "images/waffles/2.jpg", "images/apple_pie/3.jpg")
    assert dataset.queries == ("images/waffles/4.jpg", "images/apple_pie/5.jpg")
    assert dataset.truth_files == (Path("meta/train.json"), Path("meta/test.json"))
    assert dataset.setups == ()
    (part,) = dataset.recognition
    assert (part.name, part.method, part.labels.tolist()) == ("test", "knn", [1, 1, 0])
    assert part.truth == (frozenset({1}), frozenset({0}))
    # Votes weigh exp((cosine - 1) / 0.07).
    # First: two waffles at .86 against a pie at .93: 2 / e^2 = .27 < 1 / e = .37, wrong.
    # Second: two waffles at .5 against a pie at .49: 2 e^-7.143 > e^-7.286, wrong; with the pie at .57: e^-6.143 =
    # e e^-7.143 > 2 e^-7.143, right.
    first, second = [(2, 0.93), (0, 0.86), (1, 0.86)], [(0, 0.5), (1, 0.5), (2, 0.49)]
    assert trees.recognised(part, {0: first, 1: second}) == {"top-1": 0}
    assert trees.recognised(part, {0: first, 1: [(2, 0.57), *second[:2]]}) == {"top-1": 1 / 2}


@pytest.mark.parametrize(
    ("file", "content", "told"),
    [
        ("test", {"waffles": ["../../etc/passwd"]}, "'../../etc/passwd' is no path below"),
        ("test", {"a\nb\x1b[2J": ["/etc/passwd"]}, "'/etc/passwd' is no path below"),
        ("train", {"waffles": ["waffles/1", 2]}, "'waffles' has no list of images"),
        ("train", {"waffles": None}, "'waffles' has no list of images"),
        ("train", {}, "it is no object with a list of images for each class"),
        ("test", ["waffles/1"], "it is no object with a list of images for each class"),
        ("test", {"sushi\n": ["sushi/1"]}, "the class 'sushi\\n' is asked for but has no images to learn from"),
        ("train", {"waffles": ["waffles/1"], "apple_pie": []}, "the class 'apple_pie' is asked for but has no images"),
    ],
)
def test_a_bad_list_of_food101_is_refused(file: str, content: Any, told: str, tmp_path: Path) -> None:
    data = trees.food101(tmp_path)
    trees.text(tmp_path / "food-101" / "meta" / f"{file}.json", json.dumps(content))
    assert told in refused("food101", data, "" if "asked for" in told else f"{file}.json")


@pytest.mark.parametrize("folder", [".", "imagenet", "ILSVRC2012"])
def test_imagenet_is_classified_as_by_hand(folder: str, tmp_path: Path) -> None:
    trees.imagenet(tmp_path / folder)
    dataset = load("imagenet", tmp_path)
    assert dataset.root == tmp_path / folder
    images = ("n01440764/a.JPEG", "n01443537/b.JPEG", "n01443537/c.JPEG")
    assert dataset.images == tuple(f"train/{name}" for name in images)
    assert dataset.queries == ("val/n01440764/d.JPEG", "val/n01443537/e.JPEG")
    (part,) = dataset.recognition
    assert (part.name, part.method, part.labels.tolist()) == ("val", "knn", [0, 1, 1])
    assert part.truth == (frozenset({0}), frozenset({1}))
    # First: e^-1 for its class against 2 e^-2 for the other, right; second: only the wrong class among the neighbours.
    found = trees.recognised(part, {0: [(0, 0.93), (1, 0.86), (2, 0.86)], 1: [(0, 0.99)]})
    assert found == {"top-1": 1 / 2}


@pytest.mark.parametrize("part", ["train", "val"])
def test_imagenet_without_class_folders_is_refused(part: str, tmp_path: Path) -> None:
    data = trees.imagenet(tmp_path)
    for folder in list((tmp_path / part).iterdir()):
        for path in list(folder.iterdir()):
            path.rename(tmp_path / part / path.name)  # as ILSVRC2012_img_val.tar unpacks
    assert f"{part} has no class folders with images in them" in refused("imagenet", data)


def test_a_class_of_imagenet_without_images_to_learn_from_is_refused(tmp_path: Path) -> None:
    data = trees.imagenet(tmp_path)
    (tmp_path / "train" / "n01440764" / "a.JPEG").unlink()
    message = refused("imagenet", data)
    assert "the class 'n01440764' is asked for but has no images to learn from" in message
    assert "image-net.org" in message


def test_an_empty_class_of_imagenet_that_nothing_asks_for_is_harmless(tmp_path: Path) -> None:
    data = trees.imagenet(tmp_path)
    (tmp_path / "val" / "n99999999").mkdir()
    dataset = load("imagenet", data)
    assert dataset.recognition[0].labels.tolist() == [0, 1, 1]
    assert missing_images(dataset) == ()


def refused(name: str, data: Path, file: str = "") -> str:
    with pytest.raises(DatasetError) as caught:
        load(name, data)
    message = str(caught.value)
    assert file in message and len(message.splitlines()) == 1 and message.isprintable()
    return message
