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

from dinosearch.embedding.families.convnext import ConvNeXt, ConvNeXtConfig
from dinosearch.embedding.families.dinov2 import TransformerConfig, VisionTransformer

Config = ConvNeXtConfig | TransformerConfig
Student = ConvNeXt | VisionTransformer

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""ImageNet's, as for DINOv2."""
ARCHITECTURES: dict[str, Config] = {
    "convnext": ConvNeXtConfig(depths=(2, 2, 4, 4), widths=(48, 96, 192, 288), strides=(4, 2, 2, 1)),
    "convnext-deep": ConvNeXtConfig(depths=(2, 2, 6, 4), widths=(48, 96, 192, 320), strides=(4, 2, 2, 1)),
    "vit": TransformerConfig(dimension=192, depth=12, heads=3, patch=16, grid=14, interpolation="size"),
}
"""The students that were compared; the first is the architecture of `mini`."""

FAMILIES: dict[str, tuple[type[Config], type[Student]]] = {
    "convnext": (ConvNeXtConfig, ConvNeXt),
    "vit": (TransformerConfig, VisionTransformer),
}


def has_bfloat16() -> bool:
    """Whether the processor multiplies bfloat16 itself (AVX-512 BF16 or AMX); elsewhere it is slower than float32."""
    probe = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return bool(probe and probe())


def build(config: Config, seed: int) -> Student:
    """A student with random weights."""
    student = next(student for kind, student in FAMILIES.values() if isinstance(config, kind))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = student(config)  # type: ignore[arg-type]
        for name, weight in net.named_parameters():
            if weight.ndim >= 2 and "norm" not in name:
                nn.init.trunc_normal_(weight, std=0.02)
            elif name.endswith("gamma"):
                nn.init.constant_(weight, 0.3)
            elif name.endswith("bias"):
                nn.init.zeros_(weight)
    return net


def save(net: nn.Module, path: Path, facts: dict[str, str]) -> None:
    """Write float16 weights with the architecture and `facts` (recipe, seed, licence ...) as metadata."""
    tensors = {name: value.detach().to(torch.float16).contiguous() for name, value in net.state_dict().items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    family = next(name for name, (_, student) in FAMILIES.items() if isinstance(net, student))
    save_file(tensors, path, metadata={"config": json.dumps({"family": family, **asdict(net.config)}), **facts})


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


def _empty(path: Path) -> Student:
    with safe_open(str(path), framework="pt") as file:
        known = json.loads(file.metadata()["config"])
    kind, student = FAMILIES[known.pop("family")]
    config = kind(**{key: tuple(value) if isinstance(value, list) else value for key, value in known.items()})
    return student(config)  # type: ignore[arg-type]
