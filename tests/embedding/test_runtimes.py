"""Every runtime and number format against torch in float32: vectors, tokens, sizes, order, threads; and no torch."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dinosearch.embedding import open_embedder
from dinosearch.embedding.runtimes import graphs, processor
from dinosearch.embedding.runtimes import programs as runtimes
from dinosearch.embedding.runtimes.graph_embedder import GraphEmbedder
from dinosearch.embedding.runtimes.libraries import load_openvino
from dinosearch.embedding.runtimes.programs import openvino_formats
from dinosearch.errors import SettingError
from tests.embedding.tiny import PLAIN, REGISTERS, run_here, write_weights

CHECKOUT = Path(__file__).parents[2]
# Name: configuration of random weights (None: the bundled ConvNeXt), pooling.
MODELS = {
    "plain": (PLAIN, "cls@2+gem4.6"),
    "registers": (REGISTERS, "mean+sgem+cls"),
    "mini": (None, "cls"),
}
EXACT = [("openvino", "float32"), ("onnxruntime", "float32")]
bfloat16_here = pytest.mark.skipif(
    "bfloat16" not in openvino_formats(load_openvino().Core()), reason="this processor has no bfloat16"
)


@pytest.fixture(autouse=True)
def _exported_here(by_graphs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graphs, "run_child", run_here)
    monkeypatch.setattr(runtimes, "run_child", run_here)


@pytest.fixture(scope="module", params=MODELS)
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    config, pooling = MODELS[request.param]
    weights = config and write_weights(tmp_path_factory.mktemp("weights") / f"{request.param}.safetensors", config)
    return {"model": "mini", "weights": weights, "pooling": pooling}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return {
        "model": "mini",
        "weights": write_weights(tmp_path_factory.mktemp("weights") / "plain.safetensors", PLAIN),
        "pooling": MODELS["plain"][1],
    }


def reference(model: dict[str, Any]) -> Any:
    return open_embedder(**model, runtime="torch", device="cpu", dtype="float32")


def pictures(patch: int) -> list[np.ndarray]:
    """Smooth and noisy pictures of unlike sizes in patches, mixed: native, smaller, larger, wide, high, one patch."""
    rng = np.random.default_rng(5)
    sizes = [(9, 9), (16, 16), (3, 11), (9, 9), (12, 5), (1, 1), (32, 32), (3, 11), (9, 9), (9, 9), (16, 16)]
    found = []
    for rows, columns in sizes:
        coarse = rng.integers(0, 256, (rows, columns, 3), dtype=np.uint8).repeat(patch, 0).repeat(patch, 1)
        found.append(np.clip(coarse + rng.normal(0, 20, coarse.shape), 0, 255).astype(np.uint8))
    return found


def cosines(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    one, other = (x.reshape(-1, x.shape[-1]).astype(np.float64) for x in (one, other))
    return np.einsum("nd,nd->n", one, other) / np.linalg.norm(one, axis=1) / np.linalg.norm(other, axis=1)


@pytest.mark.parametrize(("runtime", "numbers"), EXACT)
def test_float32_gives_torchs_vectors_and_tokens(model: dict[str, Any], runtime: str, numbers: str) -> None:
    embedder, torchs = open_embedder(**model, runtime=runtime, dtype=numbers), reference(model)
    assert isinstance(embedder, GraphEmbedder)
    assert embedder.runtime.startswith(runtime)
    assert (embedder.dtype, embedder.patch_size, embedder.depth) == ("float32", torchs.patch_size, torchs.depth)
    assert embedder.fingerprint.matches(torchs.fingerprint)
    assert (embedder.fingerprint.numbers, embedder.fingerprint.agreement >= 0.99999) == ("float32", True)

    images = pictures(embedder.patch_size)
    vectors = embedder.embed(images)
    assert (vectors.dtype, vectors.shape) == (np.float32, (len(images), torchs.fingerprint.dimension))
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert cosines(vectors, torchs.embed(images)).min() >= 0.99999
    # One after the other is the other way of working, with all cores on each picture.
    assert cosines(vectors, np.concatenate([embedder.embed([image]) for image in images])).min() >= 0.999999

    for mine, theirs, image in zip(embedder.tokens(images), torchs.tokens(images), images, strict=True):
        assert mine.patches.shape[:2] == tuple(side // embedder.patch_size for side in image.shape[:2])
        for part in ("cls", "registers", "patches"):
            ours, wanted = getattr(mine, part), getattr(theirs, part)
            assert (ours.shape, ours.dtype) == (wanted.shape, np.float32)
            if wanted.size:
                assert cosines(ours, wanted).min() >= 0.99999
                np.testing.assert_allclose(ours, wanted, atol=2e-4 * np.abs(wanted).max())


@pytest.mark.parametrize(
    ("runtime", "numbers", "least"),
    [pytest.param("openvino", "bfloat16", 0.999, marks=bfloat16_here), ("onnxruntime", "int8", 0.98)],
)
def test_shorter_formats_come_near(model: dict[str, Any], runtime: str, numbers: str, least: float) -> None:
    embedder, torchs = open_embedder(**model, runtime=runtime, dtype=numbers), reference(model)
    images = pictures(embedder.patch_size)
    found, wanted = embedder.embed(images), torchs.embed(images)
    near = cosines(found, wanted)
    assert near.min() >= least
    assert near.mean() < 1 - 1e-8  # it is that format and not float32 under another name
    assert embedder.fingerprint.numbers == embedder.dtype == numbers
    assert abs(embedder.fingerprint.agreement - near.mean()) < 1 - least
    for mine, theirs in zip(embedder.tokens(images), torchs.tokens(images), strict=True):
        assert cosines(mine.patches, theirs.patches).mean() >= 2 * least - 1


@bfloat16_here
def test_bfloat16_is_chosen_where_the_processor_has_it_and_the_vectors_agree(plain: dict[str, Any]) -> None:
    embedder = open_embedder(**plain)
    assert embedder.fingerprint.numbers == "bfloat16"
    assert embedder.fingerprint.agreement >= 0.9999
    assert embedder.fingerprint.matches(reference(plain).fingerprint)


def test_without_bfloat16_the_choice_is_float32(plain: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtimes, "has_bfloat16", lambda: False)
    lines: list[str] = []
    embedder = open_embedder(**plain, notify=lines.append)
    assert embedder.runtime.startswith("openvino")
    assert embedder.fingerprint.numbers == "float32"
    assert [line for line in lines if not line.startswith("preparing")] == []


@pytest.mark.parametrize(
    ("cpuinfo", "has"),
    [
        ("processor\t: 0\nflags\t\t: fpu sse4_2 avx512f avx512_bf16 fma\n\nprocessor\t: 1\n", True),
        ("processor\t: 0\nflags\t\t: fpu sse4_2 avx512f avx512bw\n\nprocessor\t: 1\n", False),
        ("processor\t: 0\nFeatures\t: fp asimd bf16\n", True),
        ("processor\t: 0\nBogoMIPS\t: 100\n", None),
    ],
)
def test_what_the_system_says_of_the_processor(monkeypatch: pytest.MonkeyPatch, cpuinfo: str, has: bool | None) -> None:
    monkeypatch.setattr("builtins.open", lambda *_, **__: io.StringIO(cpuinfo))
    assert processor.has_bfloat16() is has


@pytest.mark.parametrize("runtime", ["openvino", "onnxruntime"])
def test_many_threads_at_once_get_what_one_gets(plain: dict[str, Any], runtime: str) -> None:
    embedder = open_embedder(**plain, runtime=runtime, dtype="float32")
    images = pictures(embedder.patch_size)
    # Lists of every length, so that both ways of working run at the same time.
    lists = [images[low : low + length] for length in (1, 2, 3, 5) for low in range(6)]
    alone = [embedder.embed(one) for one in lists]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(open_embedder(**plain, runtime=runtime, dtype="float32").embed, lists * 2))
    for one, other in zip(alone * 2, together, strict=True):
        np.testing.assert_allclose(other, one, atol=1e-5)


def test_vectors_are_the_same_after_a_rest(plain: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    embedder = open_embedder(**plain, runtime="openvino", dtype="float32")
    opened: list[bool] = []
    opener = embedder._opener
    monkeypatch.setattr(embedder, "_opener", lambda many: opened.append(many) or opener(many))
    images = list(np.random.default_rng(5).integers(0, 256, (4, 28, 28, 3), np.uint8))
    before = embedder.embed(images)
    embedder.rest()
    np.testing.assert_array_equal(embedder.embed(images), before)
    assert opened == [True, True]  # it was given back in between


def test_tokens_of_several_blocks_are_torchs(plain: dict[str, Any]) -> None:
    embedder = open_embedder(**plain)
    images = pictures(embedder.patch_size)[:3]
    for mine, theirs in zip(embedder.tokens(images, blocks=3), reference(plain).tokens(images, blocks=3), strict=True):
        assert len(mine.earlier) == 2
        for ours, wanted in zip((*mine.earlier, mine), (*theirs.earlier, theirs), strict=True):
            np.testing.assert_allclose(ours.patches, wanted.patches, atol=1e-5)
    for blocks in (0, 4):
        with pytest.raises(ValueError, match=f"the last 1 to 3 blocks, not of {blocks}"):
            embedder.tokens(images, blocks=blocks)


def test_nothing_gives_nothing(plain: dict[str, Any]) -> None:
    embedder = open_embedder(**plain)
    assert embedder.embed([]).shape == (0, embedder.fingerprint.dimension)
    assert embedder.tokens([]) == []


@pytest.mark.parametrize(
    ("image", "sentence"),
    [
        (np.zeros((28, 28, 3), np.float32), r"must be \(h, w, 3\) uint8, not \(28, 28, 3\) float32"),
        (np.zeros((28, 28), np.uint8), r"must be \(h, w, 3\) uint8, not \(28, 28\) uint8"),
        (np.zeros((28, 28, 4), np.uint8), r"must be \(h, w, 3\) uint8, not \(28, 28, 4\) uint8"),
        (np.zeros((28, 30, 3), np.uint8), "30 x 28 pixels; both sides must be multiples of 14"),
        (np.zeros((0, 28, 3), np.uint8), "28 x 0 pixels; both sides must be multiples of 14"),
    ],
)
def test_arrays_that_are_no_pictures_are_refused(plain: dict[str, Any], image: np.ndarray, sentence: str) -> None:
    embedder = open_embedder(**plain)
    good = np.zeros((28, 28, 3), np.uint8)
    for call in (embedder.embed, embedder.tokens):
        with pytest.raises(ValueError, match=sentence):
            call([good, image])


def test_the_batch_is_what_was_asked_for(plain: dict[str, Any]) -> None:
    images = pictures(14)
    embedder = open_embedder(**plain, runtime="onnxruntime", batch=3)
    assert embedder.batch_size == 3
    assert cosines(embedder.embed(images), reference(plain).embed(images)).min() >= 0.99999
    for runtime in ("openvino", "torch"):
        with pytest.raises(SettingError, match="a batch of 0 images is not possible"):
            open_embedder(**plain, runtime=runtime, batch=0)


def test_a_process_with_a_ready_graph_loads_no_torch(plain: dict[str, Any], by_graphs: Path) -> None:
    wanted = open_embedder(**plain)  # makes the graph where no test has yet made it
    program = (
        "import sys, numpy\n"
        "from dinosearch.embedding import open_embedder\n"
        "embedder = open_embedder('mini', weights=sys.argv[1], pooling=sys.argv[2], notify=print)\n"
        "image = numpy.arange(126 * 126 * 3).reshape(126, 126, 3).astype(numpy.uint8)\n"
        "vector = embedder.embed([image] * 3)[2]\n"
        "print(embedder.tokens([image])[0].patches.shape, 'torch' in sys.modules, *vector[:4])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(plain["weights"]), plain["pooling"]],
        env={**os.environ, "PYTHONPATH": str(CHECKOUT), "DINOSEARCH_GRAPHS": str(by_graphs)},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    (line,) = done.stdout.splitlines()
    assert line.startswith("(9, 9, 48) False ")
    image = np.arange(126 * 126 * 3).reshape(126, 126, 3).astype(np.uint8)
    found = [float(number) for number in line.split()[-4:]]
    np.testing.assert_allclose(found, wanted.embed([image])[0][:4], atol=1e-3)


def test_nothing_is_reported_to_anybody(plain: dict[str, Any], by_graphs: Path, tmp_path: Path) -> None:
    open_embedder(**plain, runtime="onnxruntime")
    program = (
        "import sys\n"
        "from dinosearch.embedding import open_embedder\n"
        "embedder = open_embedder('mini', weights=sys.argv[1], pooling=sys.argv[2], runtime=sys.argv[3])\n"
        "print(embedder.runtime)"
    )
    # Both of them keep a number for the machine in the user's folders before they report their use, but in no CI job.
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in ("CI", "GITHUB_ACTIONS", "ORT_RUNNING_UNIT_TESTS", "ORT_DISABLE_TELEMETRY")
        and not name.startswith(("PYTEST", "TF_BUILD"))
    }
    home = tmp_path / "home"
    home.mkdir()
    places = {"HOME": str(home), "XDG_CACHE_HOME": str(home / "cache"), "XDG_DATA_HOME": str(home / "data")}
    env = {**kept, **places, "PYTHONPATH": str(CHECKOUT), "DINOSEARCH_GRAPHS": str(by_graphs)}
    for runtime in ("onnxruntime", "openvino"):
        command = [sys.executable, "-c", program, str(plain["weights"]), plain["pooling"], runtime]
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=True, timeout=120)
        assert done.stdout.startswith(runtime)
    assert {path.name for path in home.rglob("*") if path.is_file()} <= {"digests.json"}
