"""The table of checkpoints: names, figures, and the tensors that the official files hold."""

from __future__ import annotations

import pytest
import torch

from dinosearch.embedding import CHECKPOINTS, find_checkpoint
from dinosearch.embedding.families.dinov2 import TransformerConfig, VisionTransformer
from dinosearch.errors import UnknownCheckpointError

# dimension and depth, from facebookresearch/dinov2, hub/backbones.py
SIZES = {"vits14": (384, 12), "vitb14": (768, 12), "vitl14": (1024, 24), "vitg14": (1536, 40)}
OFFICIAL = [f"dinov2_{size}{registers}" for size in SIZES for registers in ("", "_reg4")]


def official_shapes(name: str) -> dict[str, tuple[int, ...]]:
    """Names and shapes in the official file, written from its published facts and not from our model."""
    size = name.split("_")[1]
    d, depth = SIZES[size]
    shapes: dict[str, tuple[int, ...]] = {
        "cls_token": (1, 1, d),
        "pos_embed": (1, 1370, d),
        "mask_token": (1, d),
        "patch_embed.proj.weight": (d, 3, 14, 14),
        "patch_embed.proj.bias": (d,),
        "norm.weight": (d,),
        "norm.bias": (d,),
    }
    if name.endswith("_reg4"):
        shapes["register_tokens"] = (1, 4, d)
    feed_forward = [("fc1", 4 * d, d), ("fc2", d, 4 * d)]
    if size == "vitg14":
        feed_forward = [("w12", 8192, 1536), ("w3", 1536, 4096)]
    for i in range(depth):
        for part in ("norm1", "norm2"):
            shapes[f"blocks.{i}.{part}.weight"] = shapes[f"blocks.{i}.{part}.bias"] = (d,)
        for part in ("ls1", "ls2"):
            shapes[f"blocks.{i}.{part}.gamma"] = (d,)
        for part, rows, columns in [("attn.qkv", 3 * d, d), ("attn.proj", d, d)]:
            shapes[f"blocks.{i}.{part}.weight"], shapes[f"blocks.{i}.{part}.bias"] = (rows, columns), (rows,)
        for part, rows, columns in feed_forward:
            shapes[f"blocks.{i}.mlp.{part}.weight"], shapes[f"blocks.{i}.mlp.{part}.bias"] = (rows, columns), (rows,)
    return shapes


def our_shapes(name: str) -> dict[str, tuple[int, ...]]:
    with torch.device("meta"):
        model = VisionTransformer(TransformerConfig(**CHECKPOINTS[name].shape))
    return {key: tuple(value.shape) for key, value in model.state_dict().items()}


@pytest.mark.parametrize("name", OFFICIAL)
def test_state_dict_equals_the_official_file(name: str) -> None:
    assert our_shapes(name) == official_shapes(name)


@pytest.mark.parametrize(("name", "millions"), [("vits14", 22), ("vitb14", 87), ("vitl14", 304), ("vitg14", 1136)])
def test_number_of_parameters(name: str, millions: int) -> None:
    """The README of DINOv2 gives 21 M, 86 M, 300 M and 1,100 M; here the position grid and the mask token count too."""
    total = sum(torch.Size(shape).numel() for shape in our_shapes(f"dinov2_{name}").values())
    assert round(total / 1e6) == millions


@pytest.mark.parametrize("name", [name for name in OFFICIAL if CHECKPOINTS[name].bytes])
def test_published_file_size_is_the_tensors_and_little_more(name: str) -> None:
    """The size of the file, known from elsewhere, leaves room for exactly these float32 tensors and zip headers."""
    floats = sum(torch.Size(shape).numel() for shape in our_shapes(name).values())
    assert 0 < CHECKPOINTS[name].bytes - 4 * floats < 600 * len(our_shapes(name))


def test_all_eight_are_there_with_their_folders() -> None:
    assert {name for name, c in CHECKPOINTS.items() if c.series == "DINOv2"} == set(OFFICIAL)
    hub = "https://dl.fbaipublicfiles.com/dinov2"
    assert CHECKPOINTS["dinov2_vits14"].url == f"{hub}/dinov2_vits14/dinov2_vits14_pretrain.pth"
    # The files with registers lie in the folder of the model without.
    assert CHECKPOINTS["dinov2_vitg14_reg4"].url == f"{hub}/dinov2_vitg14/dinov2_vitg14_reg4_pretrain.pth"
    digests = {str(CHECKPOINTS[name].sha256) for name in OFFICIAL}
    assert len(digests) == 8
    assert all(len(digest) == 64 and int(digest, 16) for digest in digests)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("dinov2_vits14", "dinov2_vits14"),
        ("facebook/dinov2-small", "dinov2_vits14"),
        ("facebook/dinov2-with-registers-giant", "dinov2_vitg14_reg4"),
        ("vit_base_patch14_dinov2.lvd142m", "dinov2_vitb14"),
        ("vit_large_patch14_reg4_dinov2.lvd142m", "dinov2_vitl14_reg4"),
        ("dinov2_vitl14_reg", "dinov2_vitl14_reg4"),
        ("mini", "mini"),
    ],
)
def test_names_from_elsewhere_are_known(name: str, found: str) -> None:
    assert find_checkpoint(name).name == found


def test_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(
        UnknownCheckpointError, match=r"no model 'dinov2_vits15'; did you mean dinov2_vits14.*dinosearch models"
    ):
        find_checkpoint("dinov2_vits15")
