"""ConvNeXt in the layout of DINOv3's, behind the same token interface as the Vision Transformers; `mini` is one.

It knows no checkpoints and no preprocessing, and offers no register tokens: `Tokens.registers` is empty.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dinosearch.embedding.families.backbone import Backbone, Family, State
from dinosearch.embedding.tokens import Tokens


@dataclass(frozen=True)
class ConvNeXtConfig:
    """Shape of a ConvNeXt.

    Attributes:
        depths: blocks per stage.
        widths: channels per stage; the last one is the dimension of the tokens.
        strides: by how much each stage shrinks its input; their product is the side of a token's cell in pixels.
    """

    depths: tuple[int, ...] = (2, 2, 6, 2)
    widths: tuple[int, ...] = (48, 96, 192, 384)
    strides: tuple[int, ...] = (4, 2, 2, 2)


class ConvNeXt(Backbone):
    """ConvNeXt (Liu et al. 2022, arXiv:2201.03545) that returns tokens as DINOv3's does (arXiv:2508.10104).

    The class token is the normalised mean over the last feature map, the patch tokens are its normalised cells.
    Keys: `downsample_layers`, `stages.S.B.{dwconv,norm,pwconv1,pwconv2,gamma}`, `norm`.

    Args:
        config: the shape.
    """

    def __init__(self, config: ConvNeXtConfig) -> None:
        super().__init__()
        self.config = config
        widths = config.widths
        self.downsample_layers = nn.ModuleList(
            [nn.Sequential(nn.Conv2d(3, widths[0], config.strides[0], config.strides[0]), _ChannelNorm(widths[0]))]
        )
        for before, after, stride in zip(widths, widths[1:], config.strides[1:], strict=False):
            shrink = nn.Conv2d(before, after, stride, stride)
            self.downsample_layers.append(nn.Sequential(_ChannelNorm(before), shrink))
        self.stages = nn.ModuleList(
            nn.Sequential(*(_Block(width) for _ in range(depth)))
            for width, depth in zip(widths, config.depths, strict=True)
        )
        self.norm = nn.LayerNorm(widths[-1], eps=1e-6)
        self.dimension, self.patch_size = widths[-1], math.prod(config.strides)
        self.depth = config.depths[-1]  # blocks of the last stage, whose cells are the tokens'

    def last_blocks(self, images: Tensor, count: int, cells: Tensor | None = None) -> Iterator[Tokens]:
        """See `Backbone.last_blocks`; there are no registers, `cells` is not used, and sides need not be multiples."""
        x = images.contiguous(memory_format=torch.channels_last)
        for shrink, stage in zip(self.downsample_layers[:-1], self.stages[:-1], strict=True):
            x = stage(shrink(x))
        x = self.downsample_layers[-1](x)
        grid = (x.shape[2], x.shape[3])
        for number, block in enumerate(self.stages[-1].children(), start=1):
            x = block(x)
            if number > self.depth - count:
                cells = x.flatten(2).transpose(1, 2)
                yield Tokens(self.norm(cells.mean(dim=1)), cells[:, :0], self.norm(cells), grid)


class _ChannelNorm(nn.LayerNorm):
    """LayerNorm over the channels of (n, c, h, w)."""

    def __init__(self, width: int) -> None:
        super().__init__(width, eps=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        y = F.layer_norm(x.permute(0, 2, 3, 1), self.normalized_shape, self.weight, self.bias, self.eps)
        return y.permute(0, 3, 1, 2)


class _Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.dwconv = nn.Conv2d(width, width, 7, padding=3, groups=width)
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.pwconv1 = nn.Linear(width, 4 * width)
        self.pwconv2 = nn.Linear(4 * width, width)
        self.gamma = nn.Parameter(torch.full((width,), 0.3))

    def forward(self, x: Tensor) -> Tensor:
        z = self.norm(self.dwconv(x).permute(0, 2, 3, 1))
        y: Tensor = self.gamma * self.pwconv2(F.gelu(self.pwconv1(z)))
        return x + y.permute(0, 3, 1, 2)


# Keys of transformers' DINOv3ConvNextModel, as published and as its version 5 names them in memory.
RENAMED: tuple[tuple[str, str], ...] = (
    (r"^model\.", ""),
    (r"^stages\.(\d+)\.downsample_layers\.(\d+)\.", r"downsample_layers.\1.\2."),
    (r"^stages\.(\d+)\.layers\.(\d+)\.", r"stages.\1.\2."),
    (r"\.depthwise_conv\.", ".dwconv."),
    (r"\.layer_norm\.", ".norm."),
    (r"\.pointwise_conv(\d)\.", r".pwconv\1."),
    (r"^layer_norm\.", "norm."),
)


def _adapted(state: State, config: ConvNeXtConfig) -> State:
    """The official files hold the last norm twice, also as that of the last stage (`norms.3`)."""
    return {key: value for key, value in state.items() if not key.startswith("norms.")}


FAMILY = Family(ConvNeXtConfig, ConvNeXt, RENAMED, _adapted)
