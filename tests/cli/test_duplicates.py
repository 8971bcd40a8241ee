"""The verb `duplicates`: what it writes, refuses and moves."""

from __future__ import annotations

import html
import re
import shutil
import sys
from pathlib import Path

import pytest

from tests.analysis.duplicate_homes import photo
from tests.cli.conftest import Run, objects


@pytest.fixture
def copied(run: Run, photo_folder: Path) -> Path:
    """Twelve photos, the first of them twice, and one photo in two encodings."""
    shutil.copy(photo_folder / "00.png", photo_folder / "same.png")
    photo(5).save(photo_folder / "photo.png")
    photo(5).save(photo_folder / "photo & copy.jpg", quality=60)
    assert run("index", photo_folder).exit_code == 0
    return photo_folder


LOOSE = ("--threshold", "0.95")


def test_table(run: Run, copied: Path) -> None:
    result = run("duplicates", *LOOSE)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0] == "1  exact" and re.fullmatch(r"   keep  .*/00\.png  64 x 48, .*  id:\d+", lines[1])
    assert re.fullmatch(r"   go    .*/same\.png  .*", lines[2])
    assert re.fullmatch(r"2  near-copy, smallest cosine [01]\.\d{4}", lines[3]) and len(lines) == 7
    assert re.fullmatch(r"2 groups \(1 exact, 1 near-copy\); 2 files may go, .*; nothing was changed", lines[-1])
    assert len(list(copied.iterdir())) == 15


def test_json(run: Run, copied: Path) -> None:
    found = objects(run("duplicates", *LOOSE, "--json", "--keep", "path:*.jpg", "--keep", "path:same.png"))
    exact, near, summary = found
    assert [(file["kept"], file["goes"], Path(file["path"]).name) for file in exact["files"]] == [
        (True, False, "same.png"),
        (False, True, "00.png"),
    ]
    assert exact["tier"] == "exact" and near["tier"] == "near-copy" and near["files"][0]["path"].endswith(".jpg")
    assert near["files"][1]["score"] == pytest.approx(near["smallest"]) and 0.95 < near["smallest"] <= 1
    assert summary["groups"] == {"exact": 1, "near-copy": 1, "same-instance": 0} and summary["going"] == 2
    assert summary["size"] == sum(file["size"] for group in (exact, near) for file in group["files"] if file["goes"])
    assert summary["thresholds"] == {"near-copy": 0.95} and summary["checked"] >= 1


def test_a_tier_of_its_own_with_its_threshold(run: Run, copied: Path) -> None:
    asked = ("--tier", "same-instance", "--threshold", "same-instance=0.99", "--threshold", "near-copy=0.1", "--json")
    found = objects(run("duplicates", *asked))
    assert found[-1]["thresholds"] == {"same-instance": 0.99} and found[-1]["checked"] == 0
    assert {group["tier"] for group in found[:-1]} == {"same-instance"}


def test_nothing_found(run: Run, indexed: Path) -> None:
    result = run("duplicates", "--threshold", "1")
    assert result.exit_code == 1 and result.stdout.startswith("no duplicates; 0 files")


def test_sheet_holds_every_group(run: Run, copied: Path, tmp_path: Path) -> None:
    assert run("duplicates", *LOOSE, "--sheet", "sheet.html").exit_code == 0
    page = (tmp_path / "sheet.html").read_text(encoding="utf-8")
    groups = objects(run("duplicates", *LOOSE, "--json"))[:-1]
    assert page.count("<article") == len(groups) == 2 and page.count("data:image/jpeg;base64,") == 4
    for group in groups:
        for file in group["files"]:
            assert html.escape(Path(file["path"]).name) in page
        assert f"<small>{group['tier']}</small>" in page
    assert page.count('<li class="kept">') == 2 and page.count('<li class="goes">') == 2
    assert not re.findall(r'(?:src|href)="(?!data:)', page) and "<script" not in page


