"""`clusters`, `outliers`, `map` and `recommend` with `mini` on the sample images, and their mistakes."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from dinosearch import Collection
from dinosearch.cli import cli
from tests.cli.conftest import objects

SAMPLES = Path(__file__).resolve().parents[2] / "sample_images"
SOME = ("castle", "bridge", "church")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three buildings, six photos of each, and a street."""
    home = tmp_path_factory.mktemp("layout") / "photos.index"
    with Collection.open(home, create=True, model="mini") as collection:
        collection.index(*(SAMPLES / name for name in SOME), SAMPLES / "other" / "other_06.jpg")
    return home


@pytest.fixture
def run(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DINOSEARCH_HOME", str(home))

    def invoke(*arguments: object) -> Result:
        return CliRunner().invoke(cli, list(map(str, arguments)), catch_exceptions=False)

    return invoke


def folder(path: str) -> str:
    return Path(path).parent.name


def size(path: str) -> tuple[int, int]:
    with Image.open(path) as image:
        return image.size


def test_clusters(run) -> None:
    result = run("clusters", "-n", 3, "--json", "--sheet", "c.png", "--where", "path ~ '*_?.jpg'")
    assert result.exit_code == 0, result.stderr
    rows = objects(result)
    groups = [row for row in rows if row["type"] == "cluster"]
    images = [row for row in rows if row["type"] == "image"]
    assert [group["size"] for group in groups] == [6, 6, 6] and len(images) == 18
    assert set(Counter((row["cluster"], folder(row["path"])) for row in images).values()) == {6}
    for group in groups:
        inside = {row["id"]: row["distance"] for row in images if row["cluster"] == group["cluster"]}
        assert group["cohesion"] == pytest.approx(1 - np.mean(list(inside.values())), abs=1e-5)
        assert group["central"] == sorted(inside, key=inside.__getitem__)[:3]
    assert size("c.png")[0] == 1496 and "picture: c.png" in result.stderr
    dense = objects(run("clusters", "--method", "hdbscan", "--json", "--sheet", "c.html"))
    named = {(row["cluster"], folder(row["path"])) for row in dense if row["type"] == "image" and row["cluster"]}
    assert len({name for _, name in named} & set(SOME)) >= 2
    alone = any(row["type"] == "image" and row["cluster"] is None for row in dense)
    assert Path("c.html").read_text().count("<section>") == len({number for number, _ in named}) + alone
    assert run("clusters", "-n", 3).stdout.splitlines()[0].split() == [
        "cluster",
        "images",
        "cohesion",
        "most",
        "central",
    ]


def test_outliers(run) -> None:
    result = run("outliers", "--top", 4, "--json", "-k", 5, "--sheet", "o.html")
    rows = objects(result)
    assert len(rows) == 4 and rows[0]["path"].endswith("other_06.jpg") and rows[0]["rank"] == 1
    assert [row["score"] for row in rows] == sorted((row["score"] for row in rows), reverse=True)
    assert Path("o.html").read_text().count("<li") == 4
    assert run("outliers", "--method", "lof", "--top", 1).stdout.split()[3].endswith("other_06.jpg")


def test_map(run) -> None:
    result = run("map", "-o", "m.png", "--json")
    places = objects(result)
    assert len(places) == 19 and {place["method"] for place in places} == {"t-SNE"}
    assert all(0 <= place[axis] <= 1 for place in places for axis in "xy")
    assert "map: m.png (19 images, 19 pictures)" in result.stderr and min(size("m.png")) > 300
    assert run("map", "--json").stdout == result.stdout
    assert "m.html (19 images, 2 pictures)" in run("map", "-o", "m.html", "--pictures", 2).stderr


def test_recommend(run) -> None:
    castle, bridge, church = (str(SAMPLES / f"{name}/{name}_1.jpg") for name in SOME)
    result = run("recommend", "--like", castle, bridge, "--dislike", church, "-k", 8, "--json", "--sheet", "r.png")
    hits = objects(result)
    assert Counter(folder(hit["path"]) for hit in hits)["church"] == 0 and len(hits) == 8
    assert {folder(hit["path"]) for hit in hits} >= {"castle", "bridge"}
    assert not {castle, bridge} & {hit["path"] for hit in hits}
    assert size("r.png")[0] == 1496
    number = hits[0]["id"]
    average = run("recommend", "--strategy", "average", "--like", f"id:{number}", "--json", "-k", 3)
    query = run("query", f"id:{number}", "--rerank", "fast", "--unique", "--json", "-k", 3)
    assert [json.loads(line)["id"] for line in average.stdout.splitlines()] == [hit["id"] for hit in objects(query)]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["clusters", "-n", "3", "--method", "hdbscan"], "hdbscan finds the number itself"),
        (["clusters", "--min-size", "3"], "--min-size is of --method hdbscan"),
        (["clusters", "--sheet", "c.gif"], "ends with neither .png nor .html"),
        (["map"], "say where the map goes"),
        (["map", "-o", "gone/m.png"], "there is no folder"),
        (["recommend"], "say what is liked"),
        (["recommend", "--like", "gone.jpg"], "gone.jpg: no such file"),
        (["outliers", "--where", "nonsense ="], "filter"),
    ],
)
def test_mistakes_are_sentences(run, arguments: list[str], sentence: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2 and sentence in result.stderr and "Traceback" not in result.stderr


@pytest.mark.parametrize("verb", [["clusters"], ["outliers"], ["map", "--json"], ["recommend", "id:1"]])
def test_nothing_found_is_1(run, verb: list[str]) -> None:
    result = run(*verb, "--where", "id = 0")
    assert result.exit_code == 1 and result.stdout == ""


def test_without_the_libraries(run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.cluster", None)
    monkeypatch.setitem(sys.modules, "openTSNE", None)
    refused = run("clusters")
    assert refused.exit_code == 2 and 'pip install "dinosearch[analysis]"' in refused.stderr
    drawn = run("map", "-o", "m.png")
    assert drawn.exit_code == 0 and 'pip install "dinosearch[analysis]"' in drawn.stderr
