"""Labels on the command line, from a person and by vote, on SQLite and PostgreSQL; and classify from end to end."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dinosearch import Collection
from dinosearch.analysis.classify.knn import TEMPERATURE
from tests.cli.conftest import Run, objects
from tests.conftest import FakeEmbedder

COLOURS = {"red": (220, 40, 40), "green": (40, 200, 60), "blue": (40, 60, 220)}
EACH = 6


@pytest.fixture
def by_colour(tmp_path: Path) -> Path:
    """Three folders of six pictures, each of a colour with noise of its own."""
    rng = np.random.default_rng(0)
    for name, colour in COLOURS.items():
        (tmp_path / "by-colour" / name).mkdir(parents=True)
        for number in range(EACH):
            noisy = np.clip(np.array(colour) + rng.integers(-60, 61, (48, 64, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(noisy).save(tmp_path / "by-colour" / name / f"{number}.png")
    return tmp_path / "by-colour"


@pytest.fixture(params=["sqlite", "postgresql"])
def home(request: pytest.FixtureRequest, run: Run, by_colour: Path, tmp_path: Path) -> str:
    """An indexed collection of them in each kind of store."""
    place = str(tmp_path / "home") if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    assert run("index", by_colour, "--home", place).exit_code == 0
    return place


def labels(run: Run, home: str, where: str) -> dict[str, tuple[str | None, float | None, bool | None]]:
    """What the files that match are called, by folder and name."""
    files = objects(run("export", "-", "--home", home, "--where", where))
    return {
        "/".join(Path(file["path"]).parts[-2:]): tuple(  # type: ignore[misc]
            file.get(key) for key in ("label", "label_confidence", "label_given")
        )
        for file in files
    }


def test_from_a_few_given_labels_to_filters(run: Run, home: str, by_colour: Path) -> None:
    assert run("label", "--home", home).exit_code == 1
    assert (
        run("label", "Rouge", by_colour / "red" / "0.png", by_colour / "red" / "1.png", "--home", home).exit_code == 0
    )
    for name in ("green", "blue"):
        assert run("label", name, by_colour / name / "0.png", "--home", home).exit_code == 0
    tried = objects(run("label", "--vote", "--dry-run", "--json", "--home", home))
    assert tried[-1] == {
        "schema": 1, "type": "vote", "examples": 4, "labels": 3, "voted": 14, "unsure": 0, "dry_run": True,
    }  # fmt: skip
    assert len(labels(run, home, "label is known")) == 4
    done = objects(run("label", "--vote", "--json", "--home", home))
    assert {one["label"]: (one["given"], one["voted"]) for one in done[:-1]} == {
        "Rouge": (2, 4), "green": (1, 5), "blue": (1, 5),
    }  # fmt: skip
    found = labels(run, home, "label = rouge and confidence >= 0.8")
    assert set(found) == {f"red/{number}.png" for number in range(EACH)}
    assert found["red/0.png"] == ("Rouge", 1.0, True) and found["red/5.png"][2] is False
    hits = objects(run("query", by_colour / "red" / "0.png", "--where", "label = blue", "--json", "--home", home))
    assert {(hit["label"], Path(hit["path"]).parent.name) for hit in hits} == {("blue", "blue")}
    assert {hit["label_confidence"] for hit in hits} == {one[1] for one in labels(run, home, "label = blue").values()}


def test_the_confidence_is_the_share_of_the_vote(run: Run, home: str, by_colour: Path) -> None:
    given = {"red": "red/0.png", "green": "green/0.png"}
    for name, path in given.items():
        run("label", name, by_colour / path, "--home", home)
    assert run("label", "--vote", "--min-confidence", "0", "--home", home).exit_code == 0
    with Collection.open(home, embedder=FakeEmbedder(), read_only=True) as collection:
        by_name = {"/".join(Path(f["path"]).parts[-2:]): f["id"] for f in collection.files()}
        examples = collection.vectors([by_name[path] for path in given.values()])[1].astype(np.float64)
        for name, (label, confidence, is_given) in labels(run, home, "label is known").items():
            if is_given:
                continue
            weights = np.exp(examples @ collection.vectors([by_name[name]])[1][0] / TEMPERATURE)
            assert label == list(given)[int(weights.argmax())]
            assert confidence == pytest.approx(weights.max() / weights.sum(), abs=1e-4)


def test_a_vote_never_changes_what_a_person_said_and_unsure_ones_lose_theirs(
    run: Run, home: str, by_colour: Path
) -> None:
    run("label", "red", by_colour / "red", "--home", home)  # a folder
    run("label", "green", by_colour / "green" / "0.png", "--home", home)
    run("label", "mistake", by_colour / "red" / "3.png", "--home", home)  # given anew
    run("label", "--vote", "--home", home)
    assert labels(run, home, "label = mistake") == {"red/3.png": ("mistake", 1.0, True)}
    assert len(labels(run, home, "label = red and confidence = 1")) >= EACH - 1
    assert len(labels(run, home, "label is missing")) < 2 * EACH
    run("label", "--vote", "--min-score", "0.9999", "--home", home)
    assert set(labels(run, home, "label is known")) == {
        *(f"red/{number}.png" for number in range(EACH)), "green/0.png",
    }  # fmt: skip


def test_labels_are_forgotten_as_told(run: Run, home: str, by_colour: Path) -> None:
    run("label", "red", by_colour / "red" / "0.png", "--home", home)
    run("label", "--vote", "--home", home)
    would = run("label", "--clear", "voted", "--where", "path ~ 'red/*'", "--dry-run", "--home", home)
    assert would.stdout == f"{EACH - 1} labels would be forgotten\n"
    assert run("label", "--clear", "voted", "--where", "path ~ 'red/*'", "--home", home).exit_code == 0
    assert set(labels(run, home, "label is known and path ~ 'red/*'")) == {"red/0.png"}
    assert objects(run("label", "--clear", "voted", "--json", "--home", home))[0]["labels"] == 2 * EACH
    assert run("label", "--clear", "voted", "--home", home).exit_code == 1
    run("label", "--clear", "all", "--home", home)
    assert labels(run, home, "label is known") == {}
    assert run("label", "--vote", "--home", home).exit_code == 2


def test_labels_go_out_with_the_images_and_come_back(run: Run, home: str, by_colour: Path, tmp_path: Path) -> None:
    run("label", "red", by_colour / "red" / "0.png", "--home", home)
    run("label", "--vote", "--home", home)
    before = labels(run, home, "id > 0")
    assert run("export", tmp_path / "out", "--home", home).exit_code == 0
    other = str(tmp_path / "other")
    assert run("import", tmp_path / "out", "--home", other).exit_code == 0
    assert labels(run, other, "id > 0") == before
    run("label", "own", by_colour / "red" / "1.png", "--home", other)
    assert run("import", tmp_path / "out", "--home", other).exit_code == 0  # voted ones do not replace it
    assert labels(run, other, "name = 1.png and path ~ 'red/*'") == {"red/1.png": ("own", 1.0, True)}
    run("remove", by_colour / "red", "--home", other)
    run("compact", "--home", other)
    assert run("verify", "--home", other).exit_code == 0
    with Collection.open(other, embedder=FakeEmbedder(), read_only=True) as collection:
        assert len(collection.tags()) == 2 * EACH


def test_from_a_folder_whose_images_are_elsewhere_and_from_tables(run: Run, by_colour: Path, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for name in COLOURS:
        for number in range(2, EACH):
            (by_colour / name / f"{number}.png").rename(photos / f"{name}-{number}.png")
    (photos / "copy.png").write_bytes((by_colour / "red" / "0.png").read_bytes())  # the content of an example
    home = str(tmp_path / "home")
    assert run("index", photos, "--home", home).exit_code == 0
    done = run("label", "--from", by_colour, "--sheet", tmp_path / "s.png", "--json", "--home", home)
    assert done.exit_code == 0, done.stderr
    assert objects(done)[-1]["examples"] == 3 * 2 and objects(done)[-1]["voted"] == 3 * (EACH - 2)
    voted = labels(run, home, "label is known and not name = copy.png")
    assert {(Path(name).stem.split("-")[0], label) for name, (label, _, _) in voted.items()} == {
        (n, n) for n in COLOURS
    }
    assert labels(run, home, "name = copy.png") == {"photos/copy.png": ("red", 1.0, True)}
    with Image.open(tmp_path / "s.png") as sheet:
        assert sheet.width == 1496
    run("label", "--clear", "all", "--home", home)
    first = photos / "red-2.png"
    for suffix, text in (
        (".csv", f"path,label\n{first},warm\n../nowhere.png,cold\n"),
        (".tsv", f"label\timage\nwarm\t{first.name}\ncold\tnowhere.png\n"),
        (".jsonl", json.dumps({"path": str(first), "label": "warm"}) + '\n{"id": 999, "label": "cold"}\n'),
    ):
        table = photos / f"said{suffix}"
        table.write_text(text)
        done = run("label", "--from", table, "--min-score", "0.99999", "--home", home)
        assert done.exit_code == 3 and "1 image not found" in done.stderr
        assert labels(run, home, "label = warm and confidence = 1")["photos/red-2.png"] == ("warm", 1.0, True)
        run("label", "--clear", "all", "--home", home)
    (photos / "bad.csv").write_text("a,b\n1,2\n")
    bad = run("label", "--from", photos / "bad.csv", "--home", home)
    assert bad.exit_code == 2 and "entry 1" in bad.stderr


def test_an_image_with_two_labels_is_left_out_and_told(run: Run, home: str, by_colour: Path, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("id,label\n1,a\n1,b\n2,b\n")
    done = run("label", "--from", tmp_path / "t.csv", "--home", home)
    assert done.exit_code == 3 and "1 image left out: given two labels" in done.stderr
    with Collection.open(home, embedder=FakeEmbedder(), read_only=True) as collection:
        assert [number for number, tag in collection.tags().items() if tag.given] == [2]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("cat",), "which images"),
        (("cat", "id:99"), "id:99 is not in the collection"),
        (("cat", "id:1", "nowhere"), "nowhere is not in the collection"),
        (("--clear", "all", "--vote"), "--clear forgets"),
        (("--where", "id = 1"), "--where goes with"),
        (("--from", "gone"), "no folder of class folders"),
        (("--from", "gone.csv"), "cannot be read as a table"),
        (("cat", "id:1", "--from", "x"), "not both"),
        (("", "id:1"), "'' is no label"),
        (("two\nlines", "id:1"), "is no label"),
    ],
)
def test_what_is_asked_wrongly_is_one_sentence(run: Run, indexed: Path, arguments: tuple[str, ...], said: str) -> None:
    done = run("label", *arguments)
    assert done.exit_code == 2 and said in done.stderr
    assert run("label").exit_code == 1  # nothing was written


def test_classify_from_end_to_end(run: Run, by_colour: Path, tmp_path: Path) -> None:
    (by_colour / "red" / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing behind it")
    command = ("classify", by_colour, "--method", "knn", "--method", "svm", "--folds", "3", "-k", "3")
    done = run(*command, "--sheet", tmp_path / "c.png", "--per-class")
    assert done.exit_code == 3 and "1 image missing or unreadable" in done.stderr
    assert "18 examples of 3 classes, 3 folds, seed 0" in done.stdout and "k-NN, weighted vote  1.0000" in done.stdout
    assert (tmp_path / "c.png").is_file()
    found = objects(run(*command, "--json"))[0]
    assert [result["method"] for result in found["results"]] == ["knn", "svm"]
    assert found["classes"] == sorted(COLOURS) and found["results"][0]["figures"]["top1"] == 1.0
    assert found["results"][0]["figures"]["per_class"]["red"]["support"] == EACH
    assert found["recipe"]["model"]["checkpoint"] == "fake" and found["missing"][0].endswith("torn.png")
    (by_colour / "red" / "torn.png").unlink()
    test = tmp_path / "test"
    for name in COLOURS:
        (test / name).mkdir(parents=True)
        (test / name / "t.png").write_bytes((by_colour / name / "0.png").read_bytes())
    found = objects(run("classify", by_colour, test, "--json"))[0]
    assert (found["tested"], found["train"], found["folds"], found["shared"]) == (3, 18, 0, 3)
    assert run("classify", by_colour, "--home", "postgresql+psycopg://x/y").exit_code == 2
    assert run("classify", by_colour, "--sheet", "c.html").exit_code == 2
