"""Met, Google Landmarks v2, INSTRE and ILIAS: tiny trees judged by hand, and their lists damaged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dinosearch.errors import DatasetError
from dinosearch.evaluation import load
from dinosearch.evaluation.datasets.listing import missing_images
from tests.evaluation import mat5, trees

ID = trees.landmark_id


@pytest.mark.parametrize("name", ["met", "mini-met"])
@pytest.mark.parametrize("folder", [".", "met"])
def test_met_is_read_and_recognised_as_by_hand(name: str, folder: str, tmp_path: Path) -> None:
    trees.met(tmp_path / folder, name)
    dataset = load(name, tmp_path)
    assert dataset.root == tmp_path / folder
    assert dataset.images == ("images/MET/7/0.jpg", "images/MET/7/1.jpg", "images/MET/9/0.jpg", "images/MET/11/0.jpg")
    queries = ("test_met/a.jpg", "test_other/b.jpg", "test_met/c.jpg", "val_met/d.jpg")
    assert dataset.queries == tuple(f"images/{query}" for query in queries)
    assert dataset.setups == () and dataset.depth == 50
    prefix = "mini_" if name == "mini-met" else ""
    expected = tuple(
        Path("ground_truth") / file for file in (f"{prefix}MET_database.json", "testset.json", "valset.json")
    )
    assert dataset.truth_files == expected
    (test,) = dataset.recognition
    assert (test.name, test.method, test.labels.tolist()) == ("test", "met", [7, 7, 9, 11])
    assert (test.queries.tolist(), test.truth) == ([0, 1, 2], (frozenset({7}), frozenset(), frozenset({9})))
    assert test.tuned_on is not None
    assert (test.tuned_on.queries.tolist(), test.tuned_on.truth) == ([3], (frozenset({9}),))
    assert test.tuned_on.labels.tolist() == [7, 7, 9, 11]

    # The only validation query is right whatever the settings, so that the first ones of the grid are taken (1, 0.01).
    # Confidence falls with the cosine: the distractor at .95, the right answer at .9, the wrong one (11 for 9) at .5.
    # GAP = 1/2 / 2 queries with a class; without the distractor 1 / 2; one of two is right.
    nearest = {0: [(0, 0.9), (2, 0.1)], 1: [(2, 0.95)], 2: [(3, 0.5), (2, 0.4)], 3: [(2, 0.8)]}
    assert trees.recognised(test, nearest) == {"GAP": 1 / 4, "GAP-": 1 / 2, "ACC": 1 / 2}


ENTRY = {"path": "a.jpg"}


@pytest.mark.parametrize(
    ("file", "content", "told"),
    [
        ("MET_database", [{"id": 7, "path": "../../etc/passwd"}], "entry 0: '../../etc/passwd' is no path below"),
        ("MET_database", [{"id": 7, "path": "/etc/passwd"}], "entry 0: '/etc/passwd' is no path below"),
        ("MET_database", [{"id": 7}], "entry 0 has no path"),
        ("MET_database", [{"id": 7, "path": 3}], "entry 0 has no path"),
        ("MET_database", [{"id": 7, **ENTRY}, ENTRY], "entry 1 has no number id"),
        ("MET_database", [{"id": -1, **ENTRY}], "entry 0 has no number id"),
        ("MET_database", [{"id": 1.5, **ENTRY}], "entry 0 has no number id"),
        ("MET_database", [{"id": True, **ENTRY}], "entry 0 has no number id"),
        ("MET_database", [{"id": 1 << 70, **ENTRY}], "entry 0 has no number id"),
        ("MET_database", [], "it is no list of objects"),
        ("MET_database", {"7": ENTRY}, "it is no list of objects"),
        ("testset", [ENTRY, "b.jpg"], "it is no list of objects"),
        ("testset", [{**ENTRY, "MET_id": None}], "entry 0 has no number MET_id"),
        ("valset", [{**ENTRY, "MET_id": "seven"}], "entry 0 has no number MET_id"),
    ],
)
def test_a_bad_list_of_met_is_refused(file: str, content: Any, told: str, tmp_path: Path) -> None:
    data = trees.met(tmp_path, "met")
    trees.text(tmp_path / "ground_truth" / f"{file}.json", json.dumps(content))
    with pytest.raises(DatasetError) as caught:
        load("met", data)
    message = str(caught.value)
    assert f"{file}.json" in message and told in message and len(message.splitlines()) == 1


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe", b"[" * 200_000, b"[1" + b"0" * 5000 + b"]", b'[{"path": "a.jpg"}']
)
def test_what_is_no_json_is_refused(content: bytes, tmp_path: Path) -> None:
    data = trees.met(tmp_path, "met")
    (tmp_path / "ground_truth" / "valset.json").write_bytes(content)
    with pytest.raises(DatasetError, match=r"valset\.json.*it is no JSON"):
        load("met", data)


def test_met_takes_classes_written_as_text(tmp_path: Path) -> None:
    data = trees.met(tmp_path, "met")
    trees.text(tmp_path / "ground_truth" / "testset.json", json.dumps([{"path": "a.jpg", "MET_id": "007"}]))
    assert load("met", data).recognition[0].truth == (frozenset({7}),)


@pytest.mark.parametrize("folder", ["", "metadata", "index", "test"])
def test_gldv2_retrieval_is_judged_as_by_hand(folder: str, tmp_path: Path) -> None:
    data = trees.gldv2_retrieval(tmp_path)
    files = ("index.csv", "retrieval_solution_v2.1.csv")
    if folder:
        (tmp_path / folder).mkdir(exist_ok=True)
        for file in files:
            (tmp_path / file).rename(tmp_path / folder / file)
    dataset = load("gldv2-retrieval", data)
    assert dataset.images == tuple(f"index/a/b/c/{ID(i)}.jpg" for i in range(3))
    assert dataset.queries == tuple(f"test/a/b/c/{ID(i)}.jpg" for i in (16, 18, 19))
    assert dataset.truth_files == tuple(Path(folder) / file for file in files)
    assert dataset.depth == 100
    assert trees.judgements(dataset, "public") == [([0, 2], []), ([], []), ([], [])]
    assert trees.judgements(dataset, "private") == [([], []), ([1], []), ([2], [])]
    # Public: ranks 1, 3: (1 + 2/3) / 2 = 5/6. Private: rank 2: 1/2, and not among the first hundred: 0.
    found = trees.means(dataset, ([0, 1, 2], [0, 1, 2], [0, 1]), "mAP@100")
    assert found == pytest.approx({"public": 5 / 6, "private": 1 / 4}, abs=1e-12)


def test_gldv2_retrieval_takes_the_other_list_of_the_index(tmp_path: Path) -> None:
    data = trees.gldv2_retrieval(tmp_path)
    (tmp_path / "index.csv").unlink()
    trees.text(tmp_path / "index_image_to_landmark.csv", "id,landmark_id", *(f"{ID(i)},{i}" for i in range(3)))
    assert load("gldv2-retrieval", data).images == tuple(f"index/a/b/c/{ID(i)}.jpg" for i in range(3))


@pytest.mark.parametrize(
    ("file", "lines", "told"),
    [
        ("index.csv", ["id", "../../etc/passwd"], "line 2: '../../etc/passwd' is no image id"),
        ("index.csv", ["id", ID(0).upper()], "is no image id of 16 hexadecimal digits"),
        ("index.csv", ["landmark"], "line 1: the header has no column id"),
        ("retrieval_solution_v2.1.csv", ["id,images,Usage", f"{ID(16)},,Public"], "line 2: no image is named"),
        ("retrieval_solution_v2.1.csv", ["id,images,Usage", f"{ID(16)},{ID(0)},Later"], "line 2: the usage is 'later'"),
        ("retrieval_solution_v2.1.csv", ["id,images,Usage", f"x,{ID(0)},Public"], "line 2: 'x' is no image id"),
        ("retrieval_solution_v2.1.csv", ["id,images", f"{ID(16)},{ID(0)}"], "line 1: the header has no column Usage"),
        ("retrieval_solution_v2.1.csv", ["id,images,Usage"], "it has no query that counts"),
        ("retrieval_solution_v2.1.csv", ["id,images,Usage", "a" * 140_000], "line 2: it is no CSV"),
    ],
)
def test_a_bad_list_of_gldv2_retrieval_is_refused(file: str, lines: list[str], told: str, tmp_path: Path) -> None:
    data = trees.gldv2_retrieval(tmp_path)
    trees.text(tmp_path / file, *lines)
    with pytest.raises(DatasetError) as caught:
        load("gldv2-retrieval", data)
    message = str(caught.value)
    assert file in message and told in message and len(message.splitlines()) == 1


@pytest.mark.parametrize("name", ["gldv2-recognition", "gldv2-recognition-full"])
def test_gldv2_recognition_is_recognised_as_by_hand(name: str, tmp_path: Path) -> None:
    dataset = load(name, trees.gldv2_recognition(tmp_path, name))
    assert dataset.images == tuple(f"train/a/b/c/{ID(i)}.jpg" for i in range(3))
    assert dataset.queries == tuple(f"test/a/b/c/{ID(i)}.jpg" for i in (16, 17, 18))
    public, private = dataset.recognition
    assert (public.name, public.method, public.labels.tolist()) == ("public", "gldv2", [5, 5, 8])
    assert (public.queries.tolist(), public.truth) == ([0, 1], (frozenset({5}), frozenset()))
    assert (private.queries.tolist(), private.truth) == ([2], (frozenset({5, 8}),))
    # Public: the distractor is surest (.9), then the right one: precision 1/2, one query with a class. Private: right.
    nearest = {0: [(1, 0.6)], 1: [(2, 0.9)], 2: [(2, 0.3)]}
    assert trees.recognised(public, nearest) == {"GAP": 1 / 2}
    assert trees.recognised(private, nearest) == {"GAP": 1}
    listed = "train.csv" if name.endswith("-full") else "train_clean.csv"
    assert f"The database is that of {listed}." in dataset.notes


@pytest.mark.parametrize(
    ("name", "file", "lines", "told"),
    [
        ("", "train_clean.csv", ["landmark_id,images", f"5;{ID(0)}"], "line 2: 2 fields are expected, 1 found"),
        ("", "train_clean.csv", ["landmark_id,images", "5,../../etc"], "line 2: '../../etc' is no image id"),
        ("", "train_clean.csv", [], "it lists nothing that counts"),
        ("-full", "train.csv", ["id,url,landmark_id", f"{ID(0)},x,{'9' * 5000}"], "is no whole number"),
        ("-full", "train.csv", ["id,url,landmark_id"], "it lists nothing that counts"),
        ("", "recognition_solution_v2.1.csv", ["id,landmarks,Usage", f"{ID(16)},five,Public"], "line 2: 'five' is no"),
        ("", "recognition_solution_v2.1.csv", ["id,landmarks,Usage"], "it lists nothing that counts"),
    ],
)
def test_a_bad_list_of_gldv2_recognition_is_refused(
    name: str, file: str, lines: list[str], told: str, tmp_path: Path
) -> None:
    data = trees.gldv2_recognition(tmp_path, f"gldv2-recognition{name}")
    trees.text(tmp_path / file, *lines)
    with pytest.raises(DatasetError) as caught:
        load(f"gldv2-recognition{name}", data)
    message = str(caught.value)
    assert file in message and told in message and len(message.splitlines()) == 1


def test_a_landmark_with_more_images_than_a_csv_field_holds_is_read(tmp_path: Path) -> None:
    data = trees.gldv2_recognition(tmp_path, "gldv2-recognition")
    trees.text(tmp_path / "train_clean.csv", "landmark_id,images", "5," + " ".join(ID(i) for i in range(9000)))
    assert len(load("gldv2-recognition", data).images) == 9000


def scipy_file(path: Path) -> None:
    scipy_io = pytest.importorskip("scipy.io", reason="scipy is not among the packages the tests need")
    gnd = np.zeros((1, 2), [("ok", object), ("bbx", object)])
    for i, entry in enumerate(trees.INSTRE["gnd"]):
        gnd[0, i] = (np.array([entry["ok"]], np.uint16), np.array([entry["bbx"]], np.float64))
    names = {key: np.array(trees.INSTRE[key], object).reshape(-1, 1) for key in ("imlist", "qimlist")}
    scipy_io.savemat(path, {**names, "gnd": gnd}, do_compression=True)


def as_cells(path: Path) -> None:
    cells = [[entry["ok"], entry["bbx"]] for entry in trees.INSTRE["gnd"]]
    path.write_bytes(mat5.mat_file(trees.INSTRE | {"gnd": cells}))


def big_endian(path: Path) -> None:
    path.write_bytes(mat5.mat_file(trees.INSTRE, order=">"))


def plain(path: Path) -> None:
    path.write_bytes(mat5.mat_file(trees.INSTRE))


def compressed(path: Path) -> None:
    path.write_bytes(mat5.mat_file(trees.INSTRE, compressed=True))


@pytest.mark.parametrize("write", [plain, compressed, big_endian, as_cells, scipy_file])
def test_instre_is_judged_as_by_hand(write: Any, tmp_path: Path) -> None:
    data = trees.instre(tmp_path)
    write(tmp_path / "gnd_instre.mat")
    dataset = load("instre", data)
    assert dataset.images == tuple(trees.INSTRE["imlist"])
    assert dataset.queries == tuple(trees.INSTRE["qimlist"])
    # from x, y, width, height to left, top, right, bottom
    assert dataset.boxes == ((10, 20, 40, 60), (0.5, 1, 100, 10))
    # from MATLAB's 1, 3 and 4
    assert trees.judgements(dataset, "all") == [([0, 2], []), ([3], [])]
    # ranks 1, 3: ((1 + 1) + (1/2 + 2/3)) / 4 = 19/24; rank 2: (0 + 1/2) / 2 = 1/4
    found = trees.means(dataset, ([0, 1, 2, 3], [0, 3, 1, 2]), "mAP")
    assert found == pytest.approx({"all": (19 / 24 + 1 / 4) / 2}, abs=1e-12)


@pytest.mark.parametrize("folder", ["instre", "INSTRE", "test_script"])
def test_instre_is_found_in_the_folders_it_comes_in(folder: str, tmp_path: Path) -> None:
    root = tmp_path if folder == "test_script" else tmp_path / folder
    trees.instre(root)
    if folder == "test_script":
        (root / folder).mkdir()
        (root / "gnd_instre.mat").rename(root / folder / "gnd_instre.mat")
    dataset = load("instre", tmp_path)
    assert dataset.root == root
    assert missing_images(dataset) == ()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"imlist": ["INSTRE-S1/a.jpg", "../../etc/passwd"]}, "imlist: '../../etc/passwd' is no path below"),
        ({"qimlist": ["INSTRE-S1/a.jpg", "/etc/passwd"]}, "qimlist: '/etc/passwd' is no path below"),
        ({"imlist": []}, "imlist is no list of names"),
        ({"imlist": (1, 2)}, "imlist is no list of names"),
        ({"qimlist": ["only-one.jpg"]}, "gnd has no entry for each of the 1 queries"),
        ({"gnd": "text"}, "gnd has no entry for each of the 2 queries"),
        ({"gnd": [(1,), (2,)]}, "gnd(1) has no list of images and no box"),
        ({"gnd": [{"ok": (1,)}] * 2}, "gnd(1) has no list of images and no box"),
        ({"gnd": [{"ok": (0,), "bbx": (1, 1, 1, 1)}] * 2}, "gnd(1) names images that are not among the 4 of imlist"),
        ({"gnd": [trees.INSTRE["gnd"][0], {"ok": (5,), "bbx": (1, 1, 1, 1)}]}, "gnd(2) names images"),
        ({"gnd": [{"ok": (1.5,), "bbx": (1, 1, 1, 1)}] * 2}, "gnd(1) names images"),
        ({"gnd": [{"ok": (float("nan"),), "bbx": (1, 1, 1, 1)}] * 2}, "gnd(1) names images"),
        ({"gnd": [{"ok": (float("inf"),), "bbx": (1, 1, 1, 1)}] * 2}, "gnd(1) names images"),
        ({"gnd": [{"ok": "one", "bbx": (1, 1, 1, 1)}] * 2}, "gnd(1) names images"),
        ({"gnd": [{"ok": (1,), "bbx": (1, 1, 1)}] * 2}, "gnd(1) has no box"),
        ({"gnd": [{"ok": (1,), "bbx": (1, 1, 0, 1)}] * 2}, "gnd(1) has no box"),
        ({"gnd": [{"ok": (1,), "bbx": (1, float("nan"), 1, 1)}] * 2}, "gnd(1) has no box"),
    ],
)
def test_a_bad_ground_truth_of_instre_is_refused(changes: dict[str, Any], told: str, tmp_path: Path) -> None:
    data = trees.instre(tmp_path)
    (tmp_path / "gnd_instre.mat").write_bytes(mat5.mat_file(trees.INSTRE | changes))
    with pytest.raises(DatasetError) as caught:
        load("instre", data)
    message = str(caught.value)
    assert "gnd_instre.mat" in message and told in message and len(message.splitlines()) == 1


def test_instre_without_its_folders_is_refused(tmp_path: Path) -> None:
    (tmp_path / "gnd_instre.mat").write_bytes(mat5.mat_file(trees.INSTRE))
    with pytest.raises(DatasetError, match=r"there is no INSTRE-S1 in .*ftp\.irisa\.fr"):
        load("instre", tmp_path)


POSITIVES = tuple(
    f"ilias_core/{name}.jpg" for name in ("bag_000/pos/P000_00", "bag_000/pos/P000_01", "mug_001/pos/P001_00")
)
ALL_DISTRACTORS = ("yfcc100m/b7.jpg", "yfcc100m/0.tar::a1.jpg", "yfcc100m/0.tar::sub/a2.jpg")


@pytest.mark.parametrize(("name", "distractors"), [("ilias", (0, 1, 2)), ("mini-ilias", (0, 2))])
@pytest.mark.parametrize("folder", [".", "ilias"])
def test_ilias_is_judged_as_by_hand(name: str, distractors: tuple[int, ...], folder: str, tmp_path: Path) -> None:
    trees.ilias(tmp_path / folder, name)
    dataset = load(name, tmp_path)
    assert dataset.root == tmp_path / folder
    # positives and queries in the order of their ids, then the distractors, of mini-ILIAS those of its list
    assert dataset.images == POSITIVES + tuple(ALL_DISTRACTORS[i] for i in distractors)
    queries = ("ilias_core/bag_000/query/Q000_00.jpg", "ilias_core/mug_001/query/Q001_00.jpg")
    assert dataset.queries == queries
    # the hull of (10, 20) to (40, 60) and (5, 30) to (15, 80.5); no file for the other
    assert dataset.boxes == ((5, 20, 40, 80.5), None)
    assert "1 queries have no box here and are asked whole." in dataset.notes
    told = any("Of the 100 million distractors 3 are here" in note for note in dataset.notes)
    assert told is (name == "ilias")
    assert trees.judgements(dataset, "all") == [([0, 1], []), ([2], [])]
    # ranks 1, 3: (1 + 2/3) / 2 = 5/6; rank 2: 1/2
    found = trees.means(dataset, ([0, 3, 1, 2, 4], [0, 2, 1, 3, 4]), "mAP@1000")
    assert found == pytest.approx({"all": (5 / 6 + 1 / 2) / 2}, abs=1e-12)


def test_mini_ilias_says_how_many_distractors_are_missing(tmp_path: Path) -> None:
    data = trees.ilias(tmp_path, "mini-ilias")
    (tmp_path / "yfcc100m" / "0.tar").unlink()
    dataset = load("mini-ilias", data)
    assert dataset.images == (*POSITIVES, "yfcc100m/b7.jpg")
    assert "Of the 2 distractors 1 are here; the official figures have all." in dataset.notes


def test_ilias_does_without_distractors(tmp_path: Path) -> None:
    data = trees.ilias(tmp_path, "ilias")
    for path in (tmp_path / "yfcc100m").iterdir():
        path.unlink()
    (tmp_path / "yfcc100m").rmdir()
    assert load("ilias", data).images == POSITIVES


@pytest.mark.parametrize(
    ("file", "content", "told"),
    [
        (
            "image_ids/image_query_ids.txt",
            b"bag_000/../../etc/passwd\n",
            "line 1: 'bag_000/../../etc/passwd' is no path",
        ),
        (
            "image_ids/positive_ids.txt",
            b"bag_000/pos/P000_00\n/etc/pos/passwd\n",
            "line 2: '/etc/pos/passwd' is no path",
        ),
        ("image_ids/positive_ids.txt", b"", "cannot be used: it lists nothing"),
        ("image_ids/positive_ids.txt", b"\x80\x81", "it is no UTF-8 text"),
        ("ilias_core/bag_000/query/Q000_00_bbox.txt", b"1 2 3\n", "line 1: 4 fields are expected, 3 found"),
        ("ilias_core/bag_000/query/Q000_00_bbox.txt", b"1 2 3 inf\n", "line 1: 'inf' is no number"),
        ("ilias_core/bag_000/query/Q000_00_bbox.txt", b"\n", "it has no box"),
        ("yfcc100m/0.tar", b"no tar file" * 100, "0.tar cannot be used"),
    ],
)
def test_a_bad_file_of_ilias_is_refused(file: str, content: bytes, told: str, tmp_path: Path) -> None:
    data = trees.ilias(tmp_path, "ilias")
    (tmp_path / file).write_bytes(content)
    with pytest.raises(DatasetError) as caught:
        load("ilias", data)
    message = str(caught.value)
    assert Path(file).name in message and told in message and len(message.splitlines()) == 1


def test_a_truncated_tar_file_is_refused(tmp_path: Path) -> None:
    data = trees.ilias(tmp_path, "ilias")
    archive = tmp_path / "yfcc100m" / "0.tar"
    # a header and a block for each member; this is within the second member's content
    archive.write_bytes(archive.read_bytes()[: 3 * 512 + 30])
    with pytest.raises(DatasetError, match=r"0\.tar cannot be used"):
        load("ilias", data)


def test_the_real_list_of_ilias_is_read(shared_data: Path, tmp_path: Path) -> None:
    listed = (shared_data / "ground_truth" / "ilias" / "ilias_core_captured.txt").read_text().split()
    (tmp_path / "ilias_core").mkdir()
    kinds = {"image_query": "query", "positive": "pos"}
    names = {kind: [n for n in listed if f"/{folder}/" in n and n.endswith(".jpg")] for kind, folder in kinds.items()}
    for kind, chosen in names.items():
        trees.text(tmp_path / "image_ids" / f"{kind}_ids.txt", *(name.removesuffix(".jpg") for name in chosen))
    dataset = load("ilias", tmp_path)
    assert dataset.images == tuple(f"ilias_core/{name}" for name in sorted(names["positive"]))
    assert dataset.queries == tuple(f"ilias_core/{name}" for name in sorted(names["image_query"]))
    for query, (relevant, _) in zip(dataset.queries, trees.judgements(dataset, "all"), strict=True):
        folder = query.partition("/query/")[0]
        assert [dataset.images[row] for row in relevant] == [
            n for n in dataset.images if n.startswith(f"{folder}/pos/")
        ]
