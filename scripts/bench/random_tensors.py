"""Random weights of a sensible scale: every kind of parameter matters to the output, and nothing overflows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from dinosearch.embedding.families.backbone import Backbone, Family
from dinosearch.embedding.weights.names import official_keys


def random_state(like: Mapping[str, Tensor], seed: int = 0) -> dict[str, Tensor]:
    """Tensors with the names and shapes of `like`: matrices N(0, 1 / fan-in), scales about 0.5, biases about 0.1."""
    generator = torch.Generator().manual_seed(seed)
    return {name: _values(name, tuple(value.shape), generator) for name, value in like.items()}


def random_network(family: Family, config: Any, seed: int = 0) -> Backbone:
    """A network of a family, filled as from an official file with random numbers."""
    with torch.device("meta"):
        network = family.network(config)
    network.load_state_dict(official_keys(random_file(network, seed), family, config), assign=True)
    return network.eval().requires_grad_(False)


def random_file(network: Backbone, seed: int = 0) -> dict[str, Tensor]:
    """What an official file of that network would hold, but for what only training uses: DINOv3's masks its bias."""
    like = {name: value for name, value in network.state_dict().items() if not name.endswith(".periods")}
    state = random_state(like, seed)
    if "storage_tokens" in state:
        for name in [name for name in state if name.endswith("qkv.bias")]:
            mask = torch.ones_like(state[name])
            mask[len(mask) // 3 : 2 * len(mask) // 3] = 0
            state[f"{name}_mask"] = mask
    return state


def _values(name: str, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    noise = torch.randn(shape, generator=generator)
    if "token" in name or "pos" in name:
        return 0.5 * noise
    if len(shape) > 1:
        return noise / math.sqrt(math.prod(shape[1:]))
    if name.endswith(("bias", "running_mean")):
        return 0.1 * noise
    if name.endswith("running_var"):
        return 1 + 0.2 * noise.abs()
    if name.endswith("num_batches_tracked"):
        return torch.zeros(())
    return (1.0 if "norm" in name else 0.5) + 0.2 * noise
