"""A collection's pooling and scales through the front door, with the bundled model: stored, remembered, refused."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from dinosearch import Collection
from dinosearch.cli import cli
from dinosearch.embedding import open_embedder
from dinosearch.errors import DinosearchError, FingerprintMismatchError, SettingError
from dinosearch.home import Home
from dinosearch.images import resize
from dinosearch.records import SCALES, Fingerprint, Preprocessing
from dinosearch.store.sums import register_sums
from tests.conftest import write_photo

SIDE = 224
LATER = {"scales", "numbers", "agreement"}  # fields of a fingerprint that the first homes lack
POOLINGS = ("cls", "mean", "gem", "cls+mean", "cls+gem", "sgem2", "cls@4+mean", "gem@2+cls")


def opened(home: Path, pooling: str | None = None, *, scales: str | None = None, create: bool = False) -> Collection:
    return Collection.open(home, create=create, model="mini", device="cpu", pooling=pooling, scales=scales)


@pytest.fixture
def two_photos(tmp_path: Path) -> Path:
    # of the size that the model sees, so that nothing is resized and the pixels are known
    for i in range(2):
        write_photo(tmp_path / "two" / f"{i}.png", seed=i, size=(SIDE, SIDE))
    return tmp_path / "two"


def by_hand(pooling: str, photo: Path) -> np.ndarray:
    """The unit vector from the model's tokens of the photo, in float64."""
    pixels = np.asarray(Image.open(photo).convert("RGB"))
    (last,) = open_embedder("mini", device="cpu").tokens([pixels], blocks=4)
    pieces = []
    for part in pooling.split("+"):
        kind, _, count = part.partition("@")
        for tokens in (*last.earlier, last)[4 - int(count or 1) :]:
            x = tokens.patches.reshape(-1, len(tokens.cls)).astype(np.float64)
            if kind == "cls":
                pieces.append(tokens.cls.astype(np.float64))
            elif kind == "mean":
                pieces.append(x.mean(axis=0))
            elif kind == "gem":
                pieces.append(np.cbrt((np.maximum(x, 1e-6) ** 3).mean(axis=0)))
            else:
                assert kind == "sgem2"
                mean = (np.sign(x) * x**2).mean(axis=0)
                pieces.append(np.sign(mean) * np.sqrt(np.abs(mean)))
    vector = np.concatenate(pieces)
    return np.asarray(vector / np.linalg.norm(vector))


@pytest.mark.parametrize("pooling", POOLINGS)
def test_stored_vectors_are_pooled_from_the_tokens(tmp_path: Path, two_photos: Path, pooling: str) -> None:
    with opened(tmp_path / "home", pooling, create=True) as collection:
        collection.index(two_photos)
        ids, vectors = collection.vectors()
        assert vectors.shape == (2, collection.embedder.fingerprint.dimension)
        for file in collection.files():
            expected = by_hand(pooling, Path(file["path"]))
            assert len(expected) == vectors.shape[1]
            np.testing.assert_allclose(vectors[ids.tolist().index(file["id"])], expected, atol=5e-6)
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
        fingerprint = collection.info().fingerprint
        assert (fingerprint.pooling, fingerprint.dimension) == (pooling, vectors.shape[1])


def test_a_collection_remembers_its_pooling(tmp_path: Path, two_photos: Path) -> None:
    with opened(tmp_path / "home", "cls+gem", create=True) as collection:
        collection.index(two_photos)
        wanted = collection.embed(two_photos / "0.png")
    for pooling in (None, "cls+gem"):
        with opened(tmp_path / "home", pooling) as again:
            np.testing.assert_allclose(again.embed(two_photos / "0.png"), wanted, atol=1e-6)
            best = again.query(two_photos / "1.png", k=1, include_self=True)[0]
            assert (Path(best.path).name, best.score) == ("1.png", pytest.approx(1, abs=1e-5))
            write_photo(two_photos / "2.png", seed=2, size=(SIDE, SIDE))
            again.index(two_photos)
            assert again.embedder.fingerprint.pooling == "cls+gem"
            np.testing.assert_allclose(again.embed("id:3")[0], by_hand("cls+gem", two_photos / "2.png"), atol=5e-6)


def test_the_default_is_the_class_token(tmp_path: Path, two_photos: Path) -> None:
    with opened(tmp_path / "home", create=True) as collection:
        collection.index(two_photos)
        np.testing.assert_allclose(collection.vectors([1])[1][0], by_hand("cls", two_photos / "0.png"), atol=5e-6)


