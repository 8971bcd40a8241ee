"""`dinosearch query --sheet --explain` with the bundled model: the page and the picture say where and why."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from dinosearch import Collection
from dinosearch.cli import cli

SAMPLES = Path(__file__).parents[2] / "sample_images"
QUERY = SAMPLES / "windmill" / "windmill_1.jpg"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A collection of the windmills and, in a folder of its own, of one photo that is deleted afterwards."""
    folder = tmp_path_factory.mktemp("sheets")
    shutil.copytree(SAMPLES / "windmill", folder / "photos")
    with Collection.open(folder / "index", create=True, model="mini") as photos:
        photos.index(folder / "photos")
    (folder / "photos" / "windmill_2.jpg").unlink()
    return folder / "index"


def sheet(home: Path, output: Path, *arguments: str) -> Result:
    words = ["--home", str(home), "query", str(QUERY), "--sheet", str(output), "-k", "4", *arguments]
    return CliRunner().invoke(cli, words, catch_exceptions=False)


def test_the_page_says_why_and_a_file_that_is_gone_is_only_named(home: Path, tmp_path: Path) -> None:
    result = sheet(home, tmp_path / "why.html", "--explain", "--rerank", "fast")
    assert result.exit_code == 0
    page = (tmp_path / "why.html").read_text(encoding="utf-8")
    items = {match[1]: match[0] for match in re.finditer(r'<li title="[^"]*/([^"/]+)">.*?</li>', page, re.DOTALL)}
    assert len(items) == 4
    with Collection.open(home) as photos:
        for name, item in items.items():
            if name == "windmill_2.jpg":
                assert "cannot be read" in item and "<details>" not in item
                continue
            why = photos.explain(str(QUERY), str(home.parent / "photos" / name))
            assert f"<b>{why.inliers}</b>" in item
            assert ('class="accent"' in item) == why.matched
            assert item.count("data:image/png") == 1
    assert "windmill_2.jpg" in items and any('class="accent"' in item for item in items.values())


def test_without_explain_nothing_is_compared(home: Path, tmp_path: Path) -> None:
    assert sheet(home, tmp_path / "plain.html", "--rerank", "fast").exit_code == 0
    page = (tmp_path / "plain.html").read_text(encoding="utf-8")
    assert "<details>" not in page and "data:image/png" not in page and "<polygon" not in page


def test_a_box_in_pixels_is_framed_as_its_fractions(home: Path, tmp_path: Path) -> None:
    with Image.open(QUERY) as image:
        width, height = image.size
    box = (width / 4, height / 4, width * 3 / 4, height / 2)
    assert sheet(home, tmp_path / "box.html", "--box", ",".join(map(str, box)), "--no-regions").exit_code == 0
    page = (tmp_path / "box.html").read_text(encoding="utf-8")
    assert "query: the framed part" in page
    figure = re.search(r'<figure>.*?viewBox="0 0 (\d+) (\d+)".*?class="accent" points="([^"]+)"', page, re.DOTALL)
    assert figure is not None
    corners = {tuple(map(float, point.split(","))) for point in figure[3].split()}
    shares = {(round(x / int(figure[1]), 2), round(y / int(figure[2]), 2)) for x, y in corners}
    assert shares == {(0.25, 0.25), (0.75, 0.25), (0.75, 0.5), (0.25, 0.5)}
