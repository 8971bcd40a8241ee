"""`dinosearch migrate`: what it says, its exit codes, kill -9 and queries by other processes, and real models."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from dinosearch import Collection
from tests.cli.conftest import Run, objects
from tests.conftest import FakeEmbedder, write_photo

CHECKOUT = Path(__file__).parents[2]
# A process with fake models of 96 and 75 numbers by the names of real ones; DELAY is seconds an image takes.
FAKES = """
import os, sys, time
import dinosearch.embedding
from tests.collection.test_migrate import OtherEmbedder
from tests.conftest import FakeEmbedder

def open_fake(model="auto", **settings):
    class Slow(OtherEmbedder if model == "dinov2_vitb14" else FakeEmbedder):
        def embed(self, pixels):
            print("embeds", file=sys.stderr, flush=True)
            time.sleep(float(os.environ.get("DELAY", "0")) * len(pixels))
            return super().embed(pixels)
    return Slow(model)

dinosearch.embedding.open_embedder = open_fake
import dinosearch.collection.indexing.run
dinosearch.collection.indexing.run._BATCH = 4
"""
COMMAND = FAKES + "from dinosearch.cli import run\nrun()\n"
READER = (
    FAKES
    + """
from dinosearch import Collection
with Collection.open(sys.argv[1], read_only=True) as reader:
    while True:
        hits = reader.query(sys.argv[2], k=50, rerank="fast")
        print(len(hits), reader.embedder.fingerprint.checkpoint, round(hits[0].score, 4), flush=True)
