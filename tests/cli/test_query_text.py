"""Words for a query: indexed and asked from the command line, with random weights and brute force as the oracle."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from dinosearch import Collection
from dinosearch.cli import cli
from dinosearch.client import Client
from dinosearch.embedding import open_embedder, open_text_space
from dinosearch.embedding.families.dinov2 import TransformerConfig
from dinosearch.errors import SettingError
from dinosearch.images import resize
from dinosearch.records import Preprocessing
from tests.cli.conftest import objects
from tests.conftest import FakeEmbedder, write_photo
from tests.embedding.text_files import write_text_files
from tests.embedding.tiny import write_weights
from tests.serving import served

Run = Callable[..., Result]
CONFIG = TransformerConfig(dimension=64, depth=2, heads=2, grid=9, registers=4, interpolation="antialias")
WORDS = "a red door"


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_text_files(tmp_path_factory.mktemp("words"))


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_weights(tmp_path_factory.mktemp("weights") / "tiny.safetensors", CONFIG)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DINOSEARCH_DECODE", "inline")
    for number in range(14):
        write_photo(tmp_path / "photos" / f"{number:02d}.png", number)
    return tmp_path


@pytest.fixture
def run(weights: Path, here: Path) -> Run:
    def invoke(*arguments: str | os.PathLike[str]) -> Result:
        model = ("--model", "mini", "--weights", weights, "--runtime", "torch") if arguments[0] == "index" else ()
        given = [os.fspath(argument) for argument in (*arguments, *model)]
        return CliRunner().invoke(cli, given, catch_exceptions=False)

    return invoke


def cosines(folder: Path, weights: Path, words: Path, text: str) -> dict[str, float]:
    """By name of the photo: computed from its pixels, without a collection."""
    embedder: Any = open_embedder("mini", weights=weights, runtime="torch")
    space = open_text_space("mini", words)
    asked = space.texts([text])[0]
    found = {}
    for path in sorted(folder.iterdir()):
        with Image.open(path) as picture:
            pixels = resize(picture.convert("RGB"), Preprocessing("squash", 224))
        found[path.name] = float(space.images(embedder.tokens([pixels]))[0] @ asked)
    return found


def named(hits: list[dict[str, Any]]) -> dict[str, float]:
    return {Path(hit["path"]).name: hit["score"] for hit in hits}


@pytest.fixture(params=["folder", "pgvector", "milvus-lite"])
def place(request: pytest.FixtureRequest, here: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Where the collections of a test live; the command line is told by the environment."""
    if request.param == "pgvector":
        monkeypatch.setenv("DINOSEARCH_HOME", request.getfixturevalue("postgres_url"))
    if request.param == "milvus-lite":
        pytest.importorskip("milvus_lite")
        monkeypatch.setenv("DINOSEARCH_HOME", f"milvus://{here}/vectors.db")
        monkeypatch.setenv("DINOSEARCH_METADATA", f"sqlite:///{here}/metadata.sqlite")
    return str(request.param)


def test_words_find_what_brute_force_finds(run: Run, here: Path, weights: Path, words: Path, place: str) -> None:
    assert run("index", "photos", "--text", "--text-files", words).exit_code == 0
    wanted = cosines(here / "photos", weights, words, WORDS)
    for more in ((), ("--exact",)):
        found = named(objects(run("query", "--text", WORDS, "-k", "14", "--json", *more)))
        assert found.keys() == wanted.keys()
        # rows are kept in a byte a number
        assert all(abs(found[name] - score) < 0.01 for name, score in wanted.items())
        assert list(found.values()) == sorted(found.values(), reverse=True)
    some = objects(run("query", "--text", WORDS, "--where", "name ~ 0*", "--json"))
    assert {Path(hit["path"]).name for hit in some} == {f"0{number}.png" for number in range(10)}
    both = named(objects(run("query", "--text", WORDS, "--text", "a boat", "-k", "14", "--json")))
    other = cosines(here / "photos", weights, words, "a boat")
    asked = open_text_space("mini", words).texts([WORDS, "a boat"])
    length = float(np.linalg.norm(asked.mean(axis=0)))
    assert all(abs(both[name] - (wanted[name] + other[name]) / 2 / length) < 0.02 for name in both)
    assert "text: 14 rows" in run("info").output


