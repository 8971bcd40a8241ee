"""`dinosearch explain` with the bundled model: the picture, the words, the numbers, the exit codes."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from dinosearch.cli import cli
from tests.cli.conftest import objects

SAMPLES = Path(__file__).resolve().parents[2] / "sample_images"
FIRST, SAME, OTHER = (
    SAMPLES / name for name in ("windmill/windmill_1.jpg", "windmill/windmill_3.jpg", "temple/temple_3.jpg")
)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("explained")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DINOSEARCH_DECODE", "inline")
        done = CliRunner().invoke(cli, ["--home", str(folder), "index", str(SAMPLES / "windmill"), "--model", "mini"])
    assert done.exit_code == 0
    return folder


def explain(home: Path, *arguments: object) -> Result:
    return CliRunner().invoke(
        cli, ["--home", str(home), "explain", *(str(argument) for argument in arguments)], catch_exceptions=False
    )


def test_a_match_is_drawn_and_said_in_words(home: Path, tmp_path: Path) -> None:
    result = explain(home, FIRST, SAME, "-o", tmp_path / "why.png")
    assert result.exit_code == 0
    assert result.stdout.startswith("The same thing: ")
    assert f"picture: {tmp_path / 'why.png'}" in result.stderr
    with Image.open(tmp_path / "why.png") as picture:
        assert picture.format == "PNG"
        assert picture.width >= 1400


def test_strangers_end_with_1(home: Path, tmp_path: Path) -> None:
    result = explain(home, "id:1", OTHER, "-o", tmp_path / "why.png", "--quiet")
    assert result.exit_code == 1
    assert result.stdout.startswith("No common thing found: ")
    assert not result.stderr
    assert (tmp_path / "why.png").exists()


def test_json_has_the_numbers(home: Path, tmp_path: Path) -> None:
    (found,) = objects(explain(home, FIRST, SAME, "-o", tmp_path / "why.png", "--json"))
    assert found["type"] == "explanation"
    assert found["matched"] is True
    assert found["inliers"] >= found["bound"]
    assert 0 < found["score"] < 1
    assert found["without"] < found["score"]
    assert len(found["box"]) == 4


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["{first}", "{same}", "-o", "why.jpg"], "does not end with .png"),
        (["{first}", "{same}", "-o", "nowhere/why.png"], "there is no folder"),
        (["{first}", "absent.jpg", "-o", "why.png"], "absent.jpg"),
        (["{first}", "id:999", "-o", "why.png"], "there is no image id:999"),
        (["{first}", "-o", "why.png"], "Missing argument 'RESULT'"),
    ],
)
def test_mistakes(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], why: str) -> None:
    monkeypatch.chdir(tmp_path)
    result = explain(home, *(word.format(first=FIRST, same=SAME) for word in arguments))
    assert result.exit_code == 2
    assert why in result.stderr
    assert list(tmp_path.iterdir()) == []
