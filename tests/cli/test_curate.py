"""`dinosearch curate` on sample_images with the bundled model: a person's folders, files, lists and pictures."""

from __future__ import annotations

import json
import os
import shutil
import tarfile
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from dinosearch.cli import cli
from tests.cli.conftest import objects

SAMPLES = Path(__file__).resolve().parents[2] / "sample_images"


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments], catch_exceptions=False)


def saved(source: Path, target: Path, share: float, quality: int) -> None:
    """A copy of a photo, smaller and encoded anew."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with Image.open(source) as image:
        size = round(image.width * share), round(image.height * share)
        image.resize(size).save(target, quality=quality)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """pool/ is indexed; mine/ has seeds of two subjects, and a broken file; tests/ a copy of one of the pool."""
    root = tmp_path_factory.mktemp("curate")
    for name in ("windmill", "lighthouse", "bridge", "castle"):
        for number in range(3, 7):
            (root / "pool" / name).mkdir(parents=True, exist_ok=True)
            shutil.copy(SAMPLES / name / f"{name}_{number}.jpg", root / "pool" / name)
    saved(SAMPLES / "bridge" / "bridge_4.jpg", root / "pool" / "web" / "found.jpg", 0.8, 80)
    with tarfile.open(root / "pool" / "more.tar", "w") as archive:
        archive.add(SAMPLES / "windmill" / "windmill_2.jpg", "2020/windmill_2.jpg")
        archive.add(SAMPLES / "lighthouse" / "lighthouse_2.jpg", "../../../outside.jpg")
    for name in ("windmill", "lighthouse"):
        (root / "mine").mkdir(exist_ok=True)
        shutil.copy(SAMPLES / name / f"{name}_1.jpg", root / "mine")
    (root / "mine" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no more")
    saved(SAMPLES / "castle" / "castle_4.jpg", root / "tests" / "castle.jpg", 0.9, 85)
    assert (
        invoke(
            "index", root / "pool", root / "pool" / "more.tar", "--home", root / "home", "--model", "mini", "--quiet"
        ).exit_code
        == 0
    )
    return root


@pytest.fixture(scope="module")
def curated(folder: Path) -> Result:
    return invoke(
        *("curate", "--home", folder / "home", "--out", folder / "out", "--json"),
        *("--seeds", folder / "mine", "--against", folder / "tests", "--per-seed", 3, "--sheet", folder / "sheet.html"),
    )


def lines(folder: Path) -> dict[str, dict[str, object]]:
    text = (folder / "out" / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
    return {Path(line["path"]).name.rpartition("::")[2]: line for line in map(json.loads, text)}


def test_samples_are_chosen_as_a_person_would(folder: Path, curated: Result) -> None:
    assert curated.exit_code == 3  # the broken seed
    assert "1 file of the folders given could not be read" in curated.stderr
    found = lines(folder)
    assert len(found) == 19
    assert found["found.jpg"]["reason"] == "duplicate"
    assert found["found.jpg"]["of"] == found["bridge_4.jpg"]["id"]  # the larger one stays
    assert found["castle_4.jpg"]["reason"] == "reference"
    assert found["castle_4.jpg"]["reference_path"] == str(folder / "tests" / "castle.jpg")
    brought = [name for name, line in found.items() if line["kept"]]
    assert 4 <= len(brought) <= 6
    assert {name.partition("_")[0].rpartition("/")[2] for name in brought} == {"windmill", "lighthouse", "outside.jpg"}
    (told,) = objects(curated)
    assert told["type"] == "curation"
    assert (told["images"], told["kept"], told["failed"], told["put"]) == (19, len(brought), 1, None)
    assert told["reasons"]["retrieved"] == len(brought)


def test_import_of_a_curation_says_what_it_is(folder: Path, curated: Result) -> None:
    refused = invoke("import", folder / "out", "--home", folder / "other")
    assert refused.exit_code == 2 and not (folder / "other").exists()
    assert f"{folder / 'out'} is what `dinosearch curate` wrote" in refused.stderr
    assert f"dinosearch index CHOSEN --home {folder / 'other'}" in refused.stderr


def test_the_sheet_shows_every_step(folder: Path, curated: Result) -> None:
    page = (folder / "sheet.html").read_text(encoding="utf-8")
    for words in ("1 copy went", "1 too near to a reference", "retrieved by seeds", "not reached by any seed"):
        assert words in page
    assert page.count("<img ") >= 10
    assert 'src="http' not in page


def test_people_get_a_table_and_programs_paths(folder: Path, curated: Result) -> None:
    again = "curate", "--home", folder / "home", "--out", folder / "out", "--seeds", folder / "mine"
    again = *again, "--against", folder / "tests", "--per-seed", 3
    table = invoke(*again).stdout
    assert " kept, retrieved by a seed\n" in table
    assert "of 19 images kept" in table
    kept = [str(line["path"]) for line in lines(folder).values() if line["kept"]]
    assert sorted(invoke(*again, "--paths").stdout.splitlines()) == sorted(kept)
    assert sorted(invoke(*again, "-0").stdout.split("\0")[:-1]) == sorted(kept)
    assert invoke(*again, "--per-seed", 1).exit_code == 2
    refused = invoke(*again, "--per-seed", 1).stderr
    assert refused.startswith("dinosearch: ")
    assert "holds a curation with per_seed 3, not 1; start again there with --restart" in refused


@pytest.mark.parametrize("way", ["copy", "link", "symlink"])
def test_what_is_kept_is_put_somewhere(folder: Path, curated: Result, tmp_path: Path, way: str) -> None:
    again = "curate", "--home", folder / "home", "--out", folder / "out", "--seeds", folder / "mine", "--json"
    again = *again, "--against", folder / "tests", "--per-seed", 3, f"--{way}", folder / way
    kept = [line for line in lines(folder).values() if line["kept"]]
    assert any("::" in str(line["path"]) for line in kept)  # a member of the archive
    (told,) = objects(invoke(*again))
    assert (told["put"]["written"], told["put"]["there"]) == (len(kept), 0)
    files = {path for path in (folder / way).rglob("*") if path.is_file()}
    contents = {path.read_bytes() for path in files}
    assert len(files) == len(kept) == len(contents)
    for line in kept:
        path = str(line["path"])
        if path.endswith("outside.jpg"):
            assert folder / way / f"{line['id']}.jpg" in files  # not where its name would lead
            continue
        if "::" in path:
            assert folder / way / "more.tar" / "2020" / "windmill_2.jpg" in files
            continue
        put = folder / way / Path(path).relative_to(folder / "pool")
        assert put in files
        assert put.is_symlink() == (way == "symlink")
        assert os.path.samefile(put, path) == (way != "copy")
    put.unlink()
    (told,) = objects(invoke(*again))
    assert (told["put"]["written"], told["put"]["there"]) == (1, len(kept) - 1)


def test_a_file_that_changed_since_is_named_and_not_put(folder: Path, curated: Result, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "all", symlinks=True)
    text = (tmp_path / "all" / "out" / "manifest.jsonl").read_text()
    from dinosearch.analysis.curation import materialise

    moved = text.replace(str(folder / "pool"), str(tmp_path / "all" / "pool"))
    (tmp_path / "all" / "out" / "manifest.jsonl").write_text(moved)
    kept = [line["path"] for line in map(json.loads, moved.splitlines()) if line["kept"] and "::" not in line["path"]]
    Path(kept[0]).write_bytes(b"another")
    Path(kept[1]).unlink()
    put = materialise(tmp_path / "all" / "out", tmp_path / "put")
    assert {problem.path: problem.reason for problem in put.failures} == {
        kept[0]: "its content is another one than was curated",
        kept[1]: "it is not there any more",
    }
    assert not [path for path in (tmp_path / "put").rglob("*") if path.name in (Path(kept[0]).name, Path(kept[1]).name)]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (("--copy", "a", "--link", "b"), "choose one"),
        (("--json", "--paths"), "--json cannot be combined"),
        (("--sheet", "sheet.gif"), "ends with neither .png nor .html"),
        (("--keep", "best"), "best is no rule to keep by"),
        (("--seeds", "nowhere"), "is neither a folder of images nor a collection"),
    ],
)
def test_wrong_arguments_are_one_sentence(folder: Path, tmp_path: Path, wrong: tuple[str, ...], says: str) -> None:
    result = invoke("curate", "--home", folder / "home", "--out", tmp_path / "out", *wrong)
    assert result.exit_code == 2
    assert says in result.stderr
    assert "Traceback" not in result.stderr
