"""Each family against independent implementations (transformers, timm, torchvision) with the same random weights.

The shapes are small but have every part of the published ones; `scripts/bench_parity.py` does the same at full width.
DINOv2 has a file of its own, test_backends.py.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import pytest
import torch

from bench.other_networks import LIBRARIES, Pair, compare, pair
from dinosearch.embedding import CHECKPOINTS
from dinosearch.embedding.families import family
from tests.embedding.random_weights import random_images

MAX_DIFFERENCE = 2e-5  # in standard deviations of a token's numbers
MIN_COSINE = 0.99999

SMALL: dict[str, Any] = {"dimension": 64, "heads": 2, "depth": 3}
SHAPES: dict[str, dict[str, Any]] = {
    "dino_vits16": SMALL,
    "dino_vitb8": SMALL,
    "dino_resnet50": {"depths": (1, 2, 1, 2)},
    "dinov3_vits16": {**SMALL, "hidden": 256},
    "dinov3_vith16plus": {**SMALL, "hidden": 256},  # 64 * 6 * 2 / 3
    "dinov3_vit7b16": {"dimension": 192, "heads": 3, "depth": 2, "hidden": 384},  # 192 * 3 * 2 / 3, a multiple of 64
    "dinov3_convnext_tiny": {"depths": (1, 1, 2, 1), "widths": (16, 24, 32, 48)},
}
GRIDS = [(7, 7), (14, 14), (28, 28), (5, 12), (12, 3), (1, 1)]
CASES = [
    (name, library)
    for name in SHAPES
    for library, families in LIBRARIES.items()
    if CHECKPOINTS[name].family in families
]


@cache
def both(name: str, library: str) -> Pair:
    return pair(name, library, **SHAPES[name])


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize(("name", "library"), CASES)
def test_another_implementation_gives_the_same_tokens(name: str, library: str, grid: tuple[int, int]) -> None:
    networks = both(name, library)
    height, width = (count * networks.ours.patch_size for count in grid)
    difference, cosine = compare(networks, height, width)
    assert difference <= MAX_DIFFERENCE
    assert cosine >= MIN_COSINE


def test_every_family_is_held_against_another() -> None:
    tried = {CHECKPOINTS[name].family for name, _ in CASES} | {"dinov2"}
    assert {checkpoint.family for checkpoint in CHECKPOINTS.values()} == tried


def test_comparison_notices_the_way_of_resizing() -> None:
    """DINO's official way of bringing positions to another size, which no other library has."""
    networks = both("dino_vits16", "timm")
    kind = family("dinov1")
    other = kind.network(replace(networks.ours.config, interpolation="offset")).eval()  # type: ignore[type-var]
    other.load_state_dict(networks.ours.state_dict())
    assert compare(replace(networks, ours=other), 112, 112)[0] > 100 * MAX_DIFFERENCE
    assert compare(replace(networks, ours=other), 224, 224)[0] <= MAX_DIFFERENCE


def test_comparison_notices_how_places_turn() -> None:
    """DINOv3 with periods as in Meta's files, rounded to bfloat16, beside exact ones: it is as sharp as that."""
    networks = both("dinov3_vits16", "timm")
    other = family("dinov3").network(networks.ours.config).eval()  # type: ignore[arg-type]
    state = dict(networks.ours.state_dict())
    other.load_state_dict({**state, "rope_embed.periods": state["rope_embed.periods"].bfloat16().float()})
    assert compare(replace(networks, ours=other), 224, 224)[0] > 10 * MAX_DIFFERENCE


@pytest.mark.parametrize("name", SHAPES)
def test_last_blocks_end_with_the_answer(name: str) -> None:
    """Each of the last blocks has tokens of its own, and the last one's are those of the whole network."""
    (library,) = [library for other, library in CASES if other == name][:1]
    ours = both(name, library).ours
    images = random_images(2, 3, 2 * ours.patch_size, 3 * ours.patch_size)
    with torch.inference_mode():
        found, whole = list(ours.last_blocks(images, ours.depth)), ours(images)
    assert len(found) == ours.depth
    assert all(tokens.grid == (2, 3) and tokens.registers.shape[1] == ours.registers for tokens in found)
    assert torch.equal(found[-1].cls, whole.cls)
    assert torch.equal(found[-1].patches, whole.patches)
    for one, other in zip(found, found[1:], strict=False):
        assert not torch.allclose(one.cls, other.cls, atol=1e-2)


@pytest.mark.parametrize("name", SHAPES)
def test_one_image_does_not_change_another(name: str) -> None:
    (library,) = [library for other, library in CASES if other == name][:1]
    ours = both(name, library).ours
    images = random_images(3, 3, 2 * ours.patch_size, 2 * ours.patch_size)
    with torch.inference_mode():
        together = ours(images).cls
        alone = torch.cat([ours(image[None]).cls for image in images])
    assert torch.allclose(together, alone, atol=1e-4)
