"""One row of the table of published weights; data only."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

BUNDLED = Path(__file__).parents[1] / "mini.safetensors"


@dataclass(frozen=True)
class Checkpoint:
    """One set of weights.

    Attributes:
        name: what the user types.
        series: under what name the model was published: `DINO`, `DINOv2`, `DINOv3`, or `mini`.
        family: architecture, a name in `dinosearch.embedding.families.FAMILIES`.
        dimension: length of a token; 0 for a model whose file tells it.
        patch: side of a patch in pixels.
        parameters: numbers in the network.
        shape: keyword arguments of the family's `config`; None where the weight file's metadata holds the architecture.
        gigaflop: operations for 224 x 224 pixels in units of 1e9, of a network of convolutions, which grow with the
            area; None for a transformer, whose shape tells them.
        url: where the official file can be fetched; None for the bundled model and for gated ones.
        page: where one may ask for the file, of models that are given out on request only; None for others.
        file: name of the official file where there is no url.
        sha256: hex digest of the official file, or its first eight digits where no more was published; None where
            nothing was, or where the file is part of the package.
        bytes: size of the official file, None where unknown.
        licence: SPDX name, or the licence's own.
        mean: per channel of RGB, subtracted from values in 0..1 (ImageNet's).
        deviation: per channel, divided by.
        aliases: names of the same weights elsewhere.
    """

    name: str
    series: str
    family: str
    dimension: int
    patch: int
    parameters: int
    shape: dict[str, Any] | None
    gigaflop: float | None = None
    url: str | None = None
    page: str | None = None
    file: str | None = None
    sha256: str | None = None
    bytes: int | None = None
    licence: str = "Apache-2.0"
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    deviation: tuple[float, float, float] = (0.229, 0.224, 0.225)
    aliases: tuple[str, ...] = ()

    @property
    def file_name(self) -> str:
        """Name of the weight file, as torch.hub keeps it."""
        return self.url.rsplit("/", 1)[1] if self.url else self.file or BUNDLED.name

    @property
    def bundled(self) -> bool:
        """Whether the weights are part of the package."""
        return self.url is None and self.page is None
