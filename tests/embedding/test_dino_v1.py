"""DINO's transformers and ResNet-50: names in the files, what training wraps around them, positions, and the way in."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from bench.random_tensors import random_file, random_network
from dinosearch.embedding import CHECKPOINTS, find_checkpoint, open_embedder
from dinosearch.embedding.families import dinov1, resnet
from dinosearch.embedding.families.dinov2 import TransformerConfig
from dinosearch.embedding.families.resnet import ResNetConfig
from dinosearch.embedding.runtimes.positions import Positions
from dinosearch.embedding.weights.models import load_model
from dinosearch.errors import DamagedWeightsError
from tests.embedding.random_weights import fill_random, random_images

SHAPE: dict[str, Any] = {
    "dimension": 48, "depth": 2, "heads": 3, "patch": 16, "grid": 14, "interpolation": "offset", "layer_scale": False
}  # fmt: skip
TINY = replace(CHECKPOINTS["dino_vits16"], shape=SHAPE, dimension=48)
TINY_RESNET = replace(CHECKPOINTS["dino_resnet50"], shape={"depths": (1, 1, 1, 1), "width": 8}, dimension=256)
OFFICIAL = [name for name, checkpoint in CHECKPOINTS.items() if checkpoint.family == "dinov1"]


@pytest.fixture
def state() -> dict[str, Tensor]:
    return random_file(random_network(dinov1.FAMILY, TransformerConfig(**SHAPE)))


@pytest.mark.parametrize("name", OFFICIAL)
def test_state_dict_equals_the_official_file(name: str) -> None:
    """Names and shapes of facebookresearch/dino, vision_transformer.py, with num_classes=0; its 224 pixels a side."""
    checkpoint = CHECKPOINTS[name]
    d, patch = checkpoint.dimension, checkpoint.patch
    with torch.device("meta"):
        found = dinov1.FAMILY.network(TransformerConfig(**dict(checkpoint.shape or {}))).state_dict()
    expected: dict[str, tuple[int, ...]] = {
        "cls_token": (1, 1, d),
        "pos_embed": (1, 1 + (224 // patch) ** 2, d),
        "patch_embed.proj.weight": (d, 3, patch, patch),
        "patch_embed.proj.bias": (d,),
        "norm.weight": (d,),
        "norm.bias": (d,),
    }
    for i in range(12):
        for part, rows, columns in (
            ("attn.qkv", 3 * d, d), ("attn.proj", d, d), ("mlp.fc1", 4 * d, d), ("mlp.fc2", d, 4 * d)
        ):  # fmt: skip
            expected[f"blocks.{i}.{part}.weight"], expected[f"blocks.{i}.{part}.bias"] = (rows, columns), (rows,)
        for part in ("norm1", "norm2"):
            expected[f"blocks.{i}.{part}.weight"] = expected[f"blocks.{i}.{part}.bias"] = (d,)
    assert {key: tuple(value.shape) for key, value in found.items()} == expected


def test_resnets_state_dict_is_torchvisions() -> None:
    from torchvision.models import resnet50

    with torch.device("meta"):
        theirs = {key: value.shape for key, value in resnet50().state_dict().items() if not key.startswith("fc.")}
        ours = resnet.FAMILY.network(ResNetConfig()).state_dict()
    assert {key: value.shape for key, value in ours.items()} == theirs


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: state,
        lambda state: {"teacher": {f"backbone.{key}": value for key, value in state.items()}},
        lambda state: {"teacher": {f"module.backbone.{key}": value for key, value in state.items()}, "epoch": 7},
        lambda state: {"state_dict": {f"module.{key}": value for key, value in state.items()}},
        lambda state: {**state, "head.mlp.0.weight": torch.zeros(4, 48), "head.last_layer.weight_g": torch.zeros(4, 1)},
    ],
    ids=["plain", "teacher", "parallel", "wrapped", "with its head"],
)
def test_files_of_a_training_are_unwrapped(wrap: Any, state: dict[str, Tensor], tmp_path: Path) -> None:
    """As eval_image_retrieval.py of facebookresearch/dino reads them: the teacher's backbone."""
    torch.save(wrap(state), tmp_path / "weights.pth")
    found = load_model(TINY, tmp_path / "weights.pth").state_dict()
    assert found.keys() == state.keys()
    assert all(torch.equal(found[key], state[key]) for key in state)


def test_file_that_transformers_saved(tmp_path: Path) -> None:
    """transformers writes the keys of facebook/dino-vits16, which differ from those that it has in memory."""
    from transformers import ViTConfig, ViTModel

    settings = ViTConfig(
        hidden_size=48, intermediate_size=192, num_hidden_layers=2, num_attention_heads=3, layer_norm_eps=1e-6
    )
    theirs = ViTModel(settings)
    fill_random(theirs)
    theirs.save_pretrained(tmp_path)
    ours = load_model(TINY, tmp_path / "model.safetensors")
    images = random_images(1, 3, 224, 224)
    with torch.inference_mode():
        found, expected = ours(images), theirs(images).last_hidden_state
    assert (found.cls - expected[:, 0]).abs().max() < 2e-4
    assert (found.patches - expected[:, 1:]).abs().max() < 2e-4


