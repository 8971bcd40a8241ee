"""dino.txt's vision head: from a backbone's tokens to a vector in the space of words.

facebookresearch/dinov2, hub/text/vision_tower.py: two blocks over all tokens of the last block, after its norm; the
vector is the class token followed by the mean of the patch tokens. Keys as in the official file, but `blocks` for what
DINOv2's calls `block_list`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dinosearch.embedding.families.parts import Attention, LayerScale
from dinosearch.embedding.text.tower import HEAD


@dataclass(frozen=True)
class HeadConfig:
    """Shape of a vision head.

    Attributes:
        dimension: length of the backbone's tokens, in heads of `HEAD` channels.
        depth: blocks.
        hidden: width of the gated layer: 2 / 3 of 4 d, raised to a multiple of 64.
        out: length of a projected token; None where tokens are not projected, as in the official files.
    """

    dimension: int = 1024
    depth: int = 2
    hidden: int = 2752
    out: int | None = None


class VisionHead(nn.Module):
    """Tokens of images to one vector an image.

    Args:
        config: the shape.
    """

    def __init__(self, config: HeadConfig) -> None:
        super().__init__()
        d = config.dimension
        self.config = config
        self.blocks = nn.ModuleList(_Block(d, config.hidden) for _ in range(config.depth))
        self.ln_final = nn.LayerNorm(d)
        self.linear_projection = nn.Identity() if config.out is None else nn.Linear(d, config.out, bias=False)

    @property
    def dimension(self) -> int:
        """Length of an image's vector."""
        return 2 * (self.config.out or self.config.dimension)

    def forward(self, tokens: Tensor, others: int) -> Tensor:
        """(n, dimension) vectors, not of unit length.

        Args:
            tokens: (n, 1 + r + p, d): class, register and patch tokens.
            others: how many are no patches, 1 + r.
        """
        for block in self.blocks:
            tokens = block(tokens)
        tokens = self.linear_projection(self.ln_final(tokens))
        return torch.cat([tokens[:, 0], tokens[:, others:].mean(dim=1)], dim=-1)


class _Block(nn.Module):
    def __init__(self, d: int, hidden: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(d)
        self.attn = Attention(d, d // HEAD, qkv_bias=False)
        self.ls1 = LayerScale(d)
        self.norm2 = nn.LayerNorm(d)
        self.mlp = _Gated(d, hidden)
        self.ls2 = LayerScale(d)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.ls1(self.attn(self.norm1(x)))
        out: Tensor = x + self.ls2(self.mlp(self.norm2(x)))
        return out


class _Gated(nn.Module):
    def __init__(self, d: int, hidden: int) -> None:
        super().__init__()
        self.w1, self.w2, self.w3 = nn.Linear(d, hidden), nn.Linear(d, hidden), nn.Linear(hidden, d)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.w3(F.silu(self.w1(x)) * self.w2(x))
        return out
