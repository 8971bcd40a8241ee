"""Each family through its exported graph, by every runtime, against torch in float32; in 8 bits; folded for a GPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dinosearch.embedding import open_embedder
from dinosearch.embedding.devices.folding import fold_layer_scale
from dinosearch.embedding.families import family
from dinosearch.embedding.runtimes import graphs
from dinosearch.embedding.runtimes import programs as runtimes
from dinosearch.embedding.runtimes.graph_embedder import GraphEmbedder
from tests.embedding.random_weights import random_images
from tests.embedding.test_runtimes import cosines
from tests.embedding.tiny import FAMILIES, run_here, write_weights

# DINOv2's and mini's graphs are the matter of test_runtimes.py.
EXPORTED = ["dino", "dinov3", "dinov3 gated", "resnet"]


@pytest.fixture(autouse=True)
def _exported_here(by_graphs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graphs, "run_child", run_here)
    monkeypatch.setattr(runtimes, "run_child", run_here)


@pytest.fixture(scope="module", params=EXPORTED)
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    kind, config = FAMILIES[request.param]
    path = write_weights(tmp_path_factory.mktemp("weights") / "weights.safetensors", config, kind)
    return {"model": "mini", "weights": path, "pooling": "cls@2+mean"}


def pictures(patch: int) -> list[np.ndarray]:
    rng = np.random.default_rng(5)
    sizes = [(6, 6), (7, 7), (3, 11), (9, 2), (6, 6)]
    return [rng.integers(0, 256, (rows * patch, columns * patch, 3), dtype=np.uint8) for rows, columns in sizes]


def test_graphs_give_torchs_vectors_and_tokens(model: dict[str, Any]) -> None:
    torchs = open_embedder(**model, runtime="torch", device="cpu", dtype="float32")
    images = pictures(torchs.patch_size)
    vectors, tokens = torchs.embed(images), torchs.tokens(images)
    for runtime in ("openvino", "onnxruntime"):
        embedder = open_embedder(**model, runtime=runtime, dtype="float32")
        assert isinstance(embedder, GraphEmbedder)
        assert (embedder.patch_size, embedder.depth) == (torchs.patch_size, torchs.depth)
        assert embedder.fingerprint.matches(torchs.fingerprint)
        assert cosines(embedder.embed(images), vectors).min() >= 0.99999
        for mine, theirs in zip(embedder.tokens(images), tokens, strict=True):
            for part in ("cls", "registers", "patches"):
                ours, wanted = getattr(mine, part), getattr(theirs, part)
                assert ours.shape == wanted.shape
                if wanted.size:
                    np.testing.assert_allclose(ours, wanted, atol=2e-4 * np.abs(wanted).max())
    small = open_embedder(**model, dtype="int8")
    assert (small.runtime.split()[0], small.dtype) == ("onnxruntime", "int8")  # type: ignore[union-attr]
    assert cosines(small.embed(images), vectors).min() >= 0.98


@pytest.mark.parametrize("name", FAMILIES)
def test_a_network_folded_for_a_gpu_computes_the_same(name: str, tmp_path: Path) -> None:
    """Folded, and in bfloat16, where DINOv3 goes on to turn by angles in float32."""
    from bench.random_tensors import random_network

    kind, config = FAMILIES[name]
    network = random_network(family(kind), config)
    images = random_images(2, 3, 3 * network.patch_size, 5 * network.patch_size)
    with torch.inference_mode():
        expected = network(images)
        folded = fold_layer_scale(network)
        found = folded(images)
        for part in ("cls", "registers", "patches"):
            torch.testing.assert_close(getattr(found, part), getattr(expected, part), atol=1e-4, rtol=1e-4)
        half = folded.to(dtype=torch.bfloat16)(images.bfloat16()).cls.float()
    assert torch.cosine_similarity(half, expected.cls, dim=-1).min() > 0.999
    if kind == "dinov3":
        assert folded.rope_embed.periods.dtype == torch.float32


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
@pytest.mark.parametrize("name", FAMILIES)
def test_a_gpu_gives_the_processors_vectors(name: str, tmp_path: Path) -> None:
    """As launched, while the batch is recorded, and from the recording."""
    kind, config = FAMILIES[name]
    model = {"model": "mini", "weights": write_weights(tmp_path / "weights.safetensors", config, kind)}
    exact = open_embedder(**model, runtime="torch", device="cpu", dtype="float32")
    images = pictures(exact.patch_size)
    for dtype in ("float32", "float16"):
        embedder = open_embedder(**model, device="cuda", dtype=dtype)
        for _ in range(3):
            assert cosines(embedder.embed(images), exact.embed(images)).min() >= 0.999
