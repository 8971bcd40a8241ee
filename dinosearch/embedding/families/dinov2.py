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

from dinosearch.embedding.families.backbone import Backbone, Family, State
from dinosearch.embedding.families.parts import Attention, LayerScale, Mlp, PatchEmbedding
from dinosearch.embedding.runtimes.positions import OFFSET, Positions
from dinosearch.embedding.tokens import Tokens

EPS = 1e-6  # of every LayerNorm


@dataclass(frozen=True)
class TransformerConfig:
    """Shape of a Vision Transformer with learned positions.

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
        layer_scale: whether branches are scaled, and the files hold a mask token: DINOv2's do, DINO's do not.
    """

    dimension: int
    depth: int
    heads: int
    patch: int = 14
    registers: int = 0
    ffn: Literal["mlp", "swiglu"] = "mlp"
    grid: int = 37
    interpolation: Literal["offset", "antialias", "size"] = "offset"
    layer_scale: bool = True


class VisionTransformer(Backbone):
    """A Vision Transformer that returns class, register and patch tokens after the final norm.

    Args:
        config: the shape.
    """

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.config = config
        d = config.dimension
        self.dimension, self.patch_size, self.depth, self.registers = d, config.patch, config.depth, config.registers
        self.cls_token = nn.Parameter(torch.zeros(1, 1, d))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + config.grid**2, d))
        if config.registers:
            self.register_tokens = nn.Parameter(torch.zeros(1, config.registers, d))
        if config.layer_scale:
            # Only pre-training uses it, but the official files hold it and loading is strict.
            self.mask_token = nn.Parameter(torch.zeros(1, d))
        self.patch_embed = PatchEmbedding(d, config.patch)
        self.blocks = nn.ModuleList(_Block(config) for _ in range(config.depth))
        self.norm = nn.LayerNorm(d, eps=EPS)

    def last_blocks(self, images: Tensor, count: int, cells: Tensor | None = None) -> Iterator[Tokens]:
        """See `Backbone.last_blocks`.

        Each is given the final norm, as the official code does by default (facebookresearch/dinov2,
        models/vision_transformer.py, get_intermediate_layers with norm=True).
        """
        if cells is None:
            cells = self.cells(self.grid(images))
        x = self.patch_embed.proj(images)
        grid = (x.shape[2], x.shape[3])
        x = (x + cells.permute(0, 3, 1, 2)).flatten(2).transpose(1, 2)
        # Lengths are read off shapes: len() would make a constant of the batch in an exported graph.
        first = (self.cls_token + self.pos_embed[:, :1]).expand(x.shape[0], -1, -1)
        between = (self.register_tokens.expand(x.shape[0], -1, -1),) if self.registers else ()
        x = torch.cat((first, *between, x), dim=1)
        for number, block in enumerate(self.blocks, start=1):
            x = block(x)
            if number > self.depth - count:
                normed, patches = self.norm(x), 1 + self.registers
                yield Tokens(normed[:, 0], normed[:, 1:patches], normed[:, patches:], grid)

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

    def positions(self) -> Positions:
        """The stored grid and how it is resized."""
        side = self.config.grid
        table = self.pos_embed[0, 1:].reshape(side, side, -1)
        return Positions(self.config.interpolation, table.numpy())


class _Block(nn.Module):
    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        d = config.dimension
        self.norm1 = nn.LayerNorm(d, eps=EPS)
        self.attn = Attention(d, config.heads)
        self.ls1 = LayerScale(d) if config.layer_scale else nn.Identity()
        self.norm2 = nn.LayerNorm(d, eps=EPS)
        self.mlp = Mlp(d, 4 * d) if config.ffn == "mlp" else _SwiGlu(d)
        self.ls2 = LayerScale(d) if config.layer_scale else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.ls1(self.attn(self.norm1(x)))
        out: Tensor = x + self.ls2(self.mlp(self.norm2(x)))
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


# Keys of transformers' Dinov2Model and Dinov2WithRegistersModel, as published and as its version 5 names them in
# memory, and what the official files call the same.
RENAMED: tuple[tuple[str, str], ...] = (
    (r"^(dinov2|dinov2_with_registers)\.", ""),
    (r"^embeddings\.(cls_token|mask_token|register_tokens)$", r"\1"),
    (r"^embeddings\.position_embeddings$", "pos_embed"),
    (r"^embeddings\.patch_embeddings\.projection\.", "patch_embed.proj."),
    (r"^(encoder\.)?layer\.(\d+)\.", r"blocks.\2."),
    (r"\.attention\.output\.dense\.", ".attn.proj."),
    (r"\.attention\.o_proj\.", ".attn.proj."),
    (r"\.attention\.(attention\.query|q_proj)\.", ".attn.qkv.0."),
    (r"\.attention\.(attention\.key|k_proj)\.", ".attn.qkv.1."),
    (r"\.attention\.(attention\.value|v_proj)\.", ".attn.qkv.2."),
    (r"\.layer_scale(\d)\.lambda1$", r".ls\1.gamma"),
    (r"\.mlp\.weights_in\.", ".mlp.w12."),
    (r"\.mlp\.gate_proj\.", ".mlp.w12.0."),
    (r"\.mlp\.up_proj\.", ".mlp.w12.1."),
    (r"\.mlp\.(weights_out|down_proj)\.", ".mlp.w3."),
    (r"^layernorm\.", "norm."),
)


def _adapted(state: State, config: TransformerConfig) -> State:
    """Without the classifier that some files hold; a missing mask token (only pre-training uses it) is forgiven."""
    state = {key: value for key, value in state.items() if not key.startswith("classifier.")}
    if config.layer_scale:
        state.setdefault("mask_token", torch.zeros(1, config.dimension))
    return state


FAMILY = Family(TransformerConfig, VisionTransformer, RENAMED, _adapted)
