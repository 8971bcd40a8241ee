"""dino.txt's text tower: a causal transformer over byte pairs, with the state-dict keys of the official file.

facebookresearch/dinov2, hub/text/{text_transformer,text_tower}.py and layers/block.py (CausalAttentionBlock), without
the prefix `backbone.`; the vector is that of the end mark, which has the largest number.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dinosearch.embedding.families.parts import Mlp

HEAD = 64
"""Channels of an attention head: the official towers have 20 of 1,280 and 16 of 1,024."""


@dataclass(frozen=True)
class TowerConfig:
    """Shape of a text tower.

    Attributes:
        words: numbers of the vocabulary.
        length: places of a text.
        dimension: length of a token, in heads of `HEAD` channels.
        depth: blocks.
        out: length of a text's vector.
    """

    words: int = 49408
    length: int = 77
    dimension: int = 1280
    depth: int = 24
    out: int = 2048


class TextTower(nn.Module):
    """Numbers of byte pairs to one vector a text.

    Args:
        config: the shape.
    """

    def __init__(self, config: TowerConfig) -> None:
        super().__init__()
        d = config.dimension
        self.config = config
        self.token_embedding = nn.Embedding(config.words, d)
        self.positional_embedding = nn.Parameter(torch.zeros(config.length, d))
        self.blocks = nn.ModuleList(_Block(d) for _ in range(config.depth))
        self.ln_final = nn.LayerNorm(d)
        self.head = nn.ModuleDict({"linear_projection": nn.Linear(d, config.out, bias=False)})

    def forward(self, numbers: Tensor) -> Tensor:
        """(n, out) of (n, t) int64, t at most `length`; not of unit length."""
        x = self.token_embedding(numbers) + self.positional_embedding[: numbers.shape[1]]
        for block in self.blocks:
            x = block(x)
        ends = x[torch.arange(len(x)), numbers.argmax(dim=-1)]
        out: Tensor = self.head["linear_projection"](self.ln_final(ends))
        return out


class _Block(nn.Module):
    def __init__(self, d: int) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(d)
        self.attention = _CausalAttention(d)
        self.ffn_norm = nn.LayerNorm(d)
        self.feed_forward = Mlp(d, 4 * d)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.attention_norm(x))
        out: Tensor = x + self.feed_forward(self.ffn_norm(x))
        return out


class _CausalAttention(nn.Module):
    def __init__(self, d: int) -> None:
        super().__init__()
        self.qkv = nn.Linear(d, 3 * d, bias=False)
        self.proj = nn.Linear(d, d)

    def forward(self, x: Tensor) -> Tensor:
        n, t, d = x.shape
        q, k, v = self.qkv(x).reshape(n, t, 3, d // HEAD, HEAD).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        out: Tensor = self.proj(mixed.transpose(1, 2).reshape(n, t, d))
        return out
