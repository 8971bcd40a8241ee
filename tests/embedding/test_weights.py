"""Reading weight files: official .pth, safetensors, Hugging Face's keys, and files that are damaged or do not fit."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from dinosearch.embedding.checkpoints import CHECKPOINTS, Checkpoint
from dinosearch.embedding.families.convnext import ConvNeXt, ConvNeXtConfig
from dinosearch.embedding.families.dinov2 import FAMILY, TransformerConfig
from dinosearch.embedding.weights.models import load_model
from dinosearch.embedding.weights.names import official_keys
from dinosearch.embedding.weights.reading import read_state
from dinosearch.errors import DamagedWeightsError
from tests.embedding.random_weights import fill_random, random_images, random_transformer

SHAPE: dict[str, Any] = {"dimension": 48, "depth": 2, "heads": 3, "registers": 4, "interpolation": "antialias"}
TINY = replace(CHECKPOINTS["dinov2_vits14_reg4"], shape=SHAPE, dimension=48)


@pytest.fixture
def state() -> dict[str, Tensor]:
    return dict(random_transformer(TransformerConfig(**SHAPE)).state_dict())


def save_pth(state: dict[str, Tensor], path: Path) -> Path:
    torch.save(state, path.with_suffix(".pth"))
    return path.with_suffix(".pth")


def save_old_pth(state: dict[str, Tensor], path: Path) -> Path:
    torch.save(state, path.with_suffix(".pth"), _use_new_zipfile_serialization=False)
    return path.with_suffix(".pth")


def save_safetensors(state: dict[str, Tensor], path: Path) -> Path:
    save_file(state, path.with_suffix(".safetensors"))
    return path.with_suffix(".safetensors")


Save = Callable[[dict[str, Tensor], Path], Path]


@pytest.mark.parametrize("save", [save_pth, save_old_pth, save_safetensors])
def test_every_kind_of_file_gives_the_same_model(save: Save, state: dict[str, Tensor], tmp_path: Path) -> None:
    before = torch.random.get_rng_state()
    model = load_model(TINY, save(state, tmp_path / "weights"))
    assert torch.equal(before, torch.random.get_rng_state()), "loading draws random numbers"
    found = model.state_dict()
    assert found.keys() == state.keys()
    assert all(torch.equal(found[key], state[key]) for key in state)
    assert not model.training
    assert not any(parameter.requires_grad for parameter in model.parameters())


def test_half_precision_file_is_loaded_as_float32(state: dict[str, Tensor], tmp_path: Path) -> None:
    half = {key: value.half() for key, value in state.items()}
    found = load_model(TINY, save_safetensors(half, tmp_path / "weights")).state_dict()
    assert all(found[key].dtype == torch.float32 and torch.equal(found[key], half[key].float()) for key in half)


def test_missing_mask_token_is_forgiven(state: dict[str, Tensor], tmp_path: Path) -> None:
    del state["mask_token"]
    load_model(TINY, save_pth(state, tmp_path / "weights"))


@pytest.mark.parametrize("swiglu", [False, True])
@pytest.mark.parametrize("registers", [0, 4])
def test_file_that_transformers_saved(swiglu: bool, registers: int, tmp_path: Path) -> None:
    """transformers writes the keys that are published on Hugging Face, which differ from those it has in memory."""
    from transformers import Dinov2Config, Dinov2Model, Dinov2WithRegistersConfig, Dinov2WithRegistersModel

    settings = {
        "hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 3, "image_size": 518, "patch_size": 14,
        "use_swiglu_ffn": swiglu,
    }  # fmt: skip
    theirs = (
        Dinov2WithRegistersModel(Dinov2WithRegistersConfig(num_register_tokens=registers, **settings))
        if registers
        else Dinov2Model(Dinov2Config(**settings))
    )
    fill_random(theirs)
    theirs.save_pretrained(tmp_path)
    shape = {**SHAPE, "registers": registers, "ffn": "swiglu" if swiglu else "mlp"}
    ours = load_model(replace(TINY, shape=shape), tmp_path / "model.safetensors")
    images = random_images(1, 3, 518, 518)
    with torch.inference_mode():
        found, expected = ours(images), theirs(images).last_hidden_state
    assert (found.cls - expected[:, 0]).abs().max() < 2e-4
    assert (found.patches - expected[:, 1 + registers :]).abs().max() < 2e-4


def test_published_keys_of_hugging_face() -> None:
    """The key names in facebook/dinov2-* and facebook/dinov2-with-registers-giant, written out."""
    part = "encoder.layer.7.attention"
    pieces = {name: torch.full((2, 2), float(i)) for i, name in enumerate(("query", "key", "value"))}
    state = {
        "embeddings.cls_token": torch.zeros(1),
        "embeddings.mask_token": torch.zeros(1),
        "embeddings.register_tokens": torch.zeros(1),
        "embeddings.position_embeddings": torch.zeros(1),
        "embeddings.patch_embeddings.projection.weight": torch.zeros(1),
        f"{part}.attention.value.weight": pieces["value"],
        f"{part}.attention.query.weight": pieces["query"],
        f"{part}.attention.key.weight": pieces["key"],
        f"{part}.output.dense.bias": torch.zeros(1),
        "encoder.layer.7.layer_scale2.lambda1": torch.zeros(1),
        "encoder.layer.7.mlp.weights_in.bias": torch.zeros(1),
        "encoder.layer.7.mlp.weights_out.weight": torch.zeros(1),
        "encoder.layer.10.mlp.fc1.weight": torch.zeros(1),
        "encoder.layer.10.norm1.weight": torch.zeros(1),
        "layernorm.bias": torch.zeros(1),
    }
    found = official_keys(state, FAMILY, TransformerConfig(**SHAPE))
    assert set(found) == {
        "cls_token", "mask_token", "register_tokens", "pos_embed", "patch_embed.proj.weight",
        "blocks.7.attn.qkv.weight",
        "blocks.7.attn.proj.bias", "blocks.7.ls2.gamma", "blocks.7.mlp.w12.bias", "blocks.7.mlp.w3.weight",
        "blocks.10.mlp.fc1.weight", "blocks.10.norm1.weight", "norm.bias",
    }  # fmt: skip
    joined = found["blocks.7.attn.qkv.weight"]
    assert torch.equal(joined, torch.cat([pieces["query"], pieces["key"], pieces["value"]]))


def test_architecture_comes_from_the_metadata_where_the_table_has_none(tmp_path: Path) -> None:
    any_model = Checkpoint("any", "any", "convnext", 24, 32, 0, None)
    config = ConvNeXtConfig(depths=(1, 1, 1, 1), widths=(8, 8, 16, 24))
    network = ConvNeXt(config)
    fill_random(network)
    images = random_images(1, 3, 64, 64)
    path = tmp_path / "conv.safetensors"
    save_file(network.state_dict(), path, metadata={"config": json.dumps({"family": "convnext", **asdict(config)})})
    with torch.inference_mode():
        assert torch.equal(load_model(any_model, path)(images).cls, network(images).cls)

    transformer = random_transformer(TransformerConfig(**SHAPE))
    path = tmp_path / "vit.safetensors"
    save_file(transformer.state_dict(), path, metadata={"config": json.dumps({"family": "vit", **SHAPE})})
    images = random_images(1, 3, 28, 28)
    with torch.inference_mode():
        assert torch.equal(load_model(any_model, path)(images).cls, transformer(images).cls)


@pytest.mark.parametrize(
    "metadata",
    [{}, {"config": "{"}, {"config": "[]"}, {"config": '{"family": "other"}'}, {"config": '{"family": "vit", "x": 1}'}],
)
def test_metadata_without_an_architecture(metadata: dict[str, str], state: dict[str, Tensor], tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    save_file(state, path, metadata=metadata)
    with pytest.raises(DamagedWeightsError, match="its metadata names no architecture"):
        load_model(replace(TINY, shape=None), path)


@pytest.mark.parametrize("save", [save_pth, save_old_pth, save_safetensors])
def test_damaged_file_is_one_sentence(save: Save, state: dict[str, Tensor], tmp_path: Path) -> None:
    path = save({key: value for key, value in state.items() if "blocks" not in key}, tmp_path / "weights")
    whole = path.read_bytes()
    size = len(whole)
    for content in (b"", b"\x00", b"<html></html>", whole[:7], whole[: size // 2], whole[: size - 1000], b"\x80" * 999):
        path.write_bytes(content)
        with pytest.raises(DamagedWeightsError, match="cannot be read as weights") as caught:
            read_state(path)
        assert "\n" not in str(caught.value)


class Trap:
    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return (open, ("executed.txt", "w"))


def test_nothing_in_a_pth_is_executed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"cls_token": Trap()}, tmp_path / "trap.pth")
    (tmp_path / "plain.pth").write_bytes(pickle.dumps(Trap()))
    for name in ("trap.pth", "plain.pth"):
        with pytest.raises(DamagedWeightsError):
            read_state(tmp_path / name)
    assert not (tmp_path / "executed.txt").exists()


def test_file_that_holds_something_else(tmp_path: Path) -> None:
    for content in ([torch.zeros(1)], {"weights": {"cls_token": torch.zeros(1)}}):
        torch.save(content, tmp_path / "other.pth")
        with pytest.raises(DamagedWeightsError, match="no plain table of tensors"):
            read_state(tmp_path / "other.pth")


def test_file_that_is_not_there(tmp_path: Path) -> None:
    for name in ("no.pth", "no.safetensors"):
        with pytest.raises(DamagedWeightsError, match=name):
            read_state(tmp_path / name)


def test_keys_and_shapes_must_fit(state: dict[str, Tensor], tmp_path: Path) -> None:
    lacking = {key: value for key, value in state.items() if not key.startswith("blocks.1.ls")}
    extra = {**state, "head.weight": torch.zeros(3)}
    bent = {**state, "norm.bias": torch.zeros(3)}
    for changed, sentence in (
        (lacking, r"lacks blocks\.1\.ls1\.gamma and 1 more"),
        (extra, r"has the unknown head\.weight \("),
        (bent, r"norm\.bias has shape \(3,\), not \(48,\)"),
    ):
        with pytest.raises(DamagedWeightsError, match=sentence):
            load_model(TINY, save_pth(changed, tmp_path / "weights"))
    with pytest.raises(DamagedWeightsError, match="register_tokens"):
        load_model(replace(TINY, shape={**SHAPE, "registers": 0}), save_pth(state, tmp_path / "weights"))
