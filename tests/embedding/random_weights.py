"""Random weights of a sensible scale: every kind of parameter matters to the output, and nothing overflows."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from dinosearch.embedding.transformer import TransformerConfig, VisionTransformer


def random_state(like: Mapping[str, Tensor], seed: int = 0) -> dict[str, Tensor]:
    """Tensors with the names and shapes of `like`: matrices N(0, 1 / fan-in), scales about 0.5, biases about 0.1."""
    generator = torch.Generator().manual_seed(seed)
    return {name: _values(name, tuple(value.shape), generator) for name, value in like.items()}


def random_transformer(config: TransformerConfig, seed: int = 0) -> VisionTransformer:
    with torch.device("meta"):
        model = VisionTransformer(config)
    fill_random(model, seed)
    return model


def fill_random(model: nn.Module, seed: int = 0) -> None:
    model.load_state_dict(random_state(model.state_dict(), seed), assign=True)
    model.eval().requires_grad_(False)


def random_images(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def _values(name: str, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    noise = torch.randn(shape, generator=generator)
    if "token" in name or "pos" in name:
        return 0.5 * noise
    if len(shape) > 1:
        return noise / math.sqrt(math.prod(shape[1:]))
    if name.endswith("bias"):
        return 0.1 * noise
    return (1.0 if "norm" in name else 0.5) + 0.2 * noise
