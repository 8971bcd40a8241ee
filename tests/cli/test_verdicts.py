"""`dinosearch verdicts`: what was said of results is listed, filtered and taken back, in this process."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from tests.cli.conftest import Run, objects
from tests.conftest import write_photo


@pytest.fixture
def folder(run: Run, tmp_path: Path) -> Path:
    for i in range(22):
        write_photo(tmp_path / "photos" / f"{i:02}.png", seed=i, size=(160, 120))
    assert run("index", tmp_path / "photos").exit_code == 0
    return tmp_path / "photos"


@pytest.fixture
def judged(run: Run, folder: Path, tmp_path: Path) -> Path:
    """Three verdicts: two on an image of the collection, one on a picture from elsewhere."""
    run("confirm", folder / "00.png", folder / "01.png", "id:3")
    run("reject", write_photo(tmp_path / "outside.png", seed=99), folder / "01.png")
    return folder


def test_they_are_listed_the_newest_first(run: Run, judged: Path, tmp_path: Path) -> None:
    digest = hashlib.sha256((tmp_path / "outside.png").read_bytes()).hexdigest()
    result = run("verdicts")
    heading, *lines, why = result.stdout.splitlines()
    assert result.exit_code == 0 and heading.split() == ["said", "score", "when", "query", "result"]
    assert lines[0].startswith("not the same *") and f"sha256:{digest}" in lines[0]
    assert all(line.startswith("the same *") and f"id:1 {judged / '00.png'}" in line for line in lines[1:])
    assert [line.rsplit(None, 1)[1] for line in lines] == [str(judged / f"{n}.png") for n in ("01", "02", "01")]
    assert why.endswith("dinosearch calibrate")
    assert run("calibrate").exit_code == 0
    assert "*" not in run("verdicts").stdout
    rows = objects(run("verdicts", "--json"))
    assert {row["type"] for row in rows} == {"verdict"} and all(row["counts"] for row in rows)
    assert [(row["query"], row["id"], row["same"]) for row in rows] == [(None, 2, False), (1, 3, True), (1, 2, True)]
    assert rows[0]["query_sha256"] == digest and rows[0]["path"] == str(judged / "01.png")


def test_they_are_asked_for_by_query_and_result(run: Run, judged: Path, tmp_path: Path) -> None:
    def found(*asked: str | Path) -> list[tuple[int | None, int]]:
        return [(row["query"], row["id"]) for row in objects(run("verdicts", "--json", *asked))]

    digest = hashlib.sha256((tmp_path / "outside.png").read_bytes()).hexdigest()
    assert found(judged / "00.png") == found("id:1") == [(1, 3), (1, 2)]
    assert found(tmp_path / "outside.png") == found(f"sha256:{digest}") == [(None, 2)]
    assert found("id:1", judged / "01.png") == found("id:1", "id:2") == [(1, 2)]
    nothing = run("verdicts", "id:9")
    assert (nothing.exit_code, nothing.stdout) == (1, "") and "dinosearch confirm" in nothing.stderr


def test_they_are_taken_back_and_the_calibration_follows(run: Run, judged: Path) -> None:
    assert "corrected by 3 verdicts" in run("calibrate").stdout
    run("remove", judged / "02.png")  # of which something was said all the same
    assert "(removed)" in run("verdicts", "id:1", "id:3").stdout
    assert run("verdicts", "--forget", "id:1", "id:3").stdout == "1 verdict forgotten, corrected by 2 verdicts\n"
    (left,) = objects(run("verdicts", "--forget", judged / "00.png", "--json"))
    assert (left["type"], left["verdicts"]) == ("verdicts forgotten", 1)
    assert (left["calibration"]["confirmed"], left["calibration"]["rejected"]) == (0, 1)
    assert run("verdicts", "--forget", judged / "00.png").exit_code == 1
    assert run("verdicts", "--forget", "--all").stdout == "1 verdict forgotten\n"
    assert run("verdicts").exit_code == 1


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--forget"], "which verdicts are that? dinosearch verdicts --forget QUERY; all of them with --all"),
        (["--all"], "--all goes with --forget"),
        (["--forget", "--all", "id:1"], "--all goes with --forget, without a QUERY"),
        (["id:99"], "there is no image id:99"),
        (["absent.png"], "absent.png: no such file"),
        (["id:1", "absent.png"], "absent.png is not in the collection"),
        (["id:1", "id:x"], "id:x is not in the collection"),
    ],
)
def test_mistakes(run: Run, folder: Path, arguments: list[str], why: str) -> None:
    result = run("verdicts", *arguments)
    assert result.exit_code == 2 and result.stdout == ""
    assert why in " ".join(result.stderr.split())
