"""Networks of random weights that a weight file describes by itself, small enough to be exported in a second."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from safetensors.torch import save_file

from bench.random_tensors import random_network
from dinosearch.embedding import families
from dinosearch.embedding.families.convnext import ConvNeXtConfig
from dinosearch.embedding.families.dinov2 import TransformerConfig
from dinosearch.embedding.families.dinov3 import RotaryConfig
from dinosearch.embedding.families.resnet import ResNetConfig
from dinosearch.embedding.runtimes import export, quantise

PLAIN = TransformerConfig(dimension=48, depth=3, heads=3, grid=9)
REGISTERS = TransformerConfig(dimension=48, depth=2, heads=3, grid=9, registers=4, interpolation="antialias")


FAMILIES: dict[str, tuple[str, Any]] = {
    "dino": ("dinov1", TransformerConfig(dimension=48, depth=2, heads=3, patch=8, grid=6, layer_scale=False)),
    "dinov2": ("dinov2", REGISTERS),
    "dinov3": ("dinov3", RotaryConfig(dimension=48, depth=2, heads=3, hidden=96)),
    "dinov3 gated": ("dinov3", RotaryConfig(dimension=48, depth=2, heads=3, hidden=64, gated=True, qkv_bias=False)),
    "convnext": ("convnext", ConvNeXtConfig(depths=(1, 1, 1, 2), widths=(8, 16, 24, 48))),
    "resnet": ("resnet", ResNetConfig(depths=(1, 1, 1, 2), width=8)),
}
"""A family and a small shape of each kind of network."""


def write_weights(path: Path, config: Any = PLAIN, family: str = "vit") -> Path:
    """A file for the model `mini`, whose files say themselves what they hold; equal bytes for equal shapes."""
    metadata = {"config": json.dumps({"family": family, **asdict(config)})}
    network = random_network(families.family(family), config)
    save_file({key: value.contiguous() for key, value in network.state_dict().items()}, path, metadata=metadata)
    return path


def run_here(module: str, *arguments: str) -> None:
    """What a child process of `graphs.run_child` does, in this one, which has torch already."""
    if module == "dinosearch.embedding.runtimes.export":
        export.main(list(arguments))
    else:
        assert module == "dinosearch.embedding.runtimes.quantise"
        quantise.quantise(*map(Path, arguments))