def test_verdicts(run: Run, copied: Path) -> None:
    near = objects(run("duplicates", *LOOSE, "--json"))[1]
    ids = sorted(file["id"] for file in near["files"])
    told = run("duplicates", "--not-duplicates", f"id:{ids[1]}", str(ids[0]))
    assert told.exit_code == 0 and told.stdout == "1 pair remembered to be no duplicates\n"
    result = run("duplicates", *LOOSE, "--json")
    assert [group["tier"] for group in objects(result)[:-1]] == ["exact"] and objects(result)[-1]["hidden"] == 1
    assert "1 group of images that were said to be no duplicates left out" in result.stderr
    assert objects(run("duplicates", "--forget-verdicts", "--json"))[0]["forgotten"] == 1
    assert len(objects(run("duplicates", *LOOSE, "--json"))) == 3


def test_verdicts_on_nobody(run: Run, copied: Path) -> None:
    result = run("duplicates", "--not-duplicates", "1", "99")
    assert result.exit_code == 2 and "no image id:99" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("5",), "--not-duplicates and --forget-verdicts"),
        (("--not-duplicates", "5"), "two images"),
        (("--not-duplicates", "5", "x"), "no image id"),
        (("--not-duplicates", "1", "2", "--trash"), "alone"),
        (("--between", "a"), "go together"),
        (("--yes",), "for --trash"),
        (("--threshold", "high"), "no score"),
        (("--threshold", "exact=0.5"), "no threshold"),
        (("--threshold", "1.5"), "no cosine"),
        (("--keep", "smallest"), "no rule"),
        (("--sheet", "sheet.pdf"), ".html"),
        (("--between", "a", "--and", "a/b"), "not two folders"),
        (("--where", "colour = red"), "field"),
    ],
)
def test_what_makes_no_sense(run: Run, indexed: Path, arguments: tuple[str, ...], said: str) -> None:
    result = run("duplicates", *arguments)
    assert result.exit_code == 2 and said in result.stderr and "Traceback" not in result.stderr


def test_between_folders_with_nothing_of_the_collection(run: Run, indexed: Path, tmp_path: Path) -> None:
    refused = run("duplicates", "--between", indexed, "--and", tmp_path / "else where")
    assert refused.exit_code == 2 and refused.stdout == ""
    assert f"nothing of the collection lies in {tmp_path / 'else where'}" in refused.stderr
    assert f"dinosearch index '{tmp_path / 'else where'}'" in refused.stderr


@pytest.fixture
def trashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was moved, to nowhere."""
    gone: list[str] = []

    def move(path: str) -> None:
        Path(path).unlink()
        gone.append(Path(path).name)

    monkeypatch.setattr("send2trash.send2trash", move)
    return gone


def test_trash_asks_first(run: Run, copied: Path, trashed: list[str]) -> None:
    silent = run("duplicates", *LOOSE, "--trash")
    assert silent.exit_code == 2 and "--yes" in silent.stderr and trashed == []
    no = run("duplicates", *LOOSE, "--trash", stdin=b"n\n")
    assert no.exit_code == 0 and "nothing was moved" in no.stderr and trashed == []
    yes = run("duplicates", *LOOSE, "--trash", stdin=b"y\n")
    assert yes.exit_code == 0 and trashed == ["same.png", "photo & copy.jpg"]
    assert yes.stdout.index("same.png") < yes.stdout.index("2 files moved to the trash")
    assert len((Path("index") / "trashed.jsonl").read_text(encoding="utf-8").splitlines()) == 4
    assert run("duplicates", *LOOSE).exit_code == 1 and run("verify").exit_code == 0


def test_trash_in_json_with_a_problem(run: Run, copied: Path, trashed: list[str]) -> None:
    (copied / "same.png").write_bytes(b"changed")
    result = run("duplicates", *LOOSE, "--trash", "--yes", "--json", "--log", "moved.jsonl")
    stayed, done = objects(result)[-2:]
    assert result.exit_code == 3 and Path(stayed["path"]).name == "same.png" and "changed" in stayed["reason"]
    assert done["files"] == 1 and done["log"] == "moved.jsonl" and Path("moved.jsonl").is_file()


def test_without_send2trash(run: Run, copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "send2trash", None)
    result = run("duplicates", *LOOSE, "--trash", "--yes")
    assert result.exit_code == 2 and "pip install 'dinosearch[analysis]'" in result.stderr