"""
)


def started(code: str, *arguments: str | os.PathLike[str], **options: object) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT), "DINOSEARCH_DECODE": "inline", "OMP_NUM_THREADS": "1"}
    environment |= {"DELAY": str(options.get("delay", 0))}
    command = [sys.executable, "-c", code, *map(str, arguments)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment)


def done(*arguments: str | os.PathLike[str]) -> str:
    process = started(COMMAND, *arguments)
    out, err = process.communicate(timeout=100)
    assert process.returncode == 0, err
    return out


@pytest.fixture(params=["folder", "postgres"])
def home(request: pytest.FixtureRequest, tmp_path: Path, photo_folder: Path) -> str:
    place = str(tmp_path / "home") if request.param == "folder" else request.getfixturevalue("postgres_url")
    done("index", photo_folder, "--model", "dinov2_vits14", "--home", place)
    return place


def test_killed_at_any_moment_it_goes_on_and_a_reader_sees_it_through(home: str, photo_folder: Path) -> None:
    """A process that queries all the time fails never, and gets whole answers of the one model or of the other."""
    query = photo_folder / "04.png"
    reader = started(READER, home, query)
    dice = random.Random(7)
    try:
        assert reader.stdout is not None
        assert reader.stdout.readline()
        kills = 0
        for _ in range(3):
            run = started(COMMAND, "migrate", "--model", "dinov2_vitb14", "--home", home, delay=0.1)
            assert run.stderr is not None and run.stderr.readline() == "embeds\n"
            time.sleep(0.8 * dice.random())
            run.send_signal(signal.SIGKILL)
            run.communicate()
            kills += run.returncode == -signal.SIGKILL
        assert kills
        done("migrate", "--model", "dinov2_vitb14", "--home", home)
        time.sleep(0.5)
    finally:
        time.sleep(0.2)
        alive = reader.poll() is None
        reader.kill()
        lines, errors = reader.communicate()
    assert alive, errors
    answers = {tuple(line.split()) for line in lines.splitlines()[:-1]}
    assert {count for count, _, _ in answers} == {"11"}
    assert len({score for _, _, score in answers}) == 2  # nothing between the two models
    models = [line.split()[1] for line in lines.splitlines()[:-1]]
    assert models == sorted(models, reverse=True), "the old model must not come back"
    assert models[-1] == "dinov2_vitb14"
    found = json.loads(done("info", "--json", "--home", home))
    assert [(one["state"], one["rows"]) for one in found["models"]] == [("answering", 12), ("kept for going back", 12)]
    done("verify", "--home", home)


def test_what_it_says(run: Run, indexed: Path, embedders: list[dict[str, object]]) -> None:
    result = run("migrate")
    assert (result.exit_code, "no model is named" in result.stderr) == (2, True)
    result = run("migrate", "--model", "dinov2_vits14")  # all models are the same fake here
    assert (result.exit_code, result.stdout) == (0, "fake squash-224 cls answers already: nothing to do\n")
    assert run("migrate", "--back").exit_code == 2
    assert run("migrate", "--forget").stdout == "no other model is kept\n"
    assert run("migrate", "--back", "--forget").exit_code == 2
    result = run("migrate", "--back", "--model", "mini")
    assert (result.exit_code, "leave out --model" in result.stderr) == (2, True)
    result = run("migrate", "--model", "mini", "--dry-run")
    assert result.stdout.startswith("12 images to embed with fake squash-224 cls, 4.8 kB of vectors\nabout ")


@pytest.fixture
def other_fake(monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
    """Two fake models by name, in this process."""
    from tests.collection.test_migrate import OtherEmbedder

    def open_fake(model: str = "auto", **settings: object) -> FakeEmbedder | OtherEmbedder:
        return OtherEmbedder(model) if model == "dinov2_vitb14" else FakeEmbedder(model)

    monkeypatch.setattr("dinosearch.embedding.open_embedder", open_fake)


def test_images_that_cannot_be_read(run: Run, other_fake: None, photo_folder: Path) -> None:
    assert run("index", photo_folder, "--model", "dinov2_vits14").exit_code == 0
    away = photo_folder.with_name("unplugged")
    photo_folder.rename(away)
    result = run("migrate", "--model", "dinov2_vitb14")
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr.count("offline: ") == 12
    assert "12 images could not be read, so the model was not changed; plug the drive in" in result.stderr
    assert "--leave-behind" in result.stderr
    *left, summary = objects(run("migrate", "--json"))
    assert [one["type"] for one in left] == ["left"] * 12
    assert (summary["outcome"], summary["left"], summary["ok"]) == ("incomplete", 12, False)
    assert "dinov2_vitb14 squash-140 mean: being made, 0 %; 0 rows" in run("info").stdout
    away.rename(photo_folder)
    (photo_folder / "00.png").unlink()
    result = run("migrate", "--leave-behind")
    assert (result.exit_code, result.stderr) == (0, f"dinosearch: {photo_folder / '00.png'}: no longer there\n")
    assert result.stdout.splitlines()[1:] == [
        "1 image left behind until this can read them: dinosearch index FOLDER",
        "the model before is kept: go back with dinosearch migrate --back, or delete it with --forget",
    ]
    text = run("info").stdout
    assert "1 not found, as they wait for a vector of the new model" in text
    assert "dinov2_vits14 squash-224 cls: kept for going back; 12 rows" in text
    result = run("query", photo_folder / "01.png", "--model", "dinov2_vits14")
    assert (result.exit_code, "dinosearch migrate --model dinov2_vits14" in result.stderr) == (2, True)
    assert run("migrate", "--back").exit_code == 0
    assert "12 images" not in run("migrate", "--forget").stdout
    assert len(run("query", photo_folder / "01.png", "-k", "50").stdout.splitlines()) == 11


@pytest.fixture
def real(monkeypatch: pytest.MonkeyPatch, run: Run) -> Iterator[None]:
    """The models themselves."""
    from dinosearch.embedding.load import open_embedder

    monkeypatch.setattr("dinosearch.embedding.open_embedder", open_embedder)
    yield


def test_real_models_with_regions_and_patches(run: Run, real: None, tmp_path: Path) -> None:
    """Transformers of random weights in files: another size, other weights, and back."""
    from tests.embedding.tiny import REGISTERS, write_weights

    first, second = write_weights(tmp_path / "1.safetensors"), write_weights(tmp_path / "2.safetensors", REGISTERS)
    folder = tmp_path / "photos"
    for seed in range(4):
        write_photo(folder / f"{seed}.png", seed, (96, 64))
    chosen = ("--model", "mini", "--weights", first)
    assert run("index", folder, *chosen, "--preprocessing", "squash-112", "--regions", "--keep-patches").exit_code == 0
    result = run("migrate", "--preprocessing", "squash-140")  # all else stays, also the file of the weights
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines()[1] == "made again: regions, patches"
    info = objects(run("info", "--json"))[0]
    assert [one["fingerprint"]["preprocessing"] for one in info["models"]] == ["squash-140", "squash-112"]
    assert {one["kind"] for one in info["derived"]} == {"regions", "patches"}

    assert run("migrate", "--weights", second, "--model", "mini").exit_code == 0
    with Collection.open("fresh", create=True, model="mini", weights=second, preprocessing="squash-140") as fresh:
        fresh.index(folder, regions=True, keep_patches=True)
        with Collection.open("index") as moved:  # which remembers its weights
            for asked in ({"regions": True}, {"rerank": "maxsim"}, {"rerank": "fast"}):
                answers = [one.query(folder / "1.png", **asked) for one in (moved, fresh)]
                assert [hit.path for hit in answers[0]] == [hit.path for hit in answers[1]]
                assert np.allclose(*([hit.score for hit in one] for one in answers), atol=1e-5)
    write_photo(folder / "new.png", 50, (96, 64))
    assert run("index", folder).exit_code == 0
    assert run("verify").exit_code == 0
    assert run("migrate", "--back").exit_code == 0
    info = objects(run("info", "--json"))[0]
    assert [one["rows"] for one in info["models"]] == [5, 5]
    first.unlink()
    assert run("migrate", "--back").exit_code == 0  # nothing to embed
    assert run("migrate", "--back").exit_code == 0
    second.unlink()
    assert run("migrate", "--back").exit_code == 0
    result = run("query", folder / "1.png")
    assert (result.exit_code, "there is no weight file" in result.stderr) == (2, True)
