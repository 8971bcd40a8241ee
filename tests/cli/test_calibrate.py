"""`dinosearch calibrate`, `confirm` and `reject` in this process, with an embedder that needs no weights."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Run, objects
from tests.conftest import write_photo


@pytest.fixture
def folder(run: Run, tmp_path: Path) -> Path:
    for i in range(30):
        write_photo(tmp_path / "photos" / f"{i:02}.png", seed=i, size=(160, 120))
    assert run("index", tmp_path / "photos").exit_code == 0
    return tmp_path / "photos"


def test_calibrate_writes_a_table_and_hits_are_sure_afterwards(run: Run, folder: Path) -> None:
    result = run("calibrate")
    assert result.exit_code == 0
    heading, *lines, last = result.stdout.splitlines()
    assert heading.startswith("precision  score")
    assert [float(line.split()[0]) for line in lines] == [0.5, 0.8, 0.95]
    scores = [float(line.split()[1]) for line in lines]
    assert scores == sorted(scores)
    assert last == "learned from 60 right and 1,740 wrong pairs"
    (hit, *_) = objects(run("query", folder / "00.png", "--include-self", "--json"))
    assert hit["confidence"] > 0.9


def test_json_has_thresholds_and_counts(run: Run, folder: Path) -> None:
    (found,) = objects(run("calibrate", "--json", "--sample", "20"))
    assert found["type"] == "calibration"
    assert [one["precision"] for one in found["thresholds"]] == [0.5, 0.8, 0.95]
    assert found["positives"] == 40
    assert (found["confirmed"], found["rejected"], found["unreadable"]) == (0, 0, 0)


def test_precision_chooses_the_threshold(run: Run, folder: Path) -> None:
    (found,) = objects(run("calibrate", "--json"))
    least = next(one["score"] for one in found["thresholds"] if one["precision"] == 0.95)
    hits = objects(run("query", folder / "00.png", "--include-self", "--precision", "0.95", "-k", "30", "--json"))
    everything = objects(run("query", folder / "00.png", "--include-self", "-k", "30", "--json"))
    assert [hit["score"] for hit in hits] == [hit["score"] for hit in everything if hit["score"] >= least]
    assert 1 <= len(hits) < 30


def test_verdicts_are_counted(run: Run, folder: Path) -> None:
    early = run("confirm", folder / "00.png", folder / "01.png")
    assert (early.exit_code, early.stdout) == (
        0,
        "1 verdict recorded; it counts once you run: dinosearch calibrate\n",
    )
    assert "corrected by 1 verdict" in run("calibrate").stdout
    assert run("reject", folder / "00.png", "id:3", "id:4").stdout == ("2 verdicts recorded; corrected by 3 verdicts\n")
    (found,) = objects(run("reject", folder / "00.png", folder / "01.png", "--json"))
    assert (found["type"], found["same"], found["results"]) == ("verdicts", False, 1)
    assert (found["calibration"]["confirmed"], found["calibration"]["rejected"]) == (0, 3)
    assert run("confirm", folder / "00.png", "id:3", "--quiet").stdout == ""


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["confirm", "photos/00.png", "id:999"], "there is no image id:999"),
        (["reject", "photos/00.png", "absent.png"], "absent.png is not in the collection"),
        (["reject", "absent.png", "id:1"], "absent.png"),
        (["confirm", "photos/00.png"], "Missing argument 'RESULT...'"),
        (["calibrate", "--sample", "3"], "3 is not in the range"),
        (["query", "photos/00.png", "--precision", "0.95"], "dinosearch calibrate"),
    ],
)
def test_mistakes(run: Run, folder: Path, arguments: list[str], why: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert why in " ".join(result.stderr.split())


def test_a_small_collection_is_refused_with_a_sentence(run: Run, photo_folder: Path) -> None:
    assert run("index", photo_folder).exit_code == 0
    result = run("calibrate")
    assert result.exit_code == 2
    assert "a calibration needs 20 images" in result.stderr
