"""DINOv2's eight checkpoints (Oquab et al. 2023, arXiv:2304.07193; registers: Darcet et al. 2023, arXiv:2309.16588)."""

from __future__ import annotations

from typing import Any

from dinosearch.embedding.checkpoints.checkpoint import Checkpoint

_HUB = "https://dl.fbaipublicfiles.com/dinov2"

# Shape of each size: facebookresearch/dinov2, hub/backbones.py and models/vision_transformer.py.
_SHAPES: dict[str, dict[str, Any]] = {
    "vits14": {"dimension": 384, "depth": 12, "heads": 6},
    "vitb14": {"dimension": 768, "depth": 12, "heads": 12},
    "vitl14": {"dimension": 1024, "depth": 24, "heads": 16},
    "vitg14": {"dimension": 1536, "depth": 40, "heads": 24, "ffn": "swiglu"},
}
_SIZES = {"vits14": "small", "vitb14": "base", "vitl14": "large", "vitg14": "giant"}
_REGISTERS = 4

# Parameters, SHA-256 and size of the official files: finegrain-ai/refiners' conversion table; those without registers
# up to L also from several other public repositories. The size is unknown (None) where no source gave it.
_FILES: dict[str, tuple[int, str, int | None]] = {
    "vits14": (22_056_576, "b938bf1bc15cd2ec0feacfe3a1bb553fe8ea9ca46a7e1d8d00217f29aef60cd9", 88_283_115),
    "vits14_reg4": (22_058_112, "f433177089a681826f849f194ece3bb48f4d63fb38d32fc837e3dc7a4e5641fb", None),
    "vitb14": (86_580_480, "0b8b82f85de91b424aded121c7e1dcc2b7bc6d0adeea651bf73a13307fad8c73", 346_378_731),
    "vitb14_reg4": (86_583_552, "73182a088cf94833c94b1666d1c99e02fe87e2007bff57b564fb6206e25dba71", None),
    "vitl14": (304_368_640, "d5383ea8f4877b2472eb973e0fd72d557c7da5d3611bd527ceeb1d7162cbf428", 1_217_586_395),
    "vitl14_reg4": (304_372_736, "36e4deffbaef061a2576705b0c36f93621e2ae20bf6274694821b0b492551b51", None),
    "vitg14": (1_136_480_768, "baf8467e50af277596bbbafa06887c177ee899ab46033649c383577d7e9309d3", None),
    "vitg14_reg4": (1_136_486_912, "746ecb8c6301c645c5c855be91687d274587d6e48fdaec4a729753160b34a283", None),
}


def _row(key: str) -> Checkpoint:
    size, _, registers = key.partition("_")
    shape = dict(_SHAPES[size])
    if registers:
        shape |= {"registers": _REGISTERS, "interpolation": "antialias"}
    word = _SIZES[size]
    hugging_face = f"facebook/dinov2-with-registers-{word}" if registers else f"facebook/dinov2-{word}"
    timm = f"vit_{word}_patch14{'_reg4' if registers else ''}_dinov2.lvd142m"
    short = (f"dinov2_{size}_reg",) if registers else ()
    parameters, sha256, size_bytes = _FILES[key]
    return Checkpoint(
        name=f"dinov2_{key}",
        series="DINOv2",
        family="dinov2",
        dimension=shape["dimension"],
        patch=14,
        parameters=parameters,
        shape=shape,
        # The files with registers lie in the folder of the model without.
        url=f"{_HUB}/dinov2_{size}/dinov2_{key}_pretrain.pth",
        sha256=sha256,
        bytes=size_bytes,
        aliases=(hugging_face, timm, *short),
    )


CHECKPOINTS = tuple(_row(key) for key in _FILES)
