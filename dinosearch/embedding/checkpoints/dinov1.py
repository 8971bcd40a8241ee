"""DINO's checkpoints (Caron et al. 2021, arXiv:2104.14294), the one trained on Google Landmarks v2 among them.

No digest of these files was published that we know of: what comes is taken as it is, if it fits the network.
"""

from __future__ import annotations

from typing import Any

from dinosearch.embedding.checkpoints.checkpoint import Checkpoint

_HUB = "https://dl.fbaipublicfiles.com/dino"
_SMALL: dict[str, Any] = {"dimension": 384, "depth": 12, "heads": 6}
_BASE: dict[str, Any] = {"dimension": 768, "depth": 12, "heads": 12}

# Size and patch of facebookresearch/dino, hubconf.py and README; folder and file are of one name.
_TRANSFORMERS: tuple[tuple[str, str, dict[str, Any], int, int, tuple[str, ...]], ...] = (
    (
        "vits16",
        "dino_deitsmall16_pretrain",
        _SMALL,
        16,
        21_665_664,
        ("facebook/dino-vits16", "vit_small_patch16_224.dino"),
    ),
    ("vits8", "dino_deitsmall8_pretrain", _SMALL, 8, 21_670_272, ("facebook/dino-vits8", "vit_small_patch8_224.dino")),
    ("vitb16", "dino_vitbase16_pretrain", _BASE, 16, 85_798_656, ("facebook/dino-vitb16", "vit_base_patch16_224.dino")),
    ("vitb8", "dino_vitbase8_pretrain", _BASE, 8, 85_807_872, ("facebook/dino-vitb8", "vit_base_patch8_224.dino")),
    ("vits16_gldv2", "dino_vitsmall16_googlelandmark_pretrain", _SMALL, 16, 21_665_664, ()),
)


def _row(name: str, file: str, shape: dict[str, Any], patch: int, parameters: int, also: tuple[str, ...]) -> Checkpoint:
    # The stored grid is of 224 pixels.
    whole = {**shape, "patch": patch, "grid": 224 // patch, "interpolation": "offset", "layer_scale": False}
    return Checkpoint(
        name=f"dino_{name}",
        series="DINO",
        family="dinov1",
        dimension=shape["dimension"],
        patch=patch,
        parameters=parameters,
        shape=whole,
        url=f"{_HUB}/{file}/{file}.pth",
        aliases=also,
    )


CHECKPOINTS = (
    *(_row(*row) for row in _TRANSFORMERS),
    Checkpoint(
        name="dino_resnet50",
        series="DINO",
        family="resnet",
        dimension=2048,
        patch=32,
        parameters=23_508_032,
        shape={"depths": (3, 4, 6, 3), "width": 64},
        gigaflop=8.17,
        url=f"{_HUB}/dino_resnet50_pretrain/dino_resnet50_pretrain.pth",
    ),
)
