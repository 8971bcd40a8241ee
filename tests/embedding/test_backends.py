"""Our transformer against two independent implementations of DINOv2, transformers' and timm's, on the same weights.

Where they resize position embeddings in another way than the official hub code, ours is set to their way; the hub's own
way is tested in test_positions.py.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import pytest
import torch
from torch import Tensor, nn

from dinosearch.embedding.checkpoints import CHECKPOINTS
from dinosearch.embedding.tokens import Tokens
from dinosearch.embedding.transformer import TransformerConfig, VisionTransformer
from dinosearch.embedding.weights import official_keys
from tests.embedding.random_weights import fill_random, random_images, random_transformer

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


def transformers_model(config: TransformerConfig) -> nn.Module:
    from transformers import Dinov2Config, Dinov2Model, Dinov2WithRegistersConfig, Dinov2WithRegistersModel

    shape = {
        "hidden_size": config.dimension,
        "num_hidden_layers": config.depth,
        "num_attention_heads": config.heads,
        "image_size": 518,
        "patch_size": 14,
        "use_swiglu_ffn": config.ffn == "swiglu",
    }
    with torch.device("meta"):
        if config.registers:
            model = Dinov2WithRegistersModel(Dinov2WithRegistersConfig(num_register_tokens=config.registers, **shape))
        else:
            model = Dinov2Model(Dinov2Config(**shape))
    fill_random(model)
    return model


def timm_model(name: str, ours: VisionTransformer) -> nn.Module:
    import timm
    from timm.models.vision_transformer import checkpoint_filter_fn

    size = {"dinov2_vits14": "small", "dinov2_vitb14": "base", "dinov2_vitl14": "large", "dinov2_vitg14": "giant"}
    registers = "_reg4" if ours.config.registers else ""
    with torch.device("meta"):
        model = timm.create_model(
            f"vit_{size[name.removesuffix('_reg4')]}_patch14{registers}_dinov2",
            depth=ours.config.depth, dynamic_img_size=True,
        )  # fmt: skip
    model.load_state_dict(checkpoint_filter_fn(dict(ours.state_dict()), model), assign=True)
    return model.eval()


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
def transformers_pair(name: str, depth: int) -> tuple[VisionTransformer, nn.Module]:
    shape = TransformerConfig(**{**CHECKPOINTS[name].shape, "depth": depth})
    # transformers' Dinov2Model resizes to the size and without antialias, its register model as the hub does.
    config = shape if shape.registers else replace(shape, interpolation="size")
    theirs = transformers_model(config)
    with torch.device("meta"):
        ours = VisionTransformer(config)
    ours.load_state_dict(official_keys(dict(theirs.state_dict())), assign=True)
    return ours, theirs


@lru_cache(maxsize=1)
def timm_pair(name: str, depth: int) -> tuple[VisionTransformer, nn.Module]:
    shape = TransformerConfig(**{**CHECKPOINTS[name].shape, "depth": depth})
    ours = random_transformer(replace(shape, interpolation="antialias"))  # timm's way for both families
    return ours, timm_model(name, ours)


@pytest.mark.parametrize(("name", "depth", "size"), CASES)
def test_transformers_dinov2_gives_the_same_tokens(name: str, depth: int, size: tuple[int, int]) -> None:
    ours, theirs = transformers_pair(name, depth)
    images = random_images(1, 3, *size)
    with torch.inference_mode():
        assert_same(ours(images), theirs(images).last_hidden_state, ours.config.registers)


@pytest.mark.parametrize(("name", "depth", "size"), CASES)
def test_timm_dinov2_gives_the_same_tokens(name: str, depth: int, size: tuple[int, int]) -> None:
    ours, theirs = timm_pair(name, depth)
    images = random_images(1, 3, *size)
    with torch.inference_mode():
        assert_same(ours(images), theirs.forward_features(images), ours.config.registers)


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