@pytest.mark.parametrize("other", ["gem", "cls+mean", "sgem", "cls@4+mean"])
def test_another_pooling_is_refused_with_the_way_out(tmp_path: Path, two_photos: Path, other: str) -> None:
    with opened(tmp_path / "home", "mean", create=True) as collection:
        collection.index(two_photos)
    with pytest.raises(FingerprintMismatchError) as refused:
        opened(tmp_path / "home", other).query(two_photos / "0.png")
    sentence = str(refused.value)
    assert "mini squash-224 mean, not with" in sentence
    wanted = f"--model mini --preprocessing squash-224 --pooling {other}"
    assert f"dinosearch index FOLDER {wanted} --home OTHER" in sentence
    assert f"dinosearch migrate {wanted} --home {tmp_path / 'home'}" in sentence
    assert ". " not in sentence
    assert "\n" not in sentence
    with opened(tmp_path / "home") as again:
        assert len(again.query(two_photos / "0.png", include_self=True)) == 2


def test_an_unknown_pooling_is_refused_and_nothing_is_begun(tmp_path: Path, two_photos: Path) -> None:
    with opened(tmp_path / "home", "max", create=True) as collection:
        with pytest.raises(SettingError, match="'max' is not one of cls, mean, gem"):
            collection.index(two_photos)
        assert list(collection.files()) == []
    with opened(tmp_path / "home", "gem") as collection:
        assert collection.index(two_photos).added == 2


def test_an_unknown_pooling_of_a_collection_with_vectors_is_called_unknown(tmp_path: Path, two_photos: Path) -> None:
    with opened(tmp_path / "home", "mean", create=True) as collection:
        collection.index(two_photos)
    with pytest.raises(DinosearchError) as refused:
        opened(tmp_path / "home", "max").query(two_photos / "0.png")
    assert "is not one of cls, mean, gem" in str(refused.value)


def test_another_spelling_of_the_same_pooling_is_the_same(tmp_path: Path, two_photos: Path) -> None:
    with opened(tmp_path / "home", "gem3.0+cls@1", create=True) as collection:
        collection.index(two_photos)
        assert collection.info().fingerprint.pooling == "gem+cls"
    with opened(tmp_path / "home", "gem+cls@1") as again:
        assert len(again.query(two_photos / "0.png", include_self=True)) == 2


def test_several_scales_are_stored_and_remembered(tmp_path: Path, two_photos: Path) -> None:
    with opened(tmp_path / "home", scales="gem", create=True) as collection:
        collection.index(two_photos)
        ids, vectors = collection.vectors()
        for file in collection.files():
            image = Image.open(file["path"]).convert("RGB")
            found = []
            for side in (224, 160, 112):  # 158.4 is 9.9 cells of 16 pixels
                embedder = open_embedder("mini", device="cpu", preprocessing=Preprocessing("squash", side))
                found.append(embedder.embed([resize(image, embedder.preprocessing, 16)])[0].astype(np.float64))
            expected = sum(found) / np.linalg.norm(sum(found))
            assert vectors[ids.tolist().index(file["id"])] @ expected > 0.999
        info = collection.info().fingerprint
        assert (info.scales, info.preprocessing, info.dimension) == ("gem", "squash-224", 288)
        assert info.to_dict()["scales"] == "gem"
        assert "mini squash-224 cls scales gem (288-d" in str(info)
    for scales in (None, "gem"):
        with opened(tmp_path / "home", scales=scales) as again:
            np.testing.assert_allclose(again.embed(two_photos / "0.png")[0], again.vectors([1])[1][0], atol=1e-6)


@pytest.mark.parametrize(("stored", "other"), [("gem", "1"), ("1", "superglobal"), ("gem", "superglobal")])
def test_other_scales_are_refused_with_the_way_out(tmp_path: Path, two_photos: Path, stored: str, other: str) -> None:
    with opened(tmp_path / "home", scales=stored, create=True) as collection:
        collection.index(two_photos)
    with pytest.raises(FingerprintMismatchError) as refused:
        opened(tmp_path / "home", scales=other)
    sentence = str(refused.value)
    names = {"1": "mini squash-224 cls", "gem": "mini squash-224 cls scales gem"}
    names["superglobal"] = names["gem"].replace("gem", "superglobal")
    assert f"were made with {names[stored]}, not with {names[other]}, and cannot be compared" in sentence
    assert "leave out --scales, make another" in sentence
    wanted = f"--model mini --preprocessing squash-224 --pooling cls --scales {other}"
    assert sentence.endswith(f"dinosearch migrate {wanted} --home {tmp_path / 'home'}")


