"""DINOv3's checkpoints (Simeoni et al. 2025, arXiv:2508.10104): given out on request, under a licence of their own.

Shapes and file names follow facebookresearch/dinov3, hub/backbones.py; the eight digits of a name are the beginning of
the file's SHA-256, as torch.hub checks it. The code that runs them here is ours.
"""

from __future__ import annotations

from typing import Any

from dinosearch.embedding.checkpoints.checkpoint import Checkpoint

_LICENCE = "DINOv3 License"
_PAGE = "https://ai.meta.com/resources/models-and-libraries/dinov3-downloads/"
_WEB, _SATELLITE = "lvd1689m", "sat493m"  # training sets: photos of the web, and pictures from satellites
_NORMALISATION: dict[str, dict[str, Any]] = {
    _WEB: {},
    _SATELLITE: {"mean": (0.430, 0.411, 0.296), "deviation": (0.213, 0.156, 0.143)},  # README of DINOv3
}


def _transformer(dimension: int, depth: int, heads: int, hidden: int, **more: Any) -> dict[str, Any]:
    return {"dimension": dimension, "depth": depth, "heads": heads, "hidden": hidden, "registers": 4, **more}


# The middle of a SwiGLU is two thirds of ffn_ratio times the dimension, in multiples of 8, of 64 for the 7B.
_SHAPES: dict[str, dict[str, Any]] = {
    "vits16": _transformer(384, 12, 6, 1536),
    "vits16plus": _transformer(384, 12, 6, 1536, gated=True),
    "vitb16": _transformer(768, 12, 12, 3072),
    "vitl16": _transformer(1024, 24, 16, 4096),
    "vith16plus": _transformer(1280, 32, 20, 5120, gated=True),
    "vit7b16": _transformer(4096, 40, 32, 8192, gated=True, qkv_bias=False),
    "convnext_tiny": {"depths": (3, 3, 9, 3), "widths": (96, 192, 384, 768)},
    "convnext_small": {"depths": (3, 3, 27, 3), "widths": (96, 192, 384, 768)},
    "convnext_base": {"depths": (3, 3, 27, 3), "widths": (128, 256, 512, 1024)},
    "convnext_large": {"depths": (3, 3, 27, 3), "widths": (192, 384, 768, 1536)},
}
_TIMM = {
    "vits16": "vit_small_patch16_dinov3",
    "vits16plus": "vit_small_plus_patch16_dinov3",
    "vitb16": "vit_base_patch16_dinov3",
    "vitl16": "vit_large_patch16_dinov3",
    "vith16plus": "vit_huge_plus_patch16_dinov3",
    "vit7b16": "vit_7b_patch16_dinov3",
}

# Name, training set, first digits of the SHA-256, parameters, and operations of the convolutions.
_FILES: tuple[tuple[str, str, str, int, float | None], ...] = (
    ("vits16", _WEB, "08c60483", 21_600_768, None),
    ("vits16plus", _WEB, "4057cbaa", 28_697_088, None),
    ("vitb16", _WEB, "73cec8be", 85_668_864, None),
    ("vitl16", _WEB, "8aa4cbdd", 303_153_152, None),
    ("vitl16", _SATELLITE, "eadcf0ff", 303_153_152, None),
    ("vith16plus", _WEB, "7c1da9a5", 840_632_320, None),
    ("vit7b16", _WEB, "a955f4ea", 6_716_030_976, None),
    ("vit7b16", _SATELLITE, "a6675841", 6_716_030_976, None),
    ("convnext_tiny", _WEB, "21b726bb", 27_820_128, 8.91),
    ("convnext_small", _WEB, "296db49d", 49_454_688, 17.37),
    ("convnext_base", _WEB, "801f2ba9", 87_566_464, 30.71),
    ("convnext_large", _WEB, "61fa432d", 196_230_336, 68.72),
)


def _row(key: str, trained: str, digits: str, parameters: int, gigaflop: float | None) -> Checkpoint:
    convolutions = key.startswith("convnext")
    shape = _SHAPES[key]
    timm = f"{key}.dinov3_{trained}" if convolutions else f"{_TIMM[key]}.{trained}"
    return Checkpoint(
        name=f"dinov3_{key}" if trained == _WEB else f"dinov3_{key}_{trained}",
        series="DINOv3",
        family="convnext" if convolutions else "dinov3",
        dimension=shape["widths"][-1] if convolutions else shape["dimension"],
        patch=32 if convolutions else 16,
        parameters=parameters,
        shape=shape,
        gigaflop=gigaflop,
        page=_PAGE,
        file=f"dinov3_{key}_pretrain_{trained}-{digits}.pth",
        sha256=digits,
        licence=_LICENCE,
        aliases=(f"facebook/dinov3-{key.replace('_', '-')}-pretrain-{trained}", timm),
        **_NORMALISATION[trained],
    )


CHECKPOINTS = tuple(_row(*row) for row in _FILES)
