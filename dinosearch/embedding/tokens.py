"""The tokens that a backbone returns for a batch, and an embedder for one image; data only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Tokens:
    """Tokens of a batch after the final norm (`x_norm_*` in DINOv2's forward_features).

    Attributes:
        cls: (n, d) class tokens.
        registers: (n, r, d) register tokens; r is 0 for models without.
        patches: (n, h*w, d) patch tokens, row by row from the top left.
        grid: (h, w) of the patches.
    """

    cls: Tensor
    registers: Tensor
    patches: Tensor
    grid: tuple[int, int]


@dataclass(frozen=True)
class ImageTokens:
    """Tokens of one image as float32 arrays, not normalised to unit length.

    Attributes:
        cls: (d,) class token.
        registers: (r, d) register tokens; r is 0 for models without.
        patches: (h, w, d) patch tokens.
        earlier: the same of the blocks before, the earliest first; as many as were asked for.
    """

    cls: np.ndarray
    registers: np.ndarray
    patches: np.ndarray
    earlier: tuple[ImageTokens, ...] = ()
