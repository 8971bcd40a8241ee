"""DINOv3: names in the official files and in transformers', masked biases, periods, and files given out on request."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from bench.random_tensors import random_file, random_network
from dinosearch.embedding import CHECKPOINTS, fetch, find_checkpoint, locate, open_embedder, resolve
from dinosearch.embedding.families import convnext, dinov3
from dinosearch.embedding.families.convnext import ConvNeXtConfig
from dinosearch.embedding.families.dinov3 import RotaryConfig, RotaryTransformer
from dinosearch.embedding.runtimes.positions import Positions
from dinosearch.embedding.weights.models import load_model
from dinosearch.embedding.weights.names import official_keys
from dinosearch.errors import DamagedWeightsError, WeightsUnavailableError
from dinosearch.records import Preprocessing
from tests.embedding.random_weights import fill_random, random_images

SHAPE: dict[str, Any] = {"dimension": 48, "depth": 2, "heads": 3, "hidden": 96}
TINY = replace(CHECKPOINTS["dinov3_vits16"], shape=SHAPE, dimension=48)
GATED = [checkpoint for checkpoint in CHECKPOINTS.values() if checkpoint.series == "DINOv3"]

# Dimension, depth, heads, ffn_ratio, multiple of the SwiGLU (0: none), bias of qkv, norm of local crops:
# facebookresearch/dinov3, hub/backbones.py.
HUB: dict[str, tuple[int, int, int, float, int, bool, bool]] = {
    "dinov3_vits16": (384, 12, 6, 4, 0, True, False),
    "dinov3_vits16plus": (384, 12, 6, 6, 8, True, False),
    "dinov3_vitb16": (768, 12, 12, 4, 0, True, False),
    "dinov3_vitl16": (1024, 24, 16, 4, 0, True, False),
    "dinov3_vitl16_sat493m": (1024, 24, 16, 4, 0, True, True),
    "dinov3_vith16plus": (1280, 32, 20, 6, 8, True, False),
    "dinov3_vit7b16": (4096, 40, 32, 3, 64, False, True),
    "dinov3_vit7b16_sat493m": (4096, 40, 32, 3, 64, False, True),
}


def official_shapes(name: str) -> dict[str, tuple[int, ...]]:
    """Names and shapes in the official file, written from the hub's facts and not from our table."""
    d, depth, heads, ratio, multiple, bias, local = HUB[name]
    shapes: dict[str, tuple[int, ...]] = {
        "cls_token": (1, 1, d),
        "storage_tokens": (1, 4, d),
        "mask_token": (1, d),
        "rope_embed.periods": (d // heads // 4,),
        "patch_embed.proj.weight": (d, 3, 16, 16),
        "patch_embed.proj.bias": (d,),
    }
    for norm in ("norm", "local_cls_norm") if local else ("norm",):
        shapes[f"{norm}.weight"] = shapes[f"{norm}.bias"] = (d,)
    layers = [("fc1", int(d * ratio), d), ("fc2", d, int(d * ratio))]
    if multiple:
        hidden = -(-int(d * ratio * 2 / 3) // multiple) * multiple
        layers = [("w1", hidden, d), ("w2", hidden, d), ("w3", d, hidden)]
    for i in range(depth):
        block = f"blocks.{i}"
        for part in ("norm1", "norm2"):
            shapes[f"{block}.{part}.weight"] = shapes[f"{block}.{part}.bias"] = (d,)
        for part in ("ls1", "ls2"):
            shapes[f"{block}.{part}.gamma"] = (d,)
        shapes[f"{block}.attn.qkv.weight"] = (3 * d, d)
        if bias:
            shapes[f"{block}.attn.qkv.bias"] = shapes[f"{block}.attn.qkv.bias_mask"] = (3 * d,)
        shapes[f"{block}.attn.proj.weight"], shapes[f"{block}.attn.proj.bias"] = (d, d), (d,)
        for part, rows, columns in layers:
            shapes[f"{block}.mlp.{part}.weight"], shapes[f"{block}.mlp.{part}.bias"] = (rows, columns), (rows,)
    return shapes


@pytest.fixture
def state() -> dict[str, Tensor]:
    network = random_network(dinov3.FAMILY, RotaryConfig(**SHAPE))
    return {**random_file(network), "mask_token": torch.zeros(1, 48)}


@pytest.mark.parametrize("name", HUB)
def test_official_file_fills_the_network(name: str) -> None:
    config = RotaryConfig(**dict(CHECKPOINTS[name].shape or {}))
    with torch.device("meta"):
        file = {key: torch.zeros(shape) for key, shape in official_shapes(name).items()}
        wanted = dinov3.FAMILY.network(config).state_dict()
        found = official_keys(file, dinov3.FAMILY, config)
    assert {key: value.shape for key, value in found.items()} == {key: value.shape for key, value in wanted.items()}


def test_bias_of_keys_is_masked(state: dict[str, Tensor], tmp_path: Path) -> None:
    """LinearKMaskedBias multiplies with the mask; pretrained files may hold what was never used."""
    state["blocks.1.attn.qkv.bias"][48:96] = float("nan")
    torch.save(state, tmp_path / "weights.pth")
    bias = load_model(TINY, tmp_path / "weights.pth").state_dict()["blocks.1.attn.qkv.bias"]
    assert torch.equal(bias[48:96], torch.zeros(48))
    assert torch.equal(bias[:48], state["blocks.1.attn.qkv.bias"][:48])
    assert torch.equal(bias[96:], state["blocks.1.attn.qkv.bias"][96:])


def test_norm_of_local_crops_changes_nothing(state: dict[str, Tensor], tmp_path: Path) -> None:
    """untie_global_and_local_cls_norm of the 7B and the satellite ViT-L: the second norm is for training only."""
    local = {"local_cls_norm.weight": torch.full((48,), 9.0), "local_cls_norm.bias": torch.full((48,), 9.0)}
    images = random_images(1, 3, 64, 64)
    found = []
    for extra in ({}, local):
        torch.save({**state, **extra}, tmp_path / "weights.pth")
        with torch.inference_mode():
            found.append(load_model(TINY, tmp_path / "weights.pth")(images).cls)
    assert torch.equal(*found)


def test_periods_are_the_files(state: dict[str, Tensor], tmp_path: Path) -> None:
    """Meta's files hold them rounded to bfloat16, and its code takes them so; other files have none."""
    exact = 100 ** (2 * torch.arange(4) / 8)
    torch.save(state, tmp_path / "weights.pth")
    torch.testing.assert_close(load_model(TINY, tmp_path / "weights.pth").state_dict()["rope_embed.periods"], exact)
    rounded = exact.bfloat16()
    torch.save({**state, "rope_embed.periods": rounded}, tmp_path / "weights.pth")
    network = load_model(TINY, tmp_path / "weights.pth")
    assert isinstance(network, RotaryTransformer)
    assert torch.equal(network.state_dict()["rope_embed.periods"], rounded.float())
    assert not torch.equal(rounded.float(), exact)
    positions = network.positions()
    for grid in ((3, 5), (14, 14), (1, 1), (40, 9)):
        with torch.inference_mode():
            np.testing.assert_allclose(positions.cells(grid), network.cells(grid), atol=2e-6)


def test_places_of_a_small_grid_by_hand() -> None:
    """Two rows and one column, one period of 1: rows lie at -0.5 and 0.5, the column at 0; a turn is 2 pi."""
    found = Positions("rotary", np.array([4.0], np.float32)).cells((2, 1))
    expected = [[-np.sin(np.pi / 4), 0, np.cos(np.pi / 4), 1], [np.sin(np.pi / 4), 0, np.cos(np.pi / 4), 1]]
    np.testing.assert_allclose(found, np.array(expected)[None, :, None], atol=1e-6)


@pytest.mark.parametrize("gated", [False, True])
def test_file_that_transformers_saved(gated: bool, tmp_path: Path) -> None:
    """transformers writes the keys that are published on Hugging Face, which differ from those it has in memory."""
    from transformers import DINOv3ViTConfig, DINOv3ViTModel

    settings = DINOv3ViTConfig(
        hidden_size=48, intermediate_size=96, num_hidden_layers=2, num_attention_heads=3, num_register_tokens=4,
        use_gated_mlp=gated, hidden_act="silu" if gated else "gelu",
    )  # fmt: skip
    theirs = DINOv3ViTModel(settings).eval()
    theirs.load_state_dict({**theirs.state_dict(), **_filled(theirs)})
    theirs.save_pretrained(tmp_path)
    ours = load_model(replace(TINY, shape={**SHAPE, "gated": gated}), tmp_path / "model.safetensors")
    images = random_images(1, 3, 80, 112)
    with torch.inference_mode():
        found, expected = ours(images), theirs(images).last_hidden_state
    for mine, other in (
        (found.cls, expected[:, 0]),
        (found.registers, expected[:, 1:5]),
        (found.patches, expected[:, 5:]),
    ):
        assert (mine - other).abs().max() < 2e-4


def test_convnext_file_that_transformers_saved_and_the_official_one(tmp_path: Path) -> None:
    from transformers import DINOv3ConvNextConfig, DINOv3ConvNextModel

    widths, depths = (8, 16, 24, 48), (1, 2, 1, 1)
    checkpoint = replace(CHECKPOINTS["dinov3_convnext_tiny"], shape={"widths": widths, "depths": depths}, dimension=48)
    theirs = DINOv3ConvNextModel(DINOv3ConvNextConfig(hidden_sizes=list(widths), depths=list(depths)))
    fill_random(theirs)
    theirs.save_pretrained(tmp_path)
    ours = load_model(checkpoint, tmp_path / "model.safetensors")
    images = random_images(1, 3, 96, 64)
    with torch.inference_mode():
        found, expected = ours(images), theirs(images).last_hidden_state
    assert (found.cls - expected[:, 0]).abs().max() < 2e-4
    assert (found.patches - expected[:, 1:]).abs().max() < 2e-4
    # The official file has the last norm under two names (models/convnext.py, self.norms).
    state = dict(ours.state_dict())
    official = {**state, "norms.3.weight": state["norm.weight"], "norms.3.bias": state["norm.bias"]}
    torch.save(official, tmp_path / "official.pth")
    with torch.inference_mode():
        assert torch.equal(load_model(checkpoint, tmp_path / "official.pth")(images).cls, found.cls)


@pytest.mark.parametrize("name", [name for name in CHECKPOINTS if "convnext_" in name])
def test_convnexts_state_dict_has_the_official_shapes(name: str) -> None:
    """facebookresearch/dinov3, models/convnext.py: 3 x 3 x 9 x 3 blocks in tiny, 27 in the others; widths doubled."""
    width, deep = {"tiny": (96, 9), "small": (96, 27), "base": (128, 27), "large": (192, 27)}[name.split("_")[-1]]
    with torch.device("meta"):
        found = convnext.FAMILY.network(ConvNeXtConfig(**dict(CHECKPOINTS[name].shape or {}))).state_dict()
    stages = {re.sub(r"\.\d+\..*", "", key[7:]) for key in found if key.startswith("stages.")}
    assert stages == {"0", "1", "2", "3"}
    assert found[f"stages.2.{deep - 1}.pwconv1.weight"].shape == (16 * width, 4 * width)
    assert f"stages.2.{deep}.gamma" not in found
    assert found["stages.3.2.dwconv.weight"].shape == (8 * width, 1, 7, 7)
    assert found["downsample_layers.0.0.weight"].shape == (width, 3, 4, 4)
    assert found["downsample_layers.3.1.weight"].shape == (8 * width, 4 * width, 2, 2)
    assert found["norm.weight"].shape == (8 * width,)


def test_satellite_weights_have_their_own_colours(state: dict[str, Tensor], tmp_path: Path) -> None:
    satellite = CHECKPOINTS["dinov3_vitl16_sat493m"]
    assert (satellite.mean, satellite.deviation) == ((0.430, 0.411, 0.296), (0.213, 0.156, 0.143))
    assert CHECKPOINTS["dinov3_vitl16"].mean == (0.485, 0.456, 0.406)


@pytest.mark.parametrize("checkpoint", GATED, ids=lambda checkpoint: checkpoint.name)
def test_what_is_not_here_is_asked_for_and_never_fetched(checkpoint: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("urllib.request.urlopen", lambda *_, **__: pytest.fail("the network was asked"))
    monkeypatch.delenv("DINOSEARCH_OFFLINE")
    with pytest.raises(WeightsUnavailableError, match="on request only, under the DINOv3 License") as caught:
        resolve(checkpoint.name)
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert all(part in sentence for part in (str(checkpoint.page), checkpoint.file_name, "--weights FILE"))
    with pytest.raises(WeightsUnavailableError):
        fetch(checkpoint)
    assert re.fullmatch(rf"dinov3_.*-{checkpoint.sha256}\.pth", checkpoint.file_name)
    assert len(str(checkpoint.sha256)) == 8
    for alias in checkpoint.aliases:
        assert find_checkpoint(alias) is checkpoint


def test_digits_in_a_files_name_are_checked(weight_places: Path, tmp_path: Path) -> None:
    checkpoint = CHECKPOINTS["dinov3_vits16"]
    folder = weight_places / "weights"
    folder.mkdir()
    (folder / checkpoint.file_name).write_bytes(b"truncated")
    assert locate(checkpoint) == folder / checkpoint.file_name
    for arguments in ((checkpoint.name, None), (checkpoint.name, folder / checkpoint.file_name)):
        with pytest.raises(DamagedWeightsError, match="does not have the SHA-256.*08c60483"):
            resolve(*arguments)
    right = tmp_path / f"any-{hashlib.sha256(b'right').hexdigest()[:8]}.pth"
    right.write_bytes(b"right")
    assert resolve(checkpoint.name, right) == (checkpoint, right)
    # A file of another name, such as Hugging Face's, is taken as it is.
    (folder / f"{checkpoint.name}.safetensors").write_bytes(b"anything")
    (folder / checkpoint.file_name).unlink()
    assert resolve(checkpoint.name)[1].name == "dinov3_vits16.safetensors"


def test_an_embedder_of_the_published_shape(tmp_path: Path) -> None:
    """ViT-S+ with random weights in the official form, at full width: sizes are multiples of 16."""
    checkpoint = CHECKPOINTS["dinov3_vits16plus"]
    network = random_network(dinov3.FAMILY, RotaryConfig(**dict(checkpoint.shape or {})))
    torch.save({key: value.half() for key, value in random_file(network).items()}, tmp_path / "weights.pth")
    embedder = open_embedder(
        checkpoint.name, weights=tmp_path / "weights.pth", runtime="torch", device="cpu",
        preprocessing=Preprocessing("fit", 64), pooling="cls+mean", scales="gem",
    )  # fmt: skip
    images = [np.random.default_rng(i).integers(0, 256, (64, 48, 3), dtype=np.uint8) for i in range(2)]
    vectors = embedder.embed(images)
    assert vectors.shape == (2, 768)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    (tokens, _) = embedder.tokens(images)
    assert (tokens.registers.shape, tokens.patches.shape) == ((4, 384), (4, 3, 384))


def _filled(theirs: torch.nn.Module) -> dict[str, Tensor]:
    from bench.random_tensors import random_state

    return random_state(theirs.state_dict(), 3)
