"""DINOv2's Vision Transformer, with the state-dict keys of the official files.

Sizes and names follow facebookresearch/dinov2 (models/vision_transformer.py, hub/backbones.py); it reads no file and
normalises no pixel.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dinosearch.embedding.tokens import Tokens

EPS = 1e-6  # of every LayerNorm
OFFSET = 0.1  # hub/backbones.py: interpolate_offset of the models without registers


@dataclass(frozen=True)
class TransformerConfig:
    """Shape of a Vision Transformer.

    Attributes:
        dimension: length of a token.
        depth: blocks.
        heads: attention heads.
        patch: side of a patch in pixels.
        registers: register tokens between the class token and the patches.
        ffn: `mlp` (hidden 4 d, GELU) or `swiglu` (ViT-g: hidden (int(8 d / 3) + 7) // 8 * 8).
        grid: side of the stored position grid; 37 for 518 pixels.
        interpolation: how the grid is brought to another size, always bicubic: `offset` is the hub's for models without
            registers (no antialias, scale (n + 0.1) / grid), `antialias` the hub's for models with registers
            (antialias, to the size), `size` that of transformers' Dinov2Model (no antialias, to the size).
    """

    dimension: int
    depth: int
    heads: int
    patch: int = 14
    registers: int = 0
    ffn: Literal["mlp", "swiglu"] = "mlp"
    grid: int = 37
    interpolation: Literal["offset", "antialias", "size"] = "offset"


class VisionTransformer(nn.Module):
    """A Vision Transformer that returns class, register and patch tokens after the final norm.

    Args:
        config: the shape.
    """

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.config = config
        d = config.dimension
        self.cls_token = nn.Parameter(torch.zeros(1, 1, d))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + config.grid**2, d))
        if config.registers:
            self.register_tokens = nn.Parameter(torch.zeros(1, config.registers, d))
        # Only pre-training uses it, but the official files hold it and loading is strict.
        self.mask_token = nn.Parameter(torch.zeros(1, d))
        self.patch_embed = _PatchEmbedding(d, config.patch)
        self.blocks = nn.ModuleList(_Block(config) for _ in range(config.depth))
        self.norm = nn.LayerNorm(d, eps=EPS)

    @property
    def dimension(self) -> int:
        """Length of each token."""
        return self.config.dimension

    @property
    def patch_size(self) -> int:
        """Side of a patch in pixels; images' sides are multiples of it."""
        return self.config.patch

    @property
    def depth(self) -> int:
        """How many of the last blocks tokens can be taken of."""
        return self.config.depth

    def forward(self, images: Tensor) -> Tokens:
        """Tokens of a batch after the last block; arguments and errors as `last_blocks`."""
        (tokens,) = self.last_blocks(images, 1)
        return tokens

    def last_blocks(self, images: Tensor, count: int, cells: Tensor | None = None) -> Iterator[Tokens]:
        """Tokens of a batch after each of the last blocks.

        Each is given the final norm, as the official code does by default (facebookresearch/dinov2,
        models/vision_transformer.py, get_intermediate_layers with norm=True).

        Args:
            images: (n, 3, h, w) float, normalised; h and w multiples of the patch size.
            count: how many blocks, 1 to `depth`.
            cells: (1, h / patch, w / patch, d) position embedding of the patches; None takes `cells` of that grid.

        Yields:
            The earliest first: class tokens (n, d), registers (n, r, d), patches (n, p, d) row by row, and the grid
            (h / patch, w / patch).

        Raises:
            ValueError: a side that is no multiple of the patch size.
        """
        patch, registers = self.config.patch, self.config.registers
        height, width = images.shape[-2:]
        grid = (height // patch, width // patch)
        if cells is None:
            if height % patch or width % patch:
                raise ValueError(f"the image is {width} x {height} pixels; both sides must be multiples of {patch}")
            cells = self.cells(grid)
        x = (self.patch_embed.proj(images) + cells.permute(0, 3, 1, 2)).flatten(2).transpose(1, 2)
        # Lengths are read off shapes: len() would make a constant of the batch in an exported graph.
        first = (self.cls_token + self.pos_embed[:, :1]).expand(x.shape[0], -1, -1)
        between = (self.register_tokens.expand(x.shape[0], -1, -1),) if registers else ()
        x = torch.cat((first, *between, x), dim=1)
        for number, block in enumerate(self.blocks, start=1):
            x = block(x)
            if number > self.depth - count:
                normed = self.norm(x)
                yield Tokens(normed[:, 0], normed[:, 1 : 1 + registers], normed[:, 1 + registers :], grid)

    def cells(self, grid: tuple[int, int]) -> Tensor:
        """Position embedding of the patches for a grid of them: (1, h, w, d), in the type of the weights."""
        side = self.config.grid
        table = self.pos_embed[:, 1:].reshape(1, side, side, -1)
        if grid == (side, side):
            return table
        stored = table.float().permute(0, 3, 1, 2)
        if self.config.interpolation == "offset":
            # The scale, not the size, is handed over: torch then samples with step side / (n + 0.1).
            scale = ((grid[0] + OFFSET) / side, (grid[1] + OFFSET) / side)
            resized = F.interpolate(stored, scale_factor=scale, mode="bicubic", antialias=False)
        else:
            resized = F.interpolate(
                stored, size=grid, mode="bicubic", antialias=self.config.interpolation == "antialias"
            )
        return resized.permute(0, 2, 3, 1).to(self.pos_embed.dtype)


class _PatchEmbedding(nn.Module):
    def __init__(self, dimension: int, patch: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, dimension, kernel_size=patch, stride=patch)


class _Block(nn.Module):
    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        d = config.dimension
        self.norm1 = nn.LayerNorm(d, eps=EPS)
        self.attn = _Attention(d, config.heads)
        self.ls1 = _LayerScale(d)
        self.norm2 = nn.LayerNorm(d, eps=EPS)
        self.mlp = _Mlp(d) if config.ffn == "mlp" else _SwiGlu(d)
        self.ls2 = _LayerScale(d)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.ls1(self.attn(self.norm1(x)))
        out: Tensor = x + self.ls2(self.mlp(self.norm2(x)))
        return out


class _Attention(nn.Module):
    def __init__(self, dimension: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dimension, 3 * dimension)
        self.proj = nn.Linear(dimension, dimension)

    def forward(self, x: Tensor) -> Tensor:
        n, tokens, d = x.shape
        q, k, v = self.qkv(x).reshape(n, tokens, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        out: Tensor = self.proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(n, tokens, d))
        return out


class _LayerScale(nn.Module):
    def __init__(self, dimension: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(dimension))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gamma


class _Mlp(nn.Module):
    def __init__(self, dimension: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dimension, 4 * dimension)
        self.fc2 = nn.Linear(4 * dimension, dimension)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.fc2(F.gelu(self.fc1(x)))
        return out


class _SwiGlu(nn.Module):
    def __init__(self, dimension: int) -> None:
        super().__init__()
        hidden = (math.floor(4 * dimension * 2 / 3) + 7) // 8 * 8
        self.w12 = nn.Linear(dimension, 2 * hidden)
        self.w3 = nn.Linear(hidden, dimension)

    def forward(self, x: Tensor) -> Tensor:
        gate, value = self.w12(x).chunk(2, dim=-1)
        out: Tensor = self.w3(F.silu(gate) * value)
        return out
