"""What decides the vectors: preprocessing, pooling and the fingerprint of all of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

ResizeMode = Literal["squash", "fit", "crop"]


@dataclass(frozen=True)
class Preprocessing:
    """How an upright RGB image becomes model input; part of the fingerprint.

    Attributes:
        mode: `squash` resizes the whole image to size x size, ignoring aspect (the setting that reproduces the
            published DINOv2 retrieval figures); `fit` keeps aspect: the longer side becomes `size`, both sides are
            padded with the mean colour to multiples of the patch; `crop` resizes the shorter side to size * 256 / 224
            and cuts the centre.
        size: pixels, a multiple of the patch size.
    """

    mode: ResizeMode = "squash"
    size: int = 224

    def __str__(self) -> str:
        return f"{self.mode}-{self.size}"

    @classmethod
    def parse(cls, text: str) -> Preprocessing:
        """Read `squash-224`, `fit-448`, `crop-224`.

        Raises:
            ValueError: another mode, or a size that is not a positive integer.
        """
        mode, _, size = text.partition("-")
        if mode not in ("squash", "fit", "crop") or not size.isdecimal() or int(size) < 1:
            raise ValueError(f"preprocessing {text!r} is not one of squash-N, fit-N, crop-N, such as squash-224")
        return cls(mode, int(size))  # type: ignore[arg-type]


POOLINGS = ("cls", "mean", "gem", "cls+mean", "cls+gem")
"""How tokens become a vector: the class token as published retrieval figures have it, the mean of the patch tokens,
their generalised mean, or two of them behind each other (DINOv2's linear evaluation has class token and mean)."""


def pooling_parts(name: str) -> list[str]:
    """The words of a pooling's name.

    Raises:
        ValueError: no such pooling.
    """
    if name not in POOLINGS:
        raise ValueError(f"pooling {name!r} is not one of {', '.join(POOLINGS)}")
    return name.split("+")


@dataclass(frozen=True)
class Fingerprint:
    """What two vectors must share to be comparable: the embedding fingerprint.

    Attributes:
        checkpoint: name in the table of checkpoints, such as `dinov2_vits14`.
        weights_sha256: hex digest of the weight file.
        preprocessing: text form, such as `squash-224`.
        pooling: how tokens became a vector, one of `POOLINGS`.
        dimension: length of a vector.
    """

    checkpoint: str
    weights_sha256: str
    preprocessing: str
    pooling: str
    dimension: int

    def __str__(self) -> str:
        weights = self.weights_sha256[:8]
        return f"{self.checkpoint} {self.preprocessing} {self.pooling} ({self.dimension}-d, weights {weights})"

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Fingerprint:
        return cls(**{f.name: data[f.name] for f in dataclasses.fields(cls)})
