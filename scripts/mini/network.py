"""Builds the student, reads and writes its weights file.

It is the training's and the benchmark's door to the model; the product loads `mini` through `dinosearch.embedding`.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from dinosearch.embedding.convnext import ConvNeXt, ConvNeXtConfig

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""ImageNet's, as for DINOv2."""
CONFIG = ConvNeXtConfig(depths=(2, 2, 4, 4), widths=(48, 96, 192, 288), strides=(4, 2, 2, 1))
"""The architecture of `mini`."""


def build(config: ConvNeXtConfig, seed: int) -> ConvNeXt:
    """A student with random weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = ConvNeXt(config)
        for module in net.modules():
            if isinstance(module, (nn.Linear, nn.Conv2d)):
                nn.init.trunc_normal_(module.weight, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
    return net


def save(net: ConvNeXt, path: Path, facts: dict[str, str]) -> None:
    """Write float16 weights with the architecture and `facts` (recipe, seed, licence ...) as metadata."""
    tensors = {name: value.detach().to(torch.float16).contiguous() for name, value in net.state_dict().items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path, metadata={"config": json.dumps({"family": "convnext", **asdict(net.config)}), **facts})


def load(path: Path) -> nn.Module:
    """The model in `path`, float32, ready for inference."""
    net = _empty(path)
    with safe_open(str(path), framework="pt") as file:
        net.load_state_dict({name: file.get_tensor(name).float() for name in file.keys()})
    return net.eval()


def random_like(path: Path, seed: int = 0) -> nn.Module:
    """An untrained model of the architecture in `path`."""
    return build(_empty(path).config, seed).eval()


def normalise(images: Tensor) -> Tensor:
    """(n, 3, h, w) with values 0..1, normalised by ImageNet's mean and deviation."""
    mean, deviation = (torch.tensor(v, dtype=images.dtype)[:, None, None] for v in (MEAN, DEVIATION))
    return (images - mean) / deviation


def _empty(path: Path) -> ConvNeXt:
    with safe_open(str(path), framework="pt") as file:
        known = json.loads(file.metadata()["config"])
    known.pop("family")
    return ConvNeXt(ConvNeXtConfig(**{key: tuple(value) for key, value in known.items()}))
