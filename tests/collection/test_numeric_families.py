"""Vectors of several number formats in one collection: mixed where both agree with float32, refused where not."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from dinosearch import Collection
from dinosearch.cli import cli
from dinosearch.embedding.runtimes import graphs
from dinosearch.embedding.runtimes import programs as runtimes
from dinosearch.errors import FingerprintMismatchError
from dinosearch.home import Home
from dinosearch.records import AGREEMENT, Fingerprint, Hit
from dinosearch.store.sums import register_sums
from tests.embedding.tiny import run_here

CHECKOUT = Path(__file__).parents[2]
SAMPLES = CHECKOUT / "sample_images"
# torch has bfloat16 on every processor, so that these tests are the same everywhere.
BFLOAT16 = {"runtime": "torch", "device": "cpu", "dtype": "bfloat16"}
FLOAT32 = {"runtime": "openvino", "dtype": "float32"}
TORCH = {"runtime": "torch", "device": "cpu", "dtype": "float32"}
INT8 = {"dtype": "int8"}


@pytest.fixture(autouse=True)
def _shared_graph_of_mini(by_graphs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DINOSEARCH_OFFLINE", "1")
    for module in (graphs, runtimes):
        monkeypatch.setattr(module, "run_child", run_here)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve sample photos of four things."""
    folder = tmp_path_factory.mktemp("photos")
    for name in ("windmill", "arch", "castle", "lighthouse"):
        for i in (1, 2, 3):
            shutil.copy(SAMPLES / name / f"{name}_{i}.jpg", folder)
    return folder


def opened(home: Path, how: dict[str, str], **more: object) -> Collection:
    return Collection.open(home, model="mini", **how, **more)  # type: ignore[arg-type]


def made(home: Path, how: dict[str, str], *paths: Path) -> Path:
    with opened(home, how, create=True) as collection:
        collection.index(*paths)
    return home


def stored(home: Path) -> Fingerprint:
    with Collection.open(home) as collection:
        found = collection.info().fingerprint
    assert found is not None
    return found


@pytest.mark.parametrize(("first", "second"), [(BFLOAT16, FLOAT32), (FLOAT32, BFLOAT16), (TORCH, FLOAT32)])
def test_families_that_agree_are_mixed(
    tmp_path: Path, photos: Path, first: dict[str, str], second: dict[str, str]
) -> None:
    early, late = sorted(photos.iterdir())[:6], sorted(photos.iterdir())[6:]
    home = made(tmp_path / "home", first, *early)
    assert stored(home).numbers == first["dtype"]
    assert AGREEMENT <= stored(home).agreement <= 1
    with opened(home, second) as collection:
        assert collection.query(early[0], include_self=True)[0].score == pytest.approx(1, abs=1e-3)
        assert collection.index(*late).added == 6
        assert stored(home).numbers == first["dtype"]  # the first family names the collection
        ids, vectors = collection.vectors()
        assert len(ids) == 12
        with opened(tmp_path / "reference", TORCH, create=True) as reference:
            reference.index(*early, *late)
            wanted = reference.vectors()[1]
            cosines = (vectors * wanted).sum(axis=1)
            assert cosines.min() > 0.999
            for path in (*early, *late):
                found = [(hit.path, hit.score) for hit in collection.query(path, rerank="fast")]
                assert_same_ranking(found, reference.query(path, rerank="fast"))


def assert_same_ranking(found: list[tuple[str, float]], wanted: list[Hit]) -> None:
    """The same paths with nearly the same scores; only those that are nearly equal may change places.

    Two unit vectors that each turn by an angle whose cosine is 0.9999 can change their own cosine by 0.02; bfloat16
    changes those of these photos by 0.002.
    """
    scores = {hit.path: hit.score for hit in wanted}
    assert {path for path, _ in found} == set(scores)
    for (path, score), other in zip(found, wanted, strict=True):
        assert score == pytest.approx(scores[path], abs=0.006)
        assert scores[path] == pytest.approx(other.score, abs=0.012)


def test_a_family_that_does_not_agree_is_refused_with_the_way_out(tmp_path: Path, photos: Path) -> None:
    lines: list[str] = []
    home = made(tmp_path / "home", TORCH, photos)
    with opened(home, INT8, notify=lines.append) as collection:
        with pytest.raises(FingerprintMismatchError) as refused:
            collection.query(photos / "arch_1.jpg")
        with pytest.raises(FingerprintMismatchError):
            collection.index(SAMPLES / "obelisk")
    sentence = str(refused.value)
    assert f"the vectors in {home} are float32 and agree with float32 by 1.0000, those of the model" in sentence
    assert "at hand are int8 and agree by 0.99" in sentence
    assert sentence.endswith("cannot be compared; use: --dtype float32")
    warning = next(line for line in lines if "int8" in line)
    assert warning.startswith("int8 changes the vectors of mini: their mean cosine to float32 is 0.99")
    assert "dinosearch benchmark" in warning
    with opened(home, TORCH) as collection:
        assert len(collection.query(photos / "arch_1.jpg", k=20)) == 11