def test_published_keys_of_hugging_face() -> None:
    """The key names of facebook/dino-vits16's file, written out."""
    from dinosearch.embedding.weights.names import official_keys

    part = "vit.encoder.layer.7"
    pieces = {name: torch.full((2,), float(i)) for i, name in enumerate(("query", "key", "value"))}
    state = {
        "vit.embeddings.cls_token": torch.zeros(1),
        "vit.embeddings.position_embeddings": torch.zeros(1),
        "vit.embeddings.patch_embeddings.projection.bias": torch.zeros(1),
        **{f"{part}.attention.attention.{name}.bias": value for name, value in pieces.items()},
        f"{part}.attention.output.dense.weight": torch.zeros(1),
        f"{part}.intermediate.dense.weight": torch.zeros(1),
        f"{part}.output.dense.weight": torch.zeros(1),
        f"{part}.layernorm_before.weight": torch.zeros(1),
        f"{part}.layernorm_after.bias": torch.zeros(1),
        "vit.layernorm.weight": torch.zeros(1),
        "vit.pooler.dense.weight": torch.zeros(1),
    }
    found = official_keys(state, dinov1.FAMILY, TransformerConfig(**SHAPE))
    assert set(found) == {
        "cls_token", "pos_embed", "patch_embed.proj.bias", "blocks.7.attn.qkv.bias", "blocks.7.attn.proj.weight",
        "blocks.7.mlp.fc1.weight", "blocks.7.mlp.fc2.weight", "blocks.7.norm1.weight", "blocks.7.norm2.bias",
        "norm.weight",
    }  # fmt: skip
    assert torch.equal(found["blocks.7.attn.qkv.bias"], torch.cat(list(pieces.values())))


@pytest.mark.parametrize(("patch", "size"), [(16, (224, 224)), (16, (160, 352)), (8, (96, 120)), (8, (224, 224))])
def test_positions_are_resized_as_the_official_code_does(patch: int, size: tuple[int, int]) -> None:
    """By a scale of (n + 0.1) / side, bicubic: facebookresearch/dino, interpolate_pos_encoding; stored ones as is."""
    side = 224 // patch
    config = TransformerConfig(8, 0, 1, patch=patch, grid=side, layer_scale=False)
    network = random_network(dinov1.FAMILY, config)
    rows, columns = (length // patch for length in size)
    stored = network.state_dict()["pos_embed"][:, 1:].reshape(1, side, side, 8).permute(0, 3, 1, 2)
    expected = stored
    if (rows, columns) != (side, side):
        expected = torch.nn.functional.interpolate(
            stored, scale_factor=((rows + 0.1) / side, (columns + 0.1) / side), mode="bicubic"
        )
    assert expected.shape[2:] == (rows, columns)
    positions = network.positions()
    assert isinstance(positions, Positions)
    np.testing.assert_allclose(positions.cells((rows, columns))[0], expected[0].permute(1, 2, 0), atol=1e-5)


def test_resnets_vector_is_the_pooled_feature_map(tmp_path: Path) -> None:
    network = random_network(resnet.FAMILY, ResNetConfig((1, 1, 1, 1), 8))
    # As DINO's file: without the counters of batches, which older torch did not write, and with a head of the training.
    state = {key: value for key, value in network.state_dict().items() if "num_batches" not in key}
    torch.save({"teacher": {**state, "fc.weight": torch.zeros(1)}}, tmp_path / "weights.pth")
    loaded = load_model(TINY_RESNET, tmp_path / "weights.pth")
    images = random_images(2, 3, 96, 64)
    with torch.inference_mode():
        tokens, same = loaded(images), network(images)
    assert tokens.grid == (3, 2)
    assert tokens.cls.shape == (2, 256)
    assert torch.equal(tokens.cls, same.cls)
    torch.testing.assert_close(tokens.cls, tokens.patches.mean(dim=1))


def test_urls_and_names() -> None:
    hub = "https://dl.fbaipublicfiles.com/dino"
    landmarks = CHECKPOINTS["dino_vits16_gldv2"]
    file = "dino_vitsmall16_googlelandmark_pretrain"
    assert landmarks.url == f"{hub}/{file}/{file}.pth"
    assert CHECKPOINTS["dino_vits16"].url == f"{hub}/dino_deitsmall16_pretrain/dino_deitsmall16_pretrain.pth"
    assert {checkpoint.licence for checkpoint in CHECKPOINTS.values() if checkpoint.series == "DINO"} == {"Apache-2.0"}
    for name in ("facebook/dino-vitb8", "vit_base_patch8_224.dino"):
        assert find_checkpoint(name).name == "dino_vitb8"


def test_weights_of_another_model_are_named(tmp_path: Path) -> None:
    """The shapes of every published model are known, so the sentence can say whose these are."""
    checkpoint = CHECKPOINTS["dino_vits16"]
    network = random_network(dinov1.FAMILY, TransformerConfig(**dict(checkpoint.shape or {})))
    path = tmp_path / "weights.safetensors"
    save_file({key: value.half() for key, value in network.state_dict().items()}, path)
    with pytest.raises(
        DamagedWeightsError,
        match=r"does not fit the model: .* \(dinov2_vits14 is asked for\).*--model dino_vits16 or dino_vits16_gldv2",
    ):
        open_embedder("auto", weights=path, runtime="torch", device="cpu")


def test_official_name_of_a_file_names_the_model(tmp_path: Path) -> None:
    checkpoint = CHECKPOINTS["dino_vits16"]
    network = random_network(dinov1.FAMILY, TransformerConfig(**dict(checkpoint.shape or {})))
    path = tmp_path / checkpoint.file_name
    torch.save({key: value.half() for key, value in network.state_dict().items()}, path)
    embedder = open_embedder("auto", weights=path, runtime="torch", device="cpu")
    assert embedder.fingerprint.checkpoint == "dino_vits16"
    assert (embedder.patch_size, embedder.fingerprint.dimension) == (16, 384)
