"""DINOv3's Vision Transformer (Simeoni et al. 2025, arXiv:2508.10104), with the state-dict keys of the official files.

Sizes and names follow facebookresearch/dinov3 (models/vision_transformer.py, layers/rope_position_encoding.py,
layers/attention.py). The code is ours: theirs is under the DINOv3 License, as the weights are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dinosearch.embedding.families.backbone import Backbone, Family, State
from dinosearch.embedding.families.parts import Attention, LayerScale, Mlp, PatchEmbedding
from dinosearch.embedding.runtimes.positions import Positions
from dinosearch.embedding.tokens import Tokens

EPS = 1e-5  # of every LayerNorm: `layernormbf16` of the official code
BASE = 100.0  # of the periods: pos_embed_rope_base in hub/backbones.py


@dataclass(frozen=True)
class RotaryConfig:
    """Shape of a Vision Transformer that turns queries and keys by their place.

    Attributes:
        dimension: length of a token.
        depth: blocks.
        heads: attention heads; dimension / heads is a multiple of 4.
        hidden: length of the feed-forward layer's middle.
        gated: whether that layer is a SwiGLU (`w1`, `w2`, `w3`) and not two layers with GELU (`fc1`, `fc2`).
        qkv_bias: whether queries, keys and values have a bias; that of the keys is always nought.
        patch: side of a patch in pixels.
        registers: tokens between the class token and the patches, `storage_tokens` in the files.
    """

    dimension: int
    depth: int
    heads: int
    hidden: int
    gated: bool = False
    qkv_bias: bool = True
    patch: int = 16
    registers: int = 4


class RotaryTransformer(Backbone):
    """A Vision Transformer that returns class, register and patch tokens after the final norm.

    Args:
        config: the shape.
    """

    def __init__(self, config: RotaryConfig) -> None:
        super().__init__()
        self.config = config
        d = config.dimension
        self.dimension, self.patch_size, self.depth, self.registers = d, config.patch, config.depth, config.registers
        self.cls_token = nn.Parameter(torch.zeros(1, 1, d))
        self.storage_tokens = nn.Parameter(torch.zeros(1, config.registers, d))
        self.rope_embed = _Rotary(d // config.heads)
        self.patch_embed = PatchEmbedding(d, config.patch)
        self.blocks = nn.ModuleList(_Block(config) for _ in range(config.depth))
        self.norm = nn.LayerNorm(d, eps=EPS)

    def last_blocks(self, images: Tensor, count: int, cells: Tensor | None = None) -> Iterator[Tokens]:
        """See `Backbone.last_blocks`; each is given the final norm, as in the official get_intermediate_layers."""
        if cells is None:
            cells = self.cells(self.grid(images))
        x = self.patch_embed.proj(images)
        grid = (x.shape[2], x.shape[3])
        first = (token.expand(x.shape[0], -1, -1) for token in (self.cls_token, self.storage_tokens))
        x = torch.cat((*first, x.flatten(2).transpose(1, 2)), dim=1)
        patches = 1 + self.registers
        turn = _turn(cells, patches)
        for number, block in enumerate(self.blocks, start=1):
            x = block(x, turn)
            if number > self.depth - count:
                normed = self.norm(x)
                yield Tokens(normed[:, 0], normed[:, 1:patches], normed[:, patches:], grid)

    def cells(self, grid: tuple[int, int]) -> Tensor:
        """By what the patches of a grid are turned: (1, h, w, d / heads) float32, as `Positions.cells`."""
        angles: Tensor = self.rope_embed(grid)
        return angles

    def positions(self) -> Positions:
        """The periods by which places turn."""
        return Positions("rotary", self.rope_embed.periods.numpy())


class _Rotary(nn.Module):
    """The periods of the angles; they stay float32 whatever the weights are brought to, as in the official code."""

    periods: Tensor

    def __init__(self, head: int) -> None:
        super().__init__()
        self.register_buffer("periods", torch.zeros(head // 4))

    def forward(self, grid: tuple[int, int]) -> Tensor:
        """(1, h, w, head) float32: sines and cosines of half a head's angles, those of the row before the column's."""
        places = [
            (torch.arange(count, device=self.periods.device, dtype=torch.float32) + 0.5) / count * 2 - 1
            for count in grid
        ]
        place = torch.stack(torch.meshgrid(*places, indexing="ij"), dim=-1)
        angles = (2 * math.pi * place[..., None] / self.periods).flatten(2)
        return torch.cat((angles.sin(), angles.cos()), dim=-1)[None]

    def _apply(self, fn: Callable[..., Any], recurse: bool = True) -> _Rotary:
        periods = self.periods
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        self.periods = periods.to(self.periods.device)
        return self


def _turn(cells: Tensor, first: int) -> Callable[[Tensor], Tensor]:
    """What turns the queries or keys (n, heads, t, head) of patches, and leaves the tokens before them as they are."""
    sine, cosine = cells.flatten(1, 2).chunk(2, dim=-1)

    def turned(x: Tensor) -> Tensor:
        # The official code turns in the type of the angles, float32, and goes back.
        one, other = x[:, :, first:].to(sine.dtype).chunk(2, dim=-1)
        patches = torch.cat((one * cosine - other * sine, other * cosine + one * sine), dim=-1)
        return torch.cat((x[:, :, :first], patches.to(x.dtype)), dim=2)

    return turned


class _Block(nn.Module):
    def __init__(self, config: RotaryConfig) -> None:
        super().__init__()
        d = config.dimension
        self.norm1 = nn.LayerNorm(d, eps=EPS)
        self.attn = Attention(d, config.heads, qkv_bias=config.qkv_bias)
        self.ls1 = LayerScale(d)
        self.norm2 = nn.LayerNorm(d, eps=EPS)
        self.mlp = _SwiGlu(d, config.hidden) if config.gated else Mlp(d, config.hidden)
        self.ls2 = LayerScale(d)

    def forward(self, x: Tensor, turn: Callable[[Tensor], Tensor]) -> Tensor:
        x = x + self.ls1(self.attn(self.norm1(x), turn))
        out: Tensor = x + self.ls2(self.mlp(self.norm2(x)))
        return out


class _SwiGlu(nn.Module):
    def __init__(self, dimension: int, hidden: int) -> None:
        super().__init__()
        self.w1 = nn.Linear(dimension, hidden)
        self.w2 = nn.Linear(dimension, hidden)
        self.w3 = nn.Linear(hidden, dimension)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.w3(F.silu(self.w1(x)) * self.w2(x))
        return out


# Keys of transformers' DINOv3ViTModel, as published and as its version 5 names them in memory.
RENAMED: tuple[tuple[str, str], ...] = (
    (r"^embeddings\.cls_token$", "cls_token"),
    (r"^embeddings\.mask_token$", "mask_token"),
    (r"^embeddings\.register_tokens$", "storage_tokens"),
    (r"^embeddings\.patch_embeddings\.", "patch_embed.proj."),
    (r"^(model\.)?layer\.(\d+)\.", r"blocks.\2."),
    (r"\.attention\.o_proj\.", ".attn.proj."),
    (r"\.attention\.q_proj\.", ".attn.qkv.0."),
    (r"\.attention\.k_proj\.", ".attn.qkv.1."),
    (r"\.attention\.v_proj\.", ".attn.qkv.2."),
    (r"\.layer_scale(\d)\.lambda1$", r".ls\1.gamma"),
    (r"\.mlp\.gate_proj\.", ".mlp.w1."),
    (r"\.mlp\.up_proj\.", ".mlp.w2."),
    (r"\.mlp\.down_proj\.", ".mlp.w3."),
)
_PLAIN = ((".mlp.w2.", ".mlp.fc1."), (".mlp.w3.", ".mlp.fc2."))
"""transformers calls the layers of both kinds alike."""
_TRAINING = ("mask_token", "local_cls_norm.")
"""Only pre-training uses them: the second norm is for class tokens of local crops (7B and the satellite ViT-L)."""


def _adapted(state: State, config: RotaryConfig) -> State:
    """Apply the mask of the bias (`bias_mask`, nought for keys), which other libraries' files apply by leaving out."""
    adapted = {}
    for key, value in state.items():
        if key.startswith(_TRAINING) or key.endswith(".bias_mask"):
            continue
        if not config.gated:
            for one, other in _PLAIN:
                key = key.replace(one, other)
        adapted[key] = value
        if key.endswith(".attn.qkv.bias") and f"{key}_mask" in state:
            adapted[key] = torch.where(state[f"{key}_mask"] == 0, torch.zeros_like(value), value)
        if key.endswith(".attn.qkv.0.bias"):
            adapted.setdefault(key.replace(".qkv.0.", ".qkv.1."), torch.zeros_like(value))
    if "rope_embed.periods" not in adapted:
        head = config.dimension // config.heads
        adapted["rope_embed.periods"] = BASE ** (2 * torch.arange(head // 4, dtype=torch.float32) / (head // 2))
    return adapted


FAMILY = Family(RotaryConfig, RotaryTransformer, RENAMED, _adapted)