def test_a_collection_of_a_coarse_family_is_used_by_that_family(tmp_path: Path, photos: Path) -> None:
    home = made(tmp_path / "home", INT8, photos)
    found = stored(home)
    assert found.numbers == "int8"
    assert 0.99 < found.agreement < AGREEMENT
    with opened(home, {}) as collection, pytest.raises(FingerprintMismatchError, match="use: --dtype int8$"):
        collection.query(photos / "arch_1.jpg")
    with opened(home, INT8) as collection:
        best = collection.query(photos / "arch_1.jpg", include_self=True)[0]
        assert (Path(best.path).name, best.score) == ("arch_1.jpg", pytest.approx(1, abs=1e-3))


def test_a_collection_from_before_there_were_families_opens(tmp_path: Path, photos: Path) -> None:
    home = made(tmp_path / "home", TORCH, photos)
    with sqlite3.connect(Home(home).metadata) as database:
        register_sums(database)
        (text,) = database.execute("select fingerprint from generations").fetchone()
        before = {key: value for key, value in json.loads(text).items() if key not in ("numbers", "agreement")}
        assert len(before) == len(json.loads(text)) - 2
        database.execute("update generations set fingerprint = ?", (json.dumps(before),))
    database.close()
    assert (stored(home).numbers, stored(home).agreement) == ("float32", 1.0)
    for how in (FLOAT32, BFLOAT16):
        with opened(home, how) as collection:
            assert len(collection.query(photos / "arch_1.jpg", k=20)) == 11
            assert collection.index(photos).unchanged == 12


@pytest.mark.parametrize(("one", "other"), [(BFLOAT16, FLOAT32), (FLOAT32, BFLOAT16)])
def test_export_and_import_go_between_families_that_agree(
    tmp_path: Path, photos: Path, one: dict[str, str], other: dict[str, str]
) -> None:
    early, late = sorted(photos.iterdir())[:6], sorted(photos.iterdir())[6:]
    with opened(made(tmp_path / "from", one, *early), one) as collection:
        collection.export(tmp_path / "exported")
        vectors = collection.vectors()[1]
    with opened(made(tmp_path / "into", other, *late), other) as collection:
        assert collection.import_(tmp_path / "exported").added == 6
        ids, mixed = collection.vectors()
        assert len(ids) == 12
        np.testing.assert_array_equal(mixed[6:], vectors)
        assert stored(tmp_path / "into").numbers == other["dtype"]


def test_import_of_a_family_that_does_not_agree_is_refused(tmp_path: Path, photos: Path) -> None:
    with opened(made(tmp_path / "from", INT8, photos), INT8) as collection:
        collection.export(tmp_path / "exported")
    with (
        opened(made(tmp_path / "into", TORCH, photos / "arch_1.jpg"), TORCH) as collection,
        pytest.raises(FingerprintMismatchError, match="288-d, int8, weights .*cannot be compared"),
    ):
        collection.import_(tmp_path / "exported")


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments], catch_exceptions=False)


def test_info_names_the_family(tmp_path: Path, photos: Path) -> None:
    home = made(tmp_path / "home", BFLOAT16, photos / "arch_1.jpg")
    (info,) = (json.loads(line) for line in invoke("info", "--home", home, "--json").stdout.splitlines())
    assert (info["fingerprint"]["numbers"], info["fingerprint"]["agreement"]) == ("bfloat16", stored(home).agreement)
    assert f"288 numbers a vector, bfloat16 (cosine to float32: {stored(home).agreement:.6f})" in " ".join(
        invoke("info", "--home", home).stdout.split()
    )


def test_the_command_line_chooses_and_ranks_as_torch(tmp_path: Path, photos: Path, by_graphs: Path) -> None:
    env = {name: value for name, value in os.environ.items() if not name.startswith("DINOSEARCH_")}
    env |= {"PYTHONPATH": str(CHECKOUT), "DINOSEARCH_OFFLINE": "1", "DINOSEARCH_GRAPHS": str(by_graphs)}
    env |= {"CUDA_VISIBLE_DEVICES": ""}

    def run(*arguments: str | Path) -> str:
        command = [sys.executable, "-m", "dinosearch", *map(str, arguments), "--home", str(tmp_path / "home")]
        return subprocess.run(
            command, cwd=tmp_path, env=env, capture_output=True, text=True, check=True, timeout=300
        ).stdout

    run("index", photos, "--model", "mini")
    assert stored(tmp_path / "home").numbers in ("bfloat16", "float32")
    with opened(made(tmp_path / "torch", TORCH, photos), TORCH) as reference:
        query = photos / "lighthouse_2.jpg"
        said = run("query", query, "--top", "20", "--rerank", "fast", "--json")
        found = [json.loads(line) for line in said.splitlines()]
        wanted = reference.query(query, k=20, rerank="fast")
        assert len(found) == len(wanted) == 11
        assert_same_ranking([(hit["path"], hit["score"]) for hit in found], wanted)
