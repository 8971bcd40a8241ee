"""Our transformer against two independent implementations of DINOv2, transformers' and timm's, on the same weights.

Where they resize position embeddings in another way than the official hub code, ours is set to their way; the hub's own
way is tested in test_positions.py.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import pytest
import torch
from torch import Tensor

from bench.other_networks import Pair, pair
from dinosearch.embedding.checkpoints import CHECKPOINTS
from dinosearch.embedding.families.dinov2 import TransformerConfig
from dinosearch.embedding.tokens import Tokens
from tests.embedding.random_weights import random_images, random_transformer

MAX_DIFFERENCE = 2e-4
MIN_COSINE = 0.99999

SMALL_SIZES = [(224, 224), (448, 448), (518, 518), (224, 448), (518, 266)]
slow = pytest.mark.slow
CASES = [
    *(("dinov2_vits14", 12, size) for size in SMALL_SIZES),
    *(("dinov2_vits14_reg4", 12, size) for size in SMALL_SIZES),
    ("dinov2_vitb14", 12, (224, 224)),
    pytest.param("dinov2_vitb14", 12, (518, 518), marks=slow),
    pytest.param("dinov2_vitb14_reg4", 12, (224, 224), marks=slow),
    pytest.param("dinov2_vitl14", 3, (224, 224), marks=slow),
    pytest.param("dinov2_vitl14_reg4", 3, (266, 518), marks=slow),
    pytest.param("dinov2_vitg14", 2, (224, 224), marks=slow),
    pytest.param("dinov2_vitg14_reg4", 2, (224, 448), marks=slow),
]


def assert_same(ours: Tokens, theirs: Tensor, registers: int) -> None:
    """`theirs` is (n, 1 + registers + patches, d), the order of all three implementations."""
    for name, mine, other in (
        ("cls", ours.cls, theirs[:, 0]),
        ("registers", ours.registers, theirs[:, 1 : 1 + registers]),
        ("patches", ours.patches, theirs[:, 1 + registers :]),
    ):
        assert mine.shape == other.shape, name
        if not mine.numel():
            continue
        assert mine.std() > 0.3, f"{name}: the random weights are degenerate, the comparison would prove nothing"
        assert (mine - other).abs().max().item() <= MAX_DIFFERENCE, name
        assert torch.cosine_similarity(mine, other, dim=-1).min().item() >= MIN_COSINE, name


@lru_cache(maxsize=1)  # the cases of one model follow each other
def both(name: str, library: str, depth: int) -> Pair:
    return pair(name, library, depth=depth)


@pytest.mark.parametrize("library", ["transformers", "timm"])
@pytest.mark.parametrize(("name", "depth", "size"), CASES)
def test_another_dinov2_gives_the_same_tokens(name: str, depth: int, size: tuple[int, int], library: str) -> None:
    networks = both(name, library, depth)
    images = random_images(1, 3, *size)
    with torch.inference_mode():
        assert_same(networks.ours(images), networks.tokens(images), networks.ours.registers)


def test_comparison_notices_the_way_of_resizing() -> None:
    """The proof above is sharp enough to tell the three ways of resizing from each other."""
    shape = TransformerConfig(**CHECKPOINTS["dinov2_vits14"].shape)
    images = random_images(1, 3, 224, 224)
    found = {}
    for way in ("offset", "size", "antialias"):
        with torch.inference_mode():
            found[way] = random_transformer(replace(shape, interpolation=way))(images).cls
    for one, other in (("offset", "size"), ("offset", "antialias"), ("size", "antialias")):
        assert (found[one] - found[other]).abs().max() > 50 * MAX_DIFFERENCE
