"""What the Vision Transformers of the family have in common, with the state-dict keys of the official files."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class PatchEmbedding(nn.Module):
    """Pixels to patch tokens: `proj`, a convolution with steps of a patch."""

    def __init__(self, dimension: int, patch: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, dimension, kernel_size=patch, stride=patch)


class Attention(nn.Module):
    """Self-attention of all tokens; query, key and value come of one product, `qkv`."""

    def __init__(self, dimension: int, heads: int, *, qkv_bias: bool = True) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dimension, 3 * dimension, bias=qkv_bias)
        self.proj = nn.Linear(dimension, dimension)

    def forward(self, x: Tensor, turn: Callable[[Tensor], Tensor] | None = None) -> Tensor:
        """(n, t, d) of (n, t, d) tokens; `turn` tells queries and keys (n, heads, t, d / heads) where they lie."""
        n, tokens, d = x.shape
        q, k, v = self.qkv(x).reshape(n, tokens, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        if turn is not None:
            q, k = turn(q), turn(k)
        out: Tensor = self.proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(n, tokens, d))
        return out


class LayerScale(nn.Module):
    """A factor for each channel."""

    def __init__(self, dimension: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(dimension))

    def forward(self, x: Tensor) -> Tensor:
        """Multiply (..., d)."""
        return x * self.gamma


class Mlp(nn.Module):
    """Two layers with GELU between them."""

    def __init__(self, dimension: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dimension, hidden)
        self.fc2 = nn.Linear(hidden, dimension)

    def forward(self, x: Tensor) -> Tensor:
        """(..., d) of (..., d)."""
        out: Tensor = self.fc2(F.gelu(self.fc1(x)))
        return out
