"""`dinosearch index`: counts, failures, lists of paths on stdin, options before and after the verb, refusals."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import dinosearch.embedding.load
from tests.cli.conftest import Run, objects
from tests.conftest import write_photo


def test_counts_in_json(run: Run, photo_folder: Path) -> None:
    (photo_folder / "bad.jpg").write_text("not a photo")
    result = run("index", photo_folder, "--json")
    failure, summary = objects(result)
    assert result.exit_code == 3
    assert failure == {"schema": 1, "type": "failure", "path": str(photo_folder / "bad.jpg"), "reason": "not an image"}
    assert summary.pop("seconds") > 0
    assert summary == {
        "schema": 1, "type": "summary",
        "added": 12, "unchanged": 0, "moved": 0, "changed": 0, "removed": 0, "failed": 1, "offline": 0, "embedded": 12,
    }  # fmt: skip
    assert all(type(value) is int for name, value in summary.items() if name != "type")


def test_counts_in_words(run: Run, photo_folder: Path) -> None:
    first = run("index", photo_folder)
    assert first.exit_code == 0
    assert first.stdout.startswith("12 images: 12 added in ")
    (photo_folder / "00.png").rename(photo_folder / "new.png")
    (photo_folder / "01.png").unlink()
    assert run("index", photo_folder).stdout.startswith("11 images: 10 unchanged, 1 moved, 1 removed in ")


def test_the_first_twenty_failures_are_named_on_stderr(run: Run, tmp_path: Path) -> None:
    write_photo(tmp_path / "photos" / "good.png", seed=1)
    for i in range(25):
        (tmp_path / "photos" / f"bad{i:02}.jpg").write_text("no")
    result = run("index", "photos")
    assert result.exit_code == 3
    assert result.stdout.startswith("1 image: 1 added, 25 failed in ")
    lines = result.stderr.splitlines()
    assert lines[0] == f"dinosearch: {tmp_path}/photos/bad00.jpg: not an image"
    assert len(lines) == 21
    assert lines[20] == "dinosearch: and 5 more; see all with --json"
    assert len(objects(run("index", "photos", "--json"))) == 26


def test_quiet_says_only_what_failed(run: Run, photo_folder: Path) -> None:
    (photo_folder / "bad.jpg").write_text("no")
    result = run("--quiet", "index", photo_folder)
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr == f"dinosearch: {photo_folder}/bad.jpg: not an image\n"


@pytest.mark.parametrize("separator", [b"\n", b"\r\n", b"\0"])
def test_paths_on_stdin(run: Run, photo_folder: Path, separator: bytes) -> None:
    names = [os.fsencode(photo_folder / f"{i:02}.png") for i in range(3)]
    result = run("index", "-", "--json", stdin=separator.join(names) + separator)
    assert objects(result)[-1]["added"] == 3
    assert result.exit_code == 0


def test_a_name_with_a_newline_needs_nul(run: Run, tmp_path: Path) -> None:
    odd = write_photo(tmp_path / "odd" / "x.png", seed=1).rename(tmp_path / "odd" / "two\nlines.png")
    assert objects(run("index", "-", "--json", stdin=os.fsencode(odd) + b"\0"))[-1]["added"] == 1


def test_an_empty_list_is_refused(run: Run) -> None:
    result = run("index", "-", stdin=b"\n\n")
    assert result.exit_code == 2
    assert "the list of paths on stdin is empty" in result.stderr


def test_a_mistyped_folder_begins_no_collection(run: Run, tmp_path: Path) -> None:
    result = run("index", "fotos")
    assert result.exit_code == 2
    assert result.stderr == "dinosearch: no such file or folder: fotos; nothing was indexed; check the path\n"
    assert not (tmp_path / "index").exists()


def test_a_home_that_is_a_file_is_refused(run: Run, photo_folder: Path) -> None:
    photo = photo_folder / "00.png"
    content = photo.read_bytes()
    result = run("index", photo_folder, "--home", photo)
    assert result.exit_code == 2 and "00.png is a file, and the home of a collection is a folder" in result.stderr
    assert photo.read_bytes() == content


def test_a_missing_folder_beside_others_is_a_failure(run: Run, indexed: Path) -> None:
    result = run("index", indexed, "fotos", "--json")
    assert result.exit_code == 3
    assert [found["type"] for found in objects(result)] == ["failure", "summary"]


def test_offline_images_are_kept_and_said(run: Run, indexed: Path) -> None:
    indexed.rename(indexed.with_name("unplugged"))
    result = run("index", indexed)
    assert result.exit_code == 0
    assert result.stdout.startswith("0 images: 12 offline in ")
    assert "offline images were kept" in result.stderr


def test_exclude_may_be_repeated(run: Run, photo_folder: Path) -> None:
    result = run("index", photo_folder, "--exclude", "0*.png", "--exclude", "11.png", "--json")
    assert objects(result)[-1]["added"] == 1


def test_common_options_before_and_after_the_verb(run: Run, photo_folder: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("DINOSEARCH_HOME", str(tmp_path / "environment"))
    assert objects(run("--json", "--home", "before", "index", photo_folder))[-1]["added"] == 12
    assert objects(run("--home", "before", "index", photo_folder, "--home", "after", "--json"))[-1]["added"] == 12
    assert objects(run("index", photo_folder, "--json"))[-1]["added"] == 12
    homes = {path.parent.name for path in tmp_path.glob("*/metadata.sqlite")}
    assert homes == {"before", "after", "environment"}


def test_model_options_reach_the_embedder(run: Run, photo_folder: Path, embedders) -> None:
    run("index", photo_folder, "--model", "mini", "--device", "cpu", "--dtype", "bfloat16", "--batch", "4",
        "--preprocessing", "fit-448", "--weights", "w.pth")  # fmt: skip
    (given,) = embedders
    assert (given["model"], given["device"], given["dtype"], given["batch"]) == ("mini", "cpu", "bfloat16", 4)
    assert (str(given["preprocessing"]), given["weights"]) == ("fit-448", "w.pth")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--preprocessing", "stretch-224"], "is not one of squash-N, fit-N, crop-N"),
        (["--recall", "0"], "--recall"),
        (["--recall", "1.5"], "--recall"),
        (["--batch", "0"], "--batch"),
        (["--workers", "0"], "--workers"),
        (["--dtype", "int8"], "--dtype"),
        (["--model", "dinov2_vits15", "--home", "fresh"], "there is no model 'dinov2_vits15'"),
    ],
)
def test_arguments_that_cannot_be(run: Run, photo_folder: Path, arguments: list[str], said: str, monkeypatch) -> None:
    # The real one refuses the name of a model before it loads anything.
    monkeypatch.setattr("dinosearch.embedding.open_embedder", dinosearch.embedding.load.open_embedder)
    result = run("index", photo_folder, *arguments)
    assert result.exit_code == 2
    assert said in result.stderr
    assert "Traceback" not in result.stderr


def test_a_full_disk_is_a_sentence_and_a_bug_is_not(run: Run, photo_folder: Path, monkeypatch) -> None:
    def fail(error: Exception):
        def index(*args, **kwargs):
            raise error

        monkeypatch.setattr("dinosearch.Collection.index", index)

    fail(OSError(28, "No space left on device", "/disk/vectors-1.f32"))
    result = run("index", photo_folder)
    assert result.exit_code == 2
    assert result.stderr.startswith("dinosearch: /disk/vectors-1.f32: No space left on device; ")
    fail(ZeroDivisionError("a bug"))
    with pytest.raises(ZeroDivisionError):
        run("index", photo_folder)


def test_interrupted_says_that_work_is_kept(run: Run, photo_folder: Path, monkeypatch) -> None:
    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("dinosearch.Collection.index", interrupted)
    result = run("index", photo_folder)
    assert result.exit_code == 130
    assert result.stderr == (
        "dinosearch: interrupted; what was finished is kept, run the same command again to go on\n"
    )
