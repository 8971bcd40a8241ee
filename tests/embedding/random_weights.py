"""Transformers and images of random numbers; how the numbers are drawn is `bench.random_tensors`."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bench.random_tensors import random_network, random_state
from dinosearch.embedding.families.dinov2 import FAMILY, TransformerConfig, VisionTransformer


def random_transformer(config: TransformerConfig, seed: int = 0) -> VisionTransformer:
    model = random_network(FAMILY, config, seed)
    assert isinstance(model, VisionTransformer)
    return model


def fill_random(model: nn.Module, seed: int = 0) -> None:
    model.load_state_dict(random_state(model.state_dict(), seed), assign=True)
    model.eval().requires_grad_(False)


def random_images(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))
