"""From a weight file to a model: official `.pth`, safetensors with the same keys, or Hugging Face's keys renamed.

Loading is strict: every key and every shape must fit. It fetches nothing.
"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor, nn

from dinosearch.embedding.checkpoints import Checkpoint
from dinosearch.embedding.convnext import ConvNeXt, ConvNeXtConfig
from dinosearch.embedding.transformer import TransformerConfig, VisionTransformer
from dinosearch.errors import DamagedWeightsError

FAMILIES: dict[str, tuple[type, Callable[[Any], nn.Module]]] = {
    "vit": (TransformerConfig, VisionTransformer),
    "convnext": (ConvNeXtConfig, ConvNeXt),
}
"""Architectures that a weight file's metadata may name: configuration and model."""

_SHARED = 4
"""Times the bytes of a file that its tensors may have in all: some may share their numbers."""
_LARGEST, _DEEPEST = 1 << 16, 1000
"""Of a number in the metadata, and of blocks: far above anything published, and built in no time."""

# Keys of transformers' Dinov2Model and Dinov2WithRegistersModel, as published and as its version 5 names them in
# memory, and what the official files call the same.
_RENAMED: tuple[tuple[str, str], ...] = (
    (r"^(dinov2|dinov2_with_registers)\.", ""),
    (r"^embeddings\.(cls_token|mask_token|register_tokens)$", r"\1"),
    (r"^embeddings\.position_embeddings$", "pos_embed"),
    (r"^embeddings\.patch_embeddings\.projection\.", "patch_embed.proj."),
    (r"^(encoder\.)?layer\.(\d+)\.", r"blocks.\2."),
    (r"\.attention\.output\.dense\.", ".attn.proj."),
    (r"\.attention\.o_proj\.", ".attn.proj."),
    (r"\.attention\.attention\.(q)uery\.|\.attention\.(q)_proj\.", ".attn.qkv.0."),
    (r"\.attention\.attention\.(k)ey\.|\.attention\.(k)_proj\.", ".attn.qkv.1."),
    (r"\.attention\.attention\.(v)alue\.|\.attention\.(v)_proj\.", ".attn.qkv.2."),
    (r"\.layer_scale(\d)\.lambda1$", r".ls\1.gamma"),
    (r"\.mlp\.weights_in\.", ".mlp.w12."),
    (r"\.mlp\.gate_proj\.", ".mlp.w12.0."),
    (r"\.mlp\.up_proj\.", ".mlp.w12.1."),
    (r"\.mlp\.(weights_out|down_proj)\.", ".mlp.w3."),
    (r"^layernorm\.", "norm."),
)


def load_model(checkpoint: Checkpoint, path: Path) -> nn.Module:
    """Build the checkpoint's model and fill it, float32, in evaluation mode.

    Raises:
        DamagedWeightsError: the file cannot be read, or its keys or shapes are not the model's.
    """
    state, metadata = read_state(path)
    # Without storage until it is filled: the giant would need its 4.5 GB twice, and no random number is drawn.
    with torch.device("meta"):
        if checkpoint.shape is not None:
            model: nn.Module = VisionTransformer(TransformerConfig(**checkpoint.shape))
        else:
            model = _from_metadata(metadata, path)
    return fill(model, state, path).eval().requires_grad_(False)


def read_state(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors by official key, and the file's metadata.

    A `.pth` is read with `weights_only`, so nothing in it is executed.

    Raises:
        DamagedWeightsError: the file cannot be read.
    """
    try:
        if path.suffix == ".safetensors":
            with safe_open(str(path), framework="pt") as file:
                state = {key: file.get_tensor(key) for key in file.keys()}
                metadata = dict(file.metadata() or {})
        else:
            _refuse_bombs(path)
            state, metadata = torch.load(path, map_location="cpu", weights_only=True), {}
    except Exception as error:  # a damaged file raises whatever its reader stumbles over
        reason = (str(error) or type(error).__name__).splitlines()[0][:200]
        raise DamagedWeightsError(
            f"{path} cannot be read as weights ({reason}); fetch the file again, or name another with: --weights FILE"
        ) from None
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise DamagedWeightsError(
            f"{path} holds no plain table of tensors; name an official weight file with: --weights FILE"
        )
    if sum(value.numel() * value.element_size() for value in state.values()) > _SHARED * path.stat().st_size:
        raise DamagedWeightsError(
            f"{path} names more numbers than it holds; name an official weight file with: --weights FILE"
        )
    return official_keys(dict(state)), metadata


def _refuse_bombs(path: Path) -> None:
    """Torch writes its archives uncompressed; one that unpacks to more than it has was made to fill the memory."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if sum(member.file_size for member in archive.infolist()) > path.stat().st_size:
                raise ValueError("it unpacks to more than it has bytes")


def official_keys(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Rename Hugging Face's keys and join query, key and value; a state with official keys is returned as it is."""
    if not any("embeddings.cls_token" in key for key in state):
        return state
    renamed: dict[str, Tensor] = {}
    parts: dict[str, dict[int, Tensor]] = {}
    for key, value in state.items():
        if key.startswith("classifier."):
            continue
        for pattern, replacement in _RENAMED:
            key = re.sub(pattern, replacement, key)
        part = re.search(r"\.(qkv|w12)\.(\d)\.", key)
        if part:
            joined = key.replace(part[0], f".{part[1]}.")
            parts.setdefault(joined, {})[int(part[2])] = value
        else:
            renamed[key] = value
    for key, pieces in parts.items():
        renamed[key] = torch.cat([pieces[number] for number in sorted(pieces)])
    return renamed


def fill(model: nn.Module, state: dict[str, Tensor], path: Path) -> nn.Module:
    """Give the tensors to the model as float32; a missing mask token (only pre-training uses it) is forgiven.

    Raises:
        DamagedWeightsError: other keys or shapes than the model's.
    """
    wanted = model.state_dict()
    if "mask_token" in wanted:
        state.setdefault("mask_token", torch.zeros(wanted["mask_token"].shape))
    for what, keys in (("lacks", wanted.keys() - state.keys()), ("has the unknown", state.keys() - wanted.keys())):
        if keys:
            raise _misfit(path, f"it {what} {min(keys)}" + (f" and {len(keys) - 1} more" if len(keys) > 1 else ""))
    for key, value in state.items():
        if value.shape != wanted[key].shape:
            raise _misfit(path, f"{key} has shape {tuple(value.shape)}, not {tuple(wanted[key].shape)}")
    model.load_state_dict({key: value.float() for key, value in state.items()}, assign=True)
    return model


def _from_metadata(metadata: dict[str, str], path: Path) -> nn.Module:
    try:
        config = json.loads(metadata["config"])
        deep = {key: value for key, value in config.items() if key.startswith("depth")}
        if max(_numbers(config), default=0) > _LARGEST or sum(_numbers(deep)) > _DEEPEST:
            raise ValueError("a model larger than any")
        kind, build = FAMILIES[config.pop("family")]
        return build(kind(**{key: tuple(value) if isinstance(value, list) else value for key, value in config.items()}))
    except (KeyError, ValueError, TypeError, AttributeError, RuntimeError, ArithmeticError) as error:
        raise _misfit(path, f"its metadata names no architecture ({error})") from None


def _numbers(value: Any) -> Iterator[float]:
    if isinstance(value, (int, float)):
        yield value
    elif isinstance(value, (list, dict)):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _numbers(part)


def _misfit(path: Path, reason: str) -> DamagedWeightsError:
    return DamagedWeightsError(
        f"{path} does not fit the model: {reason}; name the model of these weights with: --model NAME"
    )
