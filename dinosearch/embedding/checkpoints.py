"""The table of published weights: what can be named with --model. It loads nothing and imports no torch."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dinosearch.errors import UnknownCheckpointError

BUNDLED = Path(__file__).with_name("mini.safetensors")
_HUB = "https://dl.fbaipublicfiles.com/dinov2"

# Shape of each size: facebookresearch/dinov2, hub/backbones.py and models/vision_transformer.py.
_SHAPES: dict[str, dict[str, Any]] = {
    "vits14": {"dimension": 384, "depth": 12, "heads": 6},
    "vitb14": {"dimension": 768, "depth": 12, "heads": 12},
    "vitl14": {"dimension": 1024, "depth": 24, "heads": 16},
    "vitg14": {"dimension": 1536, "depth": 40, "heads": 24, "ffn": "swiglu"},
}
_SIZES = {"vits14": "small", "vitb14": "base", "vitl14": "large", "vitg14": "giant"}

# SHA-256 and size of the official files: finegrain-ai/refiners' conversion table; those without registers up to L also
# from several other public repositories. The size is unknown (None) where no source gave it.
_FILES: dict[str, tuple[str, int | None]] = {
    "vits14": ("b938bf1bc15cd2ec0feacfe3a1bb553fe8ea9ca46a7e1d8d00217f29aef60cd9", 88_283_115),
    "vits14_reg4": ("f433177089a681826f849f194ece3bb48f4d63fb38d32fc837e3dc7a4e5641fb", None),
    "vitb14": ("0b8b82f85de91b424aded121c7e1dcc2b7bc6d0adeea651bf73a13307fad8c73", 346_378_731),
    "vitb14_reg4": ("73182a088cf94833c94b1666d1c99e02fe87e2007bff57b564fb6206e25dba71", None),
    "vitl14": ("d5383ea8f4877b2472eb973e0fd72d557c7da5d3611bd527ceeb1d7162cbf428", 1_217_586_395),
    "vitl14_reg4": ("36e4deffbaef061a2576705b0c36f93621e2ae20bf6274694821b0b492551b51", None),
    "vitg14": ("baf8467e50af277596bbbafa06887c177ee899ab46033649c383577d7e9309d3", None),
    "vitg14_reg4": ("746ecb8c6301c645c5c855be91687d274587d6e48fdaec4a729753160b34a283", None),
}


@dataclass(frozen=True)
class Checkpoint:
    """One set of weights.

    Attributes:
        name: what the user types.
        dimension: length of a vector; 0 for a model whose file tells it.
        shape: keyword arguments of `TransformerConfig`; None where the weight file's metadata holds the architecture.
        url: where the official file lies; None for the bundled model.
        sha256: hex digest of the official file; None where the file is part of the package.
        bytes: size of the official file, None where unknown.
        licence: SPDX name.
        mean: per channel of RGB, subtracted from values in 0..1 (ImageNet's).
        deviation: per channel, divided by.
        aliases: names of the same weights elsewhere.
    """

    name: str
    dimension: int
    shape: dict[str, Any] | None
    url: str | None
    sha256: str | None
    bytes: int | None
    licence: str = "Apache-2.0"
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    deviation: tuple[float, float, float] = (0.229, 0.224, 0.225)
    aliases: tuple[str, ...] = field(default=())

    @property
    def file_name(self) -> str:
        """Name of the weight file, as torch.hub keeps it."""
        return self.url.rsplit("/", 1)[1] if self.url else BUNDLED.name


def _official(key: str) -> Checkpoint:
    size, _, registers = key.partition("_")
    shape = dict(_SHAPES[size])
    if registers:
        shape |= {"registers": 4, "interpolation": "antialias"}
    # The files with registers lie in the folder of the model without.
    url = f"{_HUB}/dinov2_{size}/dinov2_{key}_pretrain.pth"
    word = _SIZES[size]
    hugging_face = f"facebook/dinov2-with-registers-{word}" if registers else f"facebook/dinov2-{word}"
    timm = f"vit_{word}_patch14{'_reg4' if registers else ''}_dinov2.lvd142m"
    short = (f"dinov2_{size}_reg",) if registers else ()
    sha256, size_bytes = _FILES[key]
    return Checkpoint(
        f"dinov2_{key}", shape["dimension"], shape, url, sha256, size_bytes, aliases=(hugging_face, timm, *short)
    )


CHECKPOINTS: dict[str, Checkpoint] = {
    "mini": Checkpoint("mini", 288, None, None, None, None),
    **{f"dinov2_{key}": _official(key) for key in _FILES},
}


def find_checkpoint(name: str) -> Checkpoint:
    """The checkpoint of that name, or of that name on Hugging Face or in timm.

    Raises:
        UnknownCheckpointError: no such name; the sentence has the nearest ones.
    """
    names = {alias: c for c in CHECKPOINTS.values() for alias in (c.name, *c.aliases)}
    if name in names:
        return names[name]
    near = difflib.get_close_matches(name, names, n=2, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    raise UnknownCheckpointError(f"there is no model {name!r}; {hint}all of them are listed by: dinosearch models")
