"""A small ConvNeXt in the layout of DINOv3's, behind the same token interface as the Vision Transformer.

It knows no checkpoints and no preprocessing, and offers no register tokens: `Tokens.registers` is empty.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

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


class ConvNeXt(nn.Module):
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

    @property
    def dimension(self) -> int:
        """Length of each token."""
        return self.config.widths[-1]

    @property
    def patch_size(self) -> int:
        """Side of a patch token's cell in pixels."""
        side = 1
        for stride in self.config.strides:
            side *= stride
        return side

    @property
    def depth(self) -> int:
        """How many of the last blocks tokens can be taken of: those of the last stage, whose cells are the tokens'."""
        return self.config.depths[-1]

    def forward(self, images: Tensor) -> Tokens:
        """Tokens of a batch after the last block; arguments as `last_blocks`."""
        (tokens,) = self.last_blocks(images, 1)
        return tokens

    def last_blocks(self, images: Tensor, count: int) -> Iterator[Tokens]:
        """Tokens of a batch after each of the last blocks, each given the final norm.

        Args:
            images: float, (n, 3, h, w), normalised by ImageNet's mean and deviation; h and w of at least `patch_size`.
            count: how many blocks, 1 to `depth`.

        Yields:
            The earliest first: class tokens (n, d), no registers (n, 0, d), patch tokens (n, p, d) row by row, and the
            grid (h, w).
        """
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
