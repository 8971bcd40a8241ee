"""Graphs on the disk and the choice among runtimes: made once, made again when damaged, checked before use, and torch
where nothing else can."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dinosearch.embedding import open_embedder
from dinosearch.embedding.probe import probe_images
from dinosearch.embedding.runtimes import graphs
from dinosearch.embedding.runtimes import programs as runtimes
from dinosearch.embedding.runtimes.graph_embedder import GraphEmbedder
from dinosearch.embedding.runtimes.programs import RUNTIMES, OnnxRuntime, Outputs
from dinosearch.errors import DamagedWeightsError, SettingError
from tests.embedding.tiny import PLAIN, run_here, write_weights

CHECKOUT = Path(__file__).parents[2]
POOLING = "cls@2+gem4.6"  # with it the graph is shared with test_runtimes.py
PARTS = ("facts.json", "graph.onnx", "graph.onnx.data", "positions.npy", "probe.npy")
Child = Callable[..., None]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_weights(tmp_path_factory.mktemp("weights") / "plain.safetensors", PLAIN)


@pytest.fixture
def ready(weights: Path, by_graphs: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A graph that another test or this one has made."""
    with monkeypatch.context() as patch:
        patch.setattr(graphs, "run_child", run_here)
        embedder = open_embedder("mini", weights=weights, pooling=POOLING, runtime="onnxruntime")
    assert isinstance(embedder, GraphEmbedder)
    return next(
        path for path in by_graphs.glob(f"*-{POOLING}-v*") if embedder.fingerprint.weights_sha256[:16] in str(path)
    )


@pytest.fixture
def folder(ready: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder for the graphs of this test."""
    monkeypatch.setenv("DINOSEARCH_GRAPHS", str(tmp_path / "graphs"))
    return tmp_path / "graphs"


@pytest.fixture
def made(ready: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The modules that ran as child processes; an export is a copy of the ready graph, which takes no time."""
    calls: list[str] = []

    def copy(module: str, *arguments: str) -> None:
        assert module == "dinosearch.embedding.runtimes.export"
        calls.append(module)
        for name in PARTS:
            shutil.copy(ready / name, arguments[-1])

    monkeypatch.setattr(graphs, "run_child", copy)
    return calls


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
def opened(weights: Path, lines: list[str]) -> Callable[..., Any]:
    def open_(**more: Any) -> Any:
        return open_embedder("mini", **{"weights": weights, "pooling": POOLING, "notify": lines.append, **more})

    return open_


def picture(seed: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (126, 126, 3), dtype=np.uint8)


def only_folder(folder: Path) -> Path:
    (found,) = (path for path in folder.iterdir() if path.is_dir())
    return found


def assert_like_torch(embedder: Any, opened: Callable[..., Any]) -> None:
    torchs = opened(runtime="torch", device="cpu", dtype="float32")
    assert (embedder.embed([picture()]) * torchs.embed([picture()])).sum() > 0.9995


def test_a_graph_is_made_once_and_the_user_is_told(
    folder: Path, made: list[str], lines: list[str], opened: Callable[..., Any]
) -> None:
    for _ in range(2):
        assert_like_torch(opened(), opened)
    assert len(made) == 1
    (line,) = lines
    assert line.startswith("preparing mini for this processor, once")
    assert {path.name for path in only_folder(folder).iterdir()} > set(PARTS)
    shutil.rmtree(folder)  # it may be deleted at any time
    assert_like_torch(opened(), opened)
    assert len(made) == 2


@pytest.mark.parametrize(
    ("name", "damage"),
    [*((name, "shorter") for name in PARTS), ("graph.onnx.data", "missing"), ("facts.json", "empty")],
)
def test_a_damaged_graph_is_made_again(
    folder: Path, made: list[str], opened: Callable[..., Any], name: str, damage: str
) -> None:
    opened(runtime="onnxruntime")
    (path,) = folder.glob(f"*/{name}")
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-1] if damage == "shorter" else b"{}")
    assert_like_torch(opened(runtime="onnxruntime"), opened)
    assert len(made) == 2