def test_the_life_of_a_collection_with_words(run: Run, here: Path, weights: Path, words: Path) -> None:
    run("index", "photos", "--text", "--text-files", words)
    write_photo(here / "photos" / "new.png", 99)
    assert run("index", "photos").exit_code == 0  # it goes on as before, with the folder that was named
    assert "new.png" in named(objects(run("query", "--text", WORDS, "-k", "20", "--json")))
    run("remove", "photos/03.png")
    assert "03.png" not in named(objects(run("query", "--text", WORDS, "-k", "20", "--json")))
    assert run("compact").exit_code == 0 and run("verify").exit_code == 0
    wanted = cosines(here / "photos", weights, words, WORDS)
    found = named(objects(run("query", "--text", WORDS, "-k", "20", "--json")))
    assert found.keys() == wanted.keys() - {"03.png"}
    assert all(abs(score - wanted[name]) < 0.01 for name, score in found.items())
    rows = next((here / "index").glob("vectors-*"))  # of some kind; what it is must not matter
    rows.write_bytes(rows.read_bytes()[:-40])
    run("verify", "--repair")
    assert run("verify").exit_code == 0
    assert named(objects(run("query", "--text", WORDS, "-k", "20", "--json"))).keys() == found.keys()
    assert run("index", "photos", "--no-text").exit_code == 0
    refused = run("query", "--text", WORDS)
    assert refused.exit_code == 2 and "dinosearch index FOLDER --text" in refused.output


def test_another_model_drops_the_words(here: Path, weights: Path, words: Path) -> None:
    with Collection.open("index", create=True, model="mini", weights=weights, runtime="torch") as collection:
        collection.index("photos", text=words)
        report = collection.migrate(embedder=FakeEmbedder())
        assert [problem.path for problem in report.dropped] == ["text"]
        assert "--text" in report.dropped[0].reason
        with pytest.raises(SettingError, match="does not understand words"):
            collection.query_text(WORDS)


def test_other_files_are_noticed(run: Run, here: Path, words: Path) -> None:
    run("index", "photos", "--text", "--text-files", words)
    other = write_text_files(here / "other", seed=5)
    with Collection.open("index") as collection:
        before = [hit.path for hit in collection.query_text(WORDS, k=14)]
        assert [hit.rank for hit in collection.query_text(WORDS, k=3, unique=True)] == [1, 2, 3]
    run("index", "photos", "--text-files", other)
    with Collection.open("index", read_only=True) as collection:
        assert [hit.path for hit in collection.query_text(WORDS, k=14)] != before  # made again with the other head
    for path in other.iterdir():
        path.unlink()
    gone = run("query", "--text", WORDS)
    assert gone.exit_code == 2 and "no text space for mini" in gone.output


def test_missing_files_are_told_before_anything_is_looked_at(run: Run, here: Path) -> None:
    refused = run("index", "photos", "--text")
    assert refused.exit_code == 2 and "no text space for mini" in " ".join(refused.output.split())
    with Collection.open("index", read_only=True) as collection:
        assert collection.info().images == 0


def test_a_server_answers_the_same(run: Run, here: Path, words: Path) -> None:
    run("index", "photos", "--text", "--text-files", words)
    asked: list[dict[str, Any]] = [{}, {"k": 3, "where": "id in (2, 5, 7)"}, {"exact": True, "threshold": 0.0}]
    with (
        Collection.open("index", read_only=True) as collection,
        served({"photos": collection}) as url,
        Client(url) as client,
    ):
        for options in asked:
            wanted = collection.query_text(WORDS, "a boat", **options)
            found = client.query_text(WORDS, "a boat", **options)
            assert [(hit.id, hit.path, hit.rank) for hit in found] == [(h.id, h.path, h.rank) for h in wanted]
            assert np.allclose([hit.score for hit in found], [hit.score for hit in wanted], atol=1e-6)
        with pytest.raises(SettingError, match="without words"):
            client.query_text(" ")


REFUSED = {
    "nothing asked": (("query",), "with images or with words"),
    "both": (("query", "photos/00.png", "--text", WORDS), "with images or with words"),
    "a box": (("query", "--text", WORDS, "--box", "0,0,1,1"), "--box is about the image"),
    "a stage": (("query", "--text", WORDS, "--rerank", "thorough"), "--rerank is about the image"),
    "no words": (("query", "--text", "  "), "without words"),
    "no files": (("index", "photos", "--text"), "no text space for mini"),
    "no and where": (("index", "photos", "--no-text", "--text-files", "photos"), "leave out --no-text"),
}


@pytest.mark.parametrize("command, sentence", REFUSED.values(), ids=REFUSED)
def test_one_sentence_says_what_is_wrong(run: Run, words: Path, command: tuple[str, ...], sentence: str) -> None:
    run("index", "photos", "--text", "--text-files", words) if command[0] == "query" else None
    refused = run(*command)
    assert refused.exit_code == 2 and sentence in " ".join(refused.output.split())


def test_the_picture(run: Run, here: Path, words: Path) -> None:
    run("index", "photos", "--text", "--text-files", words)
    assert run("query", "--text", WORDS, "--sheet", "found.png").exit_code == 0
    with Image.open(here / "found.png") as picture:
        assert picture.width > 1000 and picture.height > 300
    assert run("query", "--text", WORDS, "--sheet", "found.html").exit_code == 0
    page = (here / "found.html").read_text()
    assert "\u201ca red door\u201d" in page and "10  " in page
