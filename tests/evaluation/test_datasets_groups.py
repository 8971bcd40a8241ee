"""Data sets whose file or folder names say what belongs together: Holidays, UKBench, Copydays, GPR1200, AmsterTime."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from dinosearch.errors import DatasetError
from dinosearch.evaluation import load
from dinosearch.evaluation.datasets.listing import missing_images
from tests.evaluation import trees


def in_two_folders(tmp: Path) -> tuple[str, ...]:
    trees.holidays(tmp)
    return ("jpg1/100000.jpg", "jpg1/100001.jpg", "jpg1/100002.jpg", "jpg2/100100.jpg", "jpg2/100101.jpg")


def in_one_folder(tmp: Path) -> tuple[str, ...]:
    names = tuple(f"jpg/{number}.jpg" for number in (100000, 100001, 100002, 100100, 100101))
    trees.images(tmp / "holidays", *names)
    return names


def alone(tmp: Path) -> tuple[str, ...]:
    names = tuple(f"{number}.jpg" for number in (100000, 100001, 100002, 100100, 100101))
    trees.images(tmp, *names, "readme.png")
    return names


@pytest.mark.parametrize("build", [in_two_folders, in_one_folder, alone])
def test_holidays_is_judged_as_by_hand(build: Callable[[Path], tuple[str, ...]], tmp_path: Path) -> None:
    names = build(tmp_path)
    dataset = load("holidays", tmp_path)
    assert dataset.images == names
    assert dataset.queries == (names[0], names[3])
    assert dataset.boxes == () and dataset.truth_files == ()
    # the query is taken out of its own ranking
    assert trees.judgements(dataset, "all") == [([1, 2], [0]), ([4], [3])]
    # First: 1, 3, 2, 4: ranks 1, 3: ((1 + 1) + (1/2 + 2/3)) / 4 = 19/24; second: 0, 4: (0 + 1/2) / 2 = 1/4.
    found = trees.means(dataset, ([0, 1, 3, 2, 4], [3, 0, 4, 1, 2]), "mAP")
    assert found == pytest.approx({"all": (19 / 24 + 1 / 4) / 2}, abs=1e-12)


def test_the_list_of_holidays_names_what_is_missing(tmp_path: Path) -> None:
    data = trees.holidays(tmp_path)
    names = ("100000.jpg", "100001.jpg", "100002.jpg", "100100.jpg", "100101.jpg")
    trees.text(tmp_path / "eval_holidays" / "holidays_images.dat", *names)
    assert missing_images(load("holidays", data)) == ()
    (tmp_path / "jpg2" / "100101.jpg").unlink()
    dataset = load("holidays", data)
    assert dataset.truth_files == (Path("eval_holidays/holidays_images.dat"),)
    assert trees.judgements(dataset, "all") == [([1, 2], [0]), ([4], [3])]
    assert missing_images(dataset) == ("jpg1/100101.jpg",)


@pytest.mark.parametrize(
    "line", ["sunset.jpg", "../../etc/passwd", "/etc/100000.jpg", "1" * 5000 + ".jpg", "\u0661\u0662.jpg", "1\0.jpg"]
)
def test_a_bad_line_of_the_list_of_holidays_is_refused(line: str, tmp_path: Path) -> None:
    data = trees.holidays(tmp_path)
    trees.text(tmp_path / "holidays_images.dat", "100000.jpg", "", line)
    with pytest.raises(DatasetError, match=r"holidays_images\.dat, line 3: ") as caught:
        load("holidays", data)
    message = str(caught.value)
    assert len(message.splitlines()) == 1 and len(message) < len(str(tmp_path)) + 250


@pytest.mark.parametrize("folder", ["full", "ukbench/full", "ukbench", "."])
def test_ukbench_is_judged_as_by_hand(folder: str, tmp_path: Path) -> None:
    trees.images(tmp_path / folder, *(f"ukbench{i:05}.jpg" for i in range(8)), "readme.jpg")
    dataset = load("ukbench", tmp_path)
    prefix = "" if folder == "." else f"{folder}/"
    assert dataset.images == dataset.queries == tuple(f"{prefix}ukbench{i:05}.jpg" for i in range(8))
    first, second = ([0, 1, 2, 3], []), ([4, 5, 6, 7], [])
    assert trees.judgements(dataset, "all") == [first] * 4 + [second] * 4
    assert dataset.depth == 4
    rankings = (
        [0, 1, 2, 3],  # 4 right, itself among them
        [1, 0, 4, 5, 2, 3],  # 2
        [2, 3, 0, 4, 1],  # 3
        [4, 5, 6, 7, 3],  # 0
        [4, 5, 6, 7],  # 4
        [5, 0, 1, 2],  # 1
        [6, 7, 4, 5],  # 4
        [7, 6, 5, 0, 4],  # 3
    )
    assert trees.means(dataset, rankings, "N-S@4") == {"all": (4 + 2 + 3 + 0 + 4 + 1 + 4 + 3) / 8}


def test_ukbench_without_one_view_counts_three_for_its_object(tmp_path: Path) -> None:
    data = trees.ukbench(tmp_path)
    (data / "full" / "ukbench00001.jpg").unlink()
    dataset = load("ukbench", data)
    assert trees.judgements(dataset, "all") == [([0, 1, 2], [])] * 3 + [([3, 4, 5, 6], [])] * 4
    assert any("10,200 images, this one 7" in note for note in dataset.notes)


def test_copydays_is_judged_as_by_hand(tmp_path: Path) -> None:
    dataset = load("copydays", trees.copydays(tmp_path))
    assert dataset.images == ("original/200000.jpg", "original/200100.jpg", "original/200200.jpg")
    attacked = {
        "strong": ("200001.jpg", "200002.jpg", "200101.jpg"),
        "jpegqual/3": ("200000.jpg", "200100.jpg", "200200.jpg"),
        "crops/80": ("200000.jpg", "200100.jpg", "200200.jpg"),
    }
    assert dataset.queries == tuple(f"{block}/{name}" for block, names in attacked.items() for name in names)
    assert [setup.name for setup in dataset.setups] == list(attacked)
    none: tuple[list[int], list[int]] = ([], [])
    each = [([0], []), ([1], []), ([2], [])]
    # strong attacks by the first four characters, the others one to one
    assert trees.judgements(dataset, "strong") == [([0], []), ([0], []), ([1], [])] + [none] * 6
    assert trees.judgements(dataset, "jpegqual/3") == [none] * 3 + each + [none] * 3
    assert trees.judgements(dataset, "crops/80") == [none] * 6 + each
    assert any(note.startswith("Attacks that are not here are left out: jpegqual/5, ") for note in dataset.notes)
    rankings = (
        [0, 1, 2],  # rank 1: 1
        [1, 0, 2],  # rank 2: (0 + 1/2) / 2 = 1/4
        [0, 2, 1],  # rank 3: (0 + 1/3) / 2 = 1/6
        *([0, 1, 2], [1, 0, 2], [0, 1, 2]),  # 1, 1, 1/6
        *([2, 1, 0], [0, 1, 2], [2, 0, 1]),  # 1/6, 1/4, 1
    )
    expected = {"strong": 17 / 36, "jpegqual/3": 13 / 18, "crops/80": 17 / 36}
    assert trees.means(dataset, rankings, "mAP-trapezoid@20") == pytest.approx(expected, abs=1e-12)


def test_copydays_with_distractors_looks_at_the_first_twenty(tmp_path: Path) -> None:
    data = trees.copydays(tmp_path / "copydays")
    for block in ("jpegqual", "crops"):
        shutil.rmtree(data / block)
    trees.images(tmp_path / "yfcc", *(f"{i:02}.jpg" for i in range(25)))
    dataset = load("copydays", tmp_path, distractors=Path("yfcc"))
    assert dataset.root == tmp_path
    assert dataset.images[2:4] == ("copydays/original/200200.jpg", "yfcc/00.jpg")
    assert len(dataset.images) == 3 + 25
    wrong = list(range(3, 28))
    # rank 20: (0 + 1/20) / 2 = 1/40; rank 21: 0; rank 1: 1
    found = trees.means(dataset, (wrong[:19] + [0], wrong[:20] + [0], [1]), "mAP-trapezoid@20")
    assert found == pytest.approx({"strong": (1 / 40 + 0 + 1) / 3}, abs=1e-12)


def test_copydays_without_attacks_or_with_empty_distractors_is_refused(tmp_path: Path) -> None:
    data = trees.copydays(tmp_path)
    (tmp_path / "nothing").mkdir()
    with pytest.raises(DatasetError, match="nothing has no images to add to INRIA Copydays"):
        load("copydays", data, distractors=tmp_path / "nothing")
    for block in ("strong", "jpegqual", "crops"):
        shutil.rmtree(tmp_path / block)
    with pytest.raises(
        DatasetError, match=r"there are no images in original, or none in strong, .*lear\.inrialpes\.fr"
    ):
        load("copydays", data)


@pytest.mark.parametrize("folder", ["images", "GPR1200/images", "."])
def test_gpr1200_is_judged_as_by_hand(folder: str, tmp_path: Path) -> None:
    shutil.copytree(trees.gpr1200(tmp_path / "made") / "images", tmp_path / "data" / folder, dirs_exist_ok=True)
    dataset = load("gpr1200", tmp_path / "data")
    names = ("0_a.jpg", "0_b.jpg", "0_c.jpg", "2_d.jpg", "2_e.jpg", "10_f.jpg", "10_g.jpg")
    prefix = "" if folder == "." else f"{folder}/"
    assert dataset.images == dataset.queries == tuple(prefix + name for name in names)
    groups = [[0, 1, 2]] * 3 + [[3, 4]] * 2 + [[5, 6]] * 2
    assert trees.judgements(dataset, "official") == [(group, []) for group in groups]
    without = [([row for row in group if row != query], [query]) for query, group in enumerate(groups)]
    assert trees.judgements(dataset, "query-removed") == without
    rankings = [
        [0, 3, 1, 2, 4, 5, 6],  # official ranks 1, 3, 4: (1 + 2/3 + 3/4) / 3 = 29/36; without itself 2, 3: 7/12
        [1, 0, 2, 3, 4, 5, 6],  # 1; 1
        [2, 0, 1, 3, 4, 5, 6],  # 1; 1
        [3, 0, 4, 1, 2, 5, 6],  # (1 + 2/3) / 2 = 5/6; 1/2
        [4, 3, 0, 1, 2, 5, 6],  # 1; 1
        [5, 6, 0, 1, 2, 3, 4],  # 1; 1
        [0, 1, 2, 3, 4, 5, 6],  # (1/6 + 2/7) / 2 = 19/84; without itself rank 6: 1/6
    ]
    expected = {
        "official": (29 / 36 + 1 + 1 + 5 / 6 + 1 + 1 + 19 / 84) / 7,
        "query-removed": (7 / 12 + 1 + 1 + 1 / 2 + 1 + 1 + 1 / 6) / 7,
    }
    assert trees.means(dataset, rankings, "mAP-rectangular") == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("listed", [False, True])
def test_amstertime_is_judged_as_by_hand(listed: bool, tmp_path: Path) -> None:
    trees.amstertime(tmp_path)
    for name in ("new/0004.png", "old/0004.jpg"):
        (tmp_path / name).unlink()
    if listed:
        trees.amstertime_tasks(tmp_path)
    dataset = load("amstertime", tmp_path)
    assert dataset.images == dataset.queries == ("new/0000.png", "new/0003.png", "old/0000.jpg", "old/0003.jpg")
    assert dataset.truth_files == ((Path("tasks/retrieval.csv"),) if listed else ())
    new, old, none = [([2], [0, 1]), ([3], [0, 1])], [([0], [2, 3]), ([1], [2, 3])], ([], [])
    assert trees.judgements(dataset, "all") == new + old
    assert trees.judgements(dataset, "new") == [*new, none, none]
    assert trees.judgements(dataset, "old") == [none, none, *old]
    # the own side is out, so that the ranks are 1, 2, 2, 1 and AP is 1 / rank
    rankings = ([0, 1, 2, 3], [1, 2, 0, 3], [3, 1, 2, 0], [1, 0, 2, 3])
    assert trees.means(dataset, rankings, "mAP-rectangular") == {"new": 3 / 4, "old": 3 / 4, "all": 3 / 4}
    assert trees.means(dataset, rankings, "hit@1") == {"new": 1 / 2, "old": 1 / 2, "all": 1 / 2}
    assert trees.means(dataset, rankings, "hit@5") == {"new": 1, "old": 1, "all": 1}


def test_the_list_of_amstertime_names_what_is_missing(tmp_path: Path) -> None:
    data = trees.amstertime(tmp_path)
    trees.amstertime_tasks(tmp_path)
    (tmp_path / "old" / "0003.jpg").unlink()
    assert missing_images(load("amstertime", data)) == ("old/0003.jpg",)


def test_a_photo_of_amstertime_without_a_partner_is_a_wrong_answer_only(tmp_path: Path) -> None:
    data = trees.amstertime(tmp_path)
    (tmp_path / "old" / "0003.jpg").unlink()
    dataset = load("amstertime", data)
    assert trees.judgements(dataset, "new")[:3] == [([3], [0, 1, 2]), ([], [0, 1, 2]), ([4], [0, 1, 2])]


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (["query,target", "new/../../etc/passwd,old"], r"line 2: 'new/\.\./\.\./etc/passwd' is no path below"),
        (["query,target", "/new/0000.png,old"], "line 2: '/new/0000.png' is no path below"),
        (["query,target", "new/0000.png,old", "new/0003.png"], "line 3: 2 fields are expected, 1 found"),
        (["query,target", "attic/0000.png,old"], "line 2: a new image asks old"),
        (["image,target", "new/0000.png,old"], "line 1: the header has no column query"),
        ([], "line 1: the header has no column query and no column target"),
        (["query,target", '"new/0000.png,old'], "it is no CSV"),
        (["query,target", "new/0000.png,old"], None),
    ],
)
def test_a_bad_list_of_amstertime_is_refused(lines: list[str], told: str | None, tmp_path: Path) -> None:
    data = trees.amstertime(tmp_path)
    trees.text(tmp_path / "tasks" / "retrieval.csv", *lines)
    expected = rf"retrieval\.csv, .*{told}" if told else "no image of .*new has the name of one of"
    with pytest.raises(DatasetError, match=expected) as caught:
        load("amstertime", data)
    assert len(str(caught.value).splitlines()) == 1


def test_the_real_list_of_amstertime_is_read(shared_data: Path, tmp_path: Path) -> None:
    for side in ("new", "old"):
        (tmp_path / side).mkdir()
    shutil.copy(shared_data / "ground_truth" / "amstertime" / "retrieval.csv", tmp_path)
    dataset = load("amstertime", tmp_path)
    assert len(dataset.images) == len(dataset.queries) == 2462
    assert [len(relevant) for relevant, _ in trees.judgements(dataset, "all")] == [1] * 2462
    assert [len(junk) for _, junk in trees.judgements(dataset, "all")] == [1231] * 2462
    assert len(missing_images(dataset)) == 2462
