"""ResNet-50 as DINO trained it (He et al. 2016, arXiv:1512.03385), with torchvision's state-dict keys.

The class token is the mean of the last feature map, the 2048 numbers that DINO's evaluation takes; the patch tokens are
its cells of 32 x 32 pixels. Nothing is normed after them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dinosearch.embedding.families.backbone import Backbone, Family, State
from dinosearch.embedding.tokens import Tokens

_WIDER = 4  # how much wider a block's output is than its middle


@dataclass(frozen=True)
class ResNetConfig:
    """Shape of a ResNet of bottleneck blocks.

    Attributes:
        depths: blocks of each of the four stages.
        width: channels of the stem and of the first stage's middle; each stage doubles it.
    """

    depths: tuple[int, ...] = (3, 4, 6, 3)
    width: int = 64


class ResNet(Backbone):
    """A ResNet that returns its last feature map as tokens.

    Args:
        config: the shape.
    """

    patch_size = 32

    def __init__(self, config: ResNetConfig) -> None:
        super().__init__()
        self.config = config
        self.conv1 = nn.Conv2d(3, config.width, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(config.width)
        before = config.width
        for number, depth in enumerate(config.depths, start=1):
            middle = config.width * 2 ** (number - 1)
            blocks = []
            for place in range(depth):
                blocks.append(_Bottleneck(before, middle, 2 if number > 1 and place == 0 else 1))
                before = middle * _WIDER
            self.add_module(f"layer{number}", nn.Sequential(*blocks))
        self.dimension, self.depth = before, config.depths[-1]

    def last_blocks(self, images: Tensor, count: int, cells: Tensor | None = None) -> Iterator[Tokens]:
        """See `Backbone.last_blocks`; there are no registers, and `cells` is not used."""
        x = F.relu(self.bn1(self.conv1(images)))
        x = F.max_pool2d(x, 3, stride=2, padding=1)
        *earlier, last = (getattr(self, f"layer{number}") for number in range(1, len(self.config.depths) + 1))
        for stage in earlier:
            x = stage(x)
        for number, block in enumerate(last.children(), start=1):
            x = block(x)
            if number > self.depth - count:
                patches = x.flatten(2).transpose(1, 2)
                yield Tokens(patches.mean(dim=1), patches[:, :0], patches, (x.shape[2], x.shape[3]))


class _Bottleneck(nn.Module):
    def __init__(self, before: int, middle: int, stride: int) -> None:
        super().__init__()
        after = middle * _WIDER
        self.conv1 = nn.Conv2d(before, middle, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(middle)
        self.conv2 = nn.Conv2d(middle, middle, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(middle)
        self.conv3 = nn.Conv2d(middle, after, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(after)
        same = before == after and stride == 1
        self.downsample = (
            None
            if same
            else nn.Sequential(nn.Conv2d(before, after, 1, stride=stride, bias=False), nn.BatchNorm2d(after))
        )

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


def _adapted(state: State, config: ResNetConfig) -> State:
    """Without DINO's projection or a classifier; the counters of batches, which only training uses, may be missing."""
    kept = {key: value for key, value in state.items() if not key.startswith(("fc.", "head."))}
    for key in list(kept):
        if key.endswith(".running_mean"):
            kept.setdefault(key.replace("running_mean", "num_batches_tracked"), torch.zeros(()))
    return kept


FAMILY = Family(ResNetConfig, ResNet, adapt=_adapted)