def test_unknown_scales_of_a_collection_are_answered_with_those_there_are(tmp_path: Path, two_photos: Path) -> None:
    with opened(tmp_path / "home", create=True) as collection:
        collection.index(two_photos)
    with pytest.raises(SettingError, match=f"scales 'all' is not one of {', '.join(SCALES)}"):
        opened(tmp_path / "home", scales="all")


def test_a_collection_from_before_there_were_scales_opens(tmp_path: Path, two_photos: Path) -> None:
    home = tmp_path / "home"
    with opened(home, "cls+gem", create=True) as collection:
        collection.index(two_photos)
        vectors = collection.vectors()[1]
        stored = collection.info().fingerprint
    with sqlite3.connect(Home(home).metadata) as database:
        register_sums(database)
        (text,) = database.execute("select fingerprint from generations").fetchone()
        before = {key: value for key, value in json.loads(text).items() if key not in LATER}
        assert set(before) == {"checkpoint", "weights_sha256", "preprocessing", "pooling", "dimension"}
        database.execute("update generations set fingerprint = ?", (json.dumps(before),))
    database.close()
    assert Fingerprint.from_dict(before) == stored
    with opened(home, "cls+gem", scales="1") as again:
        assert again.info().fingerprint == stored
        assert str(again.info().fingerprint) == f"mini squash-224 cls+gem (576-d, weights {stored.weights_sha256[:8]})"
        assert np.array_equal(again.embed(two_photos / "0.png")[0], vectors[0])
        assert again.index(two_photos).unchanged == 2


def test_a_fingerprint_that_lacks_what_it_always_had_is_refused() -> None:
    whole = Fingerprint("mini", "0" * 64, "squash-224", "cls", 288).to_dict()
    for name in set(whole) - LATER:
        with pytest.raises(KeyError, match=name):
            Fingerprint.from_dict({key: value for key, value in whole.items() if key != name})


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments], catch_exceptions=False)


def test_command_line_makes_a_home_that_says_its_pooling_and_refuses_another(tmp_path: Path, two_photos: Path) -> None:
    home = tmp_path / "home"
    made = invoke(
        "index", two_photos, "--home", home, "--model", "mini", "--device", "cpu", "--pooling", "cls@4+mean@1"
    )
    assert made.exit_code == 0, made.output
    (info,) = (json.loads(line) for line in invoke("info", "--home", home, "--json").stdout.splitlines())
    assert (info["fingerprint"]["pooling"], info["fingerprint"]["dimension"]) == ("cls@4+mean", 5 * 288)
    assert info["fingerprint"]["scales"] == "1"
    assert "mini, squash-224, cls@4+mean, 1440 numbers a vector" in invoke("info", "--home", home).stdout
    found = invoke("query", two_photos / "0.png", "--home", home, "--include-self", "--json").stdout.splitlines()
    assert json.loads(found[0])["score"] == pytest.approx(1, abs=1e-5)
    refused = invoke("query", two_photos / "0.png", "--home", home, "--pooling", "cls+mean")
    assert refused.exit_code != 0
    assert "were made with mini squash-224 cls@4+mean, not with mini squash-224 cls+mean" in refused.stderr
    assert invoke("query", two_photos / "0.png", "--home", home, "--pooling", "cls@4+mean").exit_code == 0


@pytest.mark.parametrize(
    ("option", "value", "sentence"),
    [
        ("--pooling", "max", "pooling 'max' is not one of cls, mean, gem (p = 3), gemP"),
        ("--pooling", "gem0.5", "joined by +"),
        ("--scales", "all", "'all' is not one of '1', 'gem', 'superglobal'"),
    ],
)
def test_command_line_refuses_what_it_does_not_know(
    tmp_path: Path, two_photos: Path, option: str, value: str, sentence: str
) -> None:
    refused = invoke("index", two_photos, "--home", tmp_path / "home", option, value)
    assert refused.exit_code == 2
    assert sentence in " ".join(refused.stderr.split())
    assert not (tmp_path / "home").exists()


def test_command_line_takes_scales(tmp_path: Path, two_photos: Path) -> None:
    home = tmp_path / "home"
    wanted = ("--model", "mini", "--device", "cpu", "--preprocessing", "squash-64", "--scales", "superglobal")
    assert invoke("index", two_photos, "--home", home, *wanted).exit_code == 0
    (info,) = (json.loads(line) for line in invoke("info", "--home", home, "--json").stdout.splitlines())
    assert (info["fingerprint"]["scales"], info["fingerprint"]["preprocessing"]) == ("superglobal", "squash-64")
    refused = invoke("query", two_photos / "0.png", "--home", home, "--scales", "1")
    assert refused.exit_code != 0
    assert "were made with mini squash-64 cls scales superglobal, not with mini squash-64 cls" in refused.stderr