def test_what_a_killed_export_left_is_cleared_away(folder: Path, made: list[str], opened: Callable[..., Any]) -> None:
    opened(runtime="onnxruntime")
    graph = only_folder(folder)
    left = graph.rename(graph.with_name(f"{graph.name}.tmp"))
    (left / "probe.npy").unlink()
    opened(runtime="onnxruntime")
    assert (graph.is_dir(), left.exists()) == (True, False)


def test_two_at_once_export_once(folder: Path, made: list[str], opened: Callable[..., Any]) -> None:
    gate = threading.Barrier(4)

    def begin(_: int) -> np.ndarray:
        gate.wait(20)
        return np.asarray(opened(runtime="onnxruntime").embed([picture()]))

    with ThreadPoolExecutor(4) as pool:
        vectors = list(pool.map(begin, range(4)))
    assert len(made) == 1
    for vector in vectors[1:]:
        np.testing.assert_allclose(vector, vectors[0], atol=1e-6)


@pytest.mark.slow
def test_two_processes_at_once_export_once(weights: Path, tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from dinosearch.embedding import open_embedder\n"
        "embedder = open_embedder('mini', weights=sys.argv[1], notify=print)\n"
        "print(embedder.runtime.split()[0], 'torch' in sys.modules)"
    )
    env = {name: value for name, value in os.environ.items() if name != "DINOSEARCH_RUNTIME"}
    env |= {"PYTHONPATH": str(CHECKOUT), "DINOSEARCH_GRAPHS": str(tmp_path / "graphs"), "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, "-c", program, str(weights)]
    both = [subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [child.communicate(timeout=300)[0].splitlines() for child in both]
    assert [lines[-1] for lines in said] == ["openvino False"] * 2
    assert sorted(len(lines) for lines in said) == [1, 2]  # one of them has made it, and says so
    assert not list((tmp_path / "graphs").glob("*.tmp"))


def test_a_folder_that_cannot_be_written_leaves_torch(
    folder: Path, made: list[str], lines: list[str], opened: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.write_text("a file where the folder would be")
    embedder = opened(device="cpu")
    assert type(embedder).__name__ == "TorchEmbedder"
    (line,) = lines
    assert line.startswith("embedding by torch, which is slower on a processor: ")
    assert "graphs" in line
    assert made == []
    with pytest.raises(SettingError, match=r"openvino cannot be used here \(.*graphs.*leave out --runtime"):
        opened(runtime="openvino")


def test_a_ready_graph_in_a_folder_that_cannot_be_written_is_used(
    folder: Path, made: list[str], lines: list[str], opened: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened(runtime="onnxruntime")
    graph = only_folder(folder)
    for memory in graph.glob("agreement-*"):
        memory.unlink()
    (graph / "openvino").write_text("a file where the folder of compiled graphs would be")

    def full(*_: Any) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("dinosearch.embedding.runtimes.choose.atomic_path", full)
    lines.clear()
    assert_like_torch(opened(), opened)
    assert not list(graph.glob("agreement-*"))
    assert lines == []


@pytest.mark.skipif(sys.platform == "win32", reason="stands in for Python by a shell script")
@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("kill -9 $$", "ended with -9"),
        ("echo Traceback >&2; echo 'OSError: No space left on device' >&2; exit 1", "OSError: No space left on device"),
        ("exit 0", "facts.json"),
    ],
)
def test_an_export_that_fails_leaves_torch_and_nothing_behind(
    folder: Path, lines: list[str], opened: Callable[..., Any], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, script: str, reason: str,
) -> None:  # fmt: skip
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\n{script}\n")
    python.chmod(0o755)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "executable", str(python))
        embedder = opened(device="cpu")
        with pytest.raises(SettingError, match="onnxruntime cannot be used here"):
            opened(runtime="onnxruntime")
    assert type(embedder).__name__ == "TorchEmbedder"
    assert embedder.fingerprint.numbers == "float32"
    preparing, notice, _ = lines
    assert preparing.startswith("preparing mini")
    assert notice.startswith("embedding by torch")
    assert reason in notice
    assert [path.name for path in folder.iterdir() if path.suffix != ".lock"] == []


def test_weights_that_vanish_are_an_error_of_the_weights(
    folder: Path, opened: Callable[..., Any], weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = Path(shutil.copy(weights, tmp_path / "mine.safetensors"))

    def vanish(module: str, *arguments: str) -> None:
        mine.unlink()
        raise graphs.GraphUnavailableError("FileNotFoundError")

    monkeypatch.setattr(graphs, "run_child", vanish)
    with pytest.raises(DamagedWeightsError, match="mine.safetensors"):
        opened(weights=mine, device="cpu")


class Spoiled(OnnxRuntime):
    """Vectors whose numbers stand in the wrong order."""

    probes = 0

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.name = "spoiled 1.0"

    def run(self, images: np.ndarray, cells: np.ndarray | None, *, tokens: bool) -> Outputs:
        vectors, others = super().run(images, cells, tokens=tokens)
        type(self).probes += 1
        return np.roll(vectors, 1, axis=1), others


class Endless(Spoiled):
    """Vectors that are no numbers."""

    def run(self, images: np.ndarray, cells: np.ndarray | None, *, tokens: bool) -> Outputs:
        vectors, others = super().run(images, cells, tokens=tokens)
        return np.where(np.arange(len(vectors))[:, None] == 0, np.nan, vectors), others


def broken(*arguments: Any) -> Any:
    raise ImportError("libgone.so: cannot open shared object file")


@pytest.mark.parametrize("spoiled", [Spoiled, Endless])
def test_a_runtime_that_spoils_vectors_is_not_used(
    folder: Path, made: list[str], lines: list[str], opened: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch, spoiled: type[Spoiled],
) -> None:  # fmt: skip
    spoiled.probes = 0
    monkeypatch.setitem(RUNTIMES, "openvino", (spoiled, ("float32",)))
    embedder = opened()
    assert embedder.runtime.startswith("onnxruntime")
    assert_like_torch(embedder, opened)
    assert [line.split(": its")[0] for line in lines[1:]] == ["not used: openvino"]
    assert spoiled.probes == 1
    opened()  # what was measured is remembered
    assert spoiled.probes == 1
    with pytest.raises(SettingError, match="openvino cannot be used here .*agree with float32 by"):
        opened(runtime="openvino")


def test_where_no_runtime_works_torch_does_and_every_reason_is_said(
    folder: Path, made: list[str], lines: list[str], opened: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(RUNTIMES, "openvino", (broken, ("bfloat16", "float32")))
    monkeypatch.setitem(RUNTIMES, "onnxruntime", (Spoiled, ("float32",)))
    assert type(opened(device="cpu")).__name__ == "TorchEmbedder"
    assert lines[-1].startswith("embedding by torch, which is slower on a processor: openvino: libgone.so")
    assert "onnxruntime: its float32 vectors agree" in lines[-1]
    with pytest.raises(SettingError, match=r"openvino cannot be used here \(openvino: libgone.so"):
        opened(runtime="openvino")


def test_the_measured_agreement_is_the_mean_cosine_on_the_pictures(
    folder: Path, made: list[str], opened: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(RUNTIMES, "onnxruntime", (Spoiled, ("float32",)))
    images = list(probe_images(14))
    wanted = opened(runtime="torch", device="cpu", dtype="float32").embed(images).astype(np.float64)
    embedder = opened(runtime="onnxruntime", dtype="float32")  # what is asked for by name is used, and marked
    expected = (np.roll(wanted, 1, axis=1) * wanted).sum(axis=1).mean()
    assert embedder.fingerprint.agreement == pytest.approx(expected, abs=1e-4)
    assert not embedder.fingerprint.matches(opened(runtime="torch", device="cpu", dtype="bfloat16").fingerprint)


def test_what_is_remembered_is_for_one_processor(
    folder: Path, made: list[str], opened: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    Spoiled.probes = 0
    monkeypatch.setitem(RUNTIMES, "openvino", (Spoiled, ("float32",)))
    opened()
    monkeypatch.setattr("dinosearch.embedding.runtimes.choose.processor", lambda: "another")
    opened()
    assert Spoiled.probes == 2


@pytest.mark.parametrize("patch", [14, 16])
def test_the_pictures_are_the_same_everywhere_and_unlike_each_other(patch: int) -> None:
    program = f"from dinosearch.embedding.probe import probe_images as p; print(p({patch}).tobytes().hex()[::997])"
    images = probe_images(patch)
    assert (images.dtype, images.shape[0], images.shape[3]) == (np.uint8, 8, 3)
    assert images.shape[1] == images.shape[2] == 224
    done = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert done.stdout.strip() == images.tobytes().hex()[::997]
    flat = images.reshape(8, -1).astype(np.float64)
    assert (flat.std(axis=1) > 20).all()
    correlations = np.corrcoef(flat) - np.eye(8)
    assert np.abs(correlations).max() < 0.5


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"runtime": "tvm"}, "runtime 'tvm' is not one of auto, openvino, onnxruntime, torch"),
        ({"dtype": "float8"}, "dtype 'float8' is not one of float32, bfloat16, float16, int8"),
        ({"runtime": "torch", "dtype": "int8", "device": "cpu"}, "dtype 'int8' is not one of float32, bfloat16"),
        ({"dtype": "float16", "device": "cpu"}, "'float16' is for GPUs; on the processor use: --dtype bfloat16"),
        ({"runtime": "openvino", "dtype": "int8"}, "openvino has no int8, only bfloat16, float32"),
        ({"runtime": "onnxruntime", "dtype": "bfloat16"}, "onnxruntime has no bfloat16, only float32, int8"),
        ({"runtime": "openvino", "device": "cuda"}, "openvino is for processors, not for cuda; leave out"),
        ({"dtype": "int8", "device": "cuda:1"}, "int8 is for processors, not for cuda:1; leave out"),
        ({"runtime": "openvino", "scales": "gem"}, "several scales are made by torch; leave out --scales gem or"),
    ],
)
def test_what_does_not_go_together_is_refused_before_anything_is_made(
    folder: Path, made: list[str], lines: list[str], opened: Callable[..., Any], asked: dict[str, str], sentence: str
) -> None:
    with pytest.raises(SettingError) as refused:
        opened(**asked)
    assert sentence in str(refused.value)
    assert "\n" not in str(refused.value)
    assert (made, lines) == ([], [])


def test_bfloat16_that_the_processor_has_not(
    folder: Path, made: list[str], lines: list[str], opened: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtimes, "has_bfloat16", lambda: False)
    with pytest.raises(SettingError, match=r"openvino cannot be used here \(openvino: this processor has no bfloat16"):
        opened(runtime="openvino", dtype="bfloat16")
    assert type(opened(dtype="bfloat16", device="cpu")).__name__ == "TorchEmbedder"
    assert "this processor has no bfloat16" in lines[-1]


def test_the_environment_names_the_runtime(
    folder: Path, made: list[str], opened: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DINOSEARCH_RUNTIME", "onnxruntime")
    assert opened().runtime.startswith("onnxruntime ")
    assert opened(runtime="openvino").runtime.startswith("openvino ")
    for name in ("auto", ""):
        monkeypatch.setenv("DINOSEARCH_RUNTIME", name)
        assert opened().runtime.startswith("openvino ")
    monkeypatch.setenv("DINOSEARCH_RUNTIME", "tvm")
    with pytest.raises(SettingError, match="runtime 'tvm'"):
        opened()


def test_several_scales_are_torchs(folder: Path, made: list[str], lines: list[str], opened: Callable[..., Any]) -> None:
    embedder = opened(scales="gem", device="cpu")
    assert (type(embedder).__name__, embedder.fingerprint.scales) == ("TorchEmbedder", "gem")
    assert (made, lines) == ([], [])
